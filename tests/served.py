"""Servers on loopback that speak the completions protocol; answers are a function's, or a policy's of this process."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from game24lab.tasks.prompt import Prompt


class CompletionsServer:
    """`answer(asked)` gives the body of a completions request, of which one with an `error` goes out as `refusal`.

    An answer may have a `fault` instead: `status` and `headers` with its `error`, `cut` for a body that ends half way,
    `wait` for seconds before it comes. `generated` tokens it tells as vLLM does. `requests` are all that were asked,
    of a model of that `name`. Within `with` it runs.
    """

    def __init__(self, answer, refusal=400, name="tiny"):
        self.requests, self.generated = [], 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def send(self, value, status=200, headers=(), cut=False, wait=0):
                body = json.dumps(value).encode()
                time.sleep(wait)
                self.send_response(status)
                usual = {"Content-Type": "application/json", "Content-Length": len(body)}
                for name, text in {**usual, **dict(headers)}.items():
                    self.send_header(name, str(text))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

            def do_GET(self):
                if self.path == "/metrics":
                    text = f'vllm:generation_tokens_total{{model_name="{name}"}} {outer.generated:.1f}\n'
                    self.send_response(200)
                    self.end_headers()
                    return self.wfile.write(text.encode())
                model = {"id": name, "object": "model", "created": 0, "owned_by": "x"}
                self.send({"object": "list", "data": [model]})

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(asked)
                found = answer(asked)
                if "fault" in found:
                    fault = found.pop("fault")
                    whole = {"id": "x", "object": "text_completion", "created": 0, "model": name, **found}
                    with contextlib.suppress(OSError):  # whoever asked has gone
                        self.send(whole, **fault)
                    return None
                if "error" in found:
                    return self.send(found, refusal)
                self.send({"id": "x", "object": "text_completion", "created": 0, "model": name, **found})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def serve(policy, ids=True, ends=True, **options):
    """A server that speaks as vLLM does, over a policy in this process; without token `ids`, or without end tokens."""

    def answer(asked):
        if asked["seed"] == 666:
            return {"error": {"message": "cannot\nserve this"}}
        found = policy.generate(
            [Prompt(tuple(asked["prompt"]))], asked["n"], max_tokens=asked["max_tokens"], seeds=[asked["seed"]],
            temperature=asked["temperature"], top_p=asked.get("top_p", 1.0), top_k=max(0, asked.get("top_k", 0)),
            stop_line=bool(asked.get("stop")),
        )[0]  # fmt: skip
        server.generated += sum(len(completion.ids) for completion in found)
        return {"choices": [write(index, completion) for index, completion in enumerate(found)][::-1]}

    def write(index, completion):
        kept = len(completion.ids) - (0 if ends or completion.finish == "length" else 1)
        tokens = [f"token_id:{i}" if ids else policy.tokenizer.decode([i]) for i in completion.ids[:kept]]
        logprobs = {"tokens": tokens, "token_logprobs": completion.logprobs[:kept], "top_logprobs": None,
                    "text_offset": []}  # fmt: skip
        return {"index": index, "text": completion.text, "finish_reason": completion.finish, "logprobs": logprobs}

    server = CompletionsServer(answer, **options)
    return server
