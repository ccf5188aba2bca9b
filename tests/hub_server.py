"""A hub on the loopback: `with LocalHub(token) as hub:`, and `hub.endpoint` is what HF_ENDPOINT wants.

Everything received is kept for the tests to search; faults are planned by route with `fail`. `hub_api` has the answers.
"""

import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from hub_api import HubApi, Refusal, Request

REPO = r"^/api/(models|spaces)/[^/]+/[^/]+"
ROUTES = (
    (("PUT",), r"^/storage/", "upload"),
    (("GET", "HEAD"), r"^/storage/", "download"),
    (("POST",), r"^/api/repos/create$", "create"),
    (("POST",), r"^/api/validate-yaml$", "validate"),
    (("POST",), rf"{REPO}/preupload/", "preupload"),
    (("POST",), rf"{REPO}/commit/", "commit"),
    (("POST",), rf"{REPO}/branch/", "branch"),
    (("POST",), r"\.git/info/lfs/objects/batch$", "batch"),
    (("POST",), r"\.git/info/lfs/verify$", "verify"),
    (("GET",), rf"{REPO}/tree/", "tree"),
    (("GET",), rf"{REPO}(/revision/|$)", "info"),
    (("GET", "HEAD"), r"^/[^/]+/[^/]+/resolve/", "resolve"),
)


class LocalHub(HubApi):
    """The server, in threads of this process.

    Args:
        token: the one token that may write, and read private repositories; it belongs to the user "tester".
    """

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.requests: list[Request] = []
        self.unknown: list[str] = []
        self._faults: Counter[str] = Counter()
        self._lock = threading.RLock()
        handler = type("BoundHandler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        # Another host to the client: it must not send the token there, as it must not to the real hub's storage.
        self.storage_url = f"http://localhost:{self._server.server_port}/storage"
        looks = {"poll_interval": 0.01}  # whether it is to end
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=looks, daemon=True)

    def __enter__(self) -> "LocalHub":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, route: str, times: int) -> None:
        """Answer 500 to the next `times` requests of a route: create, preupload, batch, upload, verify, commit, ..."""
        self._faults[route] += times

    def asked(self, route: str) -> list[Request]:
        """The requests of a route, failed ones included."""
        return [r for r in self.requests if r.route == route]

    def receive(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        with self._lock:
            self.requests.append(request)
            if self._faults[request.route] > 0:
                self._faults[request.route] -= 1
                return 500, {"x-error-message": "Internal Error - planned by the test"}, b"{}"
            try:
                answer = getattr(self, f"_{request.route}")(request)
            except Refusal as refusal:
                headers = {"x-error-message": refusal.message, "x-error-code": refusal.code or ""}
                return refusal.status, headers, json.dumps({"error": refusal.message}).encode()
        if isinstance(answer, tuple):
            return answer
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    def _none(self, request: Request) -> None:
        self.unknown.append(f"{request.method} {request.path}")
        raise Refusal(404, "Not Found")


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        route = _route(self.command, path)
        request = Request(route, self.command, path, self.path, headers, self._body(headers))
        status, headers, body = self.hub.receive(request)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def log_message(self, *args: object) -> None:
        """Nothing: the requests are kept."""


def _route(method: str, path: str) -> str:
    return next((route for methods, pattern, route in ROUTES if method in methods and re.search(pattern, path)), "none")
