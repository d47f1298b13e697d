"""moto's S3 as a server of its own, that can be told to answer 503 and counts what it is asked: `python -m … PORT`."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

CONTROL = "/_control"
BUSY = b"<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code><Message>Please try again.</Message></Error>"

Start = Callable[..., Any]


class MoodyServer:
    """Hands requests on to moto, but answers 503 as often as it was told for a bucket."""

    def __init__(self, inner: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> None:
        self._inner = inner
        self._refusals: dict[str, tuple[int, str]] = {}
        """By bucket: how often (-1: until told otherwise), and what the path of a put must hold before it begins."""
        self._asked: dict[str, Counter[str]] = {}
        self._puts = Lock()
        """One at a time, as in S3: moto looks whether a conditional put may be, and then puts, in two steps."""

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == CONTROL:
            return self._control(environ, start)
        bucket = path.split("/")[1]
        self._asked.setdefault(bucket, Counter())[method] += 1
        if self._is_refused(bucket, path if method == "PUT" else ""):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Service Unavailable", [("Content-Type", "application/xml"), ("Content-Length", str(len(BUSY)))])
            return [BUSY]
        with self._puts if method == "PUT" else nullcontext():
            return self._inner(environ, start)

    def _is_refused(self, bucket: str, put: str) -> bool:
        """Count down; `put`: the path of a put, empty for anything else."""
        left, at = self._refusals.get(bucket, (0, ""))
        if not left or (at and at not in put):
            return False
        self._refusals[bucket] = (left - 1 if left > 0 else left, "")
        return True

    def _control(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """POST {bucket: [refusals, at]}; the answer is what was asked so far, by bucket and method."""
        self._refusals |= json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        answer = json.dumps(self._asked).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]


class QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as S3 keeps them

    def log(self, *arguments: object) -> None:
        """Nothing: a line for each request would fill the pipe."""


if __name__ == "__main__":
    app = MoodyServer(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=QuietHandler)
