"""Addresses that are no Ray's: one line says so at once, where Ray itself would wait a minute and end the process."""

import socket

import pytest

from harvest.errors import CastmineError
from workflows.ray_cluster import ray_cluster


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"


def test_a_head_that_is_not_there_is_named(nobody: str) -> None:
    with (
        pytest.raises(CastmineError, match=rf"^no Ray answers at {nobody} \(Connection refused\): is its head up"),
        ray_cluster(nobody),
    ):
        pass


@pytest.mark.parametrize("address", ["http://head:8265", "ray://head:10001"])
def test_the_address_of_something_else_is_told_from_that_of_the_head(address: str) -> None:
    with (
        pytest.raises(CastmineError, match=rf"^{address}: not the address of a Ray head, .*infra/ray/submit.sh"),
        ray_cluster(address),
    ):
        pass
