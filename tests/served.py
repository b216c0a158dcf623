"""A server on loopback that speaks the completions protocol, of one model called `tiny`; answers are a function's."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CompletionsServer:
    """`answer(asked)` gives the body of a completions request, of which one with an `error` goes out as `refusal`.

    `requests` are all that were asked. Within `with` it runs.
    """

    def __init__(self, answer, refusal=400):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def send(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                model = {"id": "tiny", "object": "model", "created": 0, "owned_by": "x"}
                self.send({"object": "list", "data": [model]})

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(asked)
                found = answer(asked)
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
