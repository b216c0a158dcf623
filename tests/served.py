"""A server on loopback that speaks the completions protocol, of one model called `tiny`; answers are a function's."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CompletionsServer:
    """`answer(asked)` gives the body of a completions request, of which one with an `error` goes out as `refusal`.

    An answer may have a `fault` instead: `status` and `headers` with its `error`, `cut` for a body that ends half way,
    `wait` for seconds before it comes. `requests` are all that were asked. Within `with` it runs.
    """

    def __init__(self, answer, refusal=400):
        self.requests = []
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
                model = {"id": "tiny", "object": "model", "created": 0, "owned_by": "x"}
                self.send({"object": "list", "data": [model]})

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(asked)
                found = answer(asked)
                if "fault" in found:
                    fault = found.pop("fault")
                    whole = {"id": "x", "object": "text_completion", "created": 0, "model": "tiny", **found}
                    with contextlib.suppress(OSError):  # whoever asked has gone
                        self.send(whole, **fault)
                    return None
                if "error" in found:
                    return self.send(found, refusal)
                self.send({"id": "x", "object": "text_completion", "created": 0, "model": "tiny", **found})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()
