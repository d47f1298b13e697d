"""A bucket for a test: its URL, its moods, and what it was asked."""

import json
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any


@dataclass(frozen=True)
class Bucket:
    """An empty bucket on the server of the tests."""

    endpoint: str
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def refuse(self, times: int, at: str = "") -> None:
        """Answer 503 so often from now on, or from the first put on whose path holds `at`; -1: until told otherwise."""
        control(self.endpoint, {self.name: (times, at)})

    def asked(self) -> dict[str, int]:
        """Requests so far, by method."""
        asked: dict[str, int] = control(self.endpoint, {}).get(self.name, {})
        return asked


def wait_for_server(endpoint: str) -> None:
    """Until it answers; it takes two seconds to start on a quiet machine."""
    for _ in range(300):
        try:
            control(endpoint, {})
            return
        except (OSError, HTTPException):
            time.sleep(0.2)
    raise AssertionError(f"no server at {endpoint}")


def control(endpoint: str, refusals: dict[str, tuple[int, str]]) -> dict[str, Any]:
    """Tell the server how often to refuse and from where on, by bucket; what it was asked, by bucket and method."""
    request = urllib.request.Request(f"{endpoint}/_control", json.dumps(refusals).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered
