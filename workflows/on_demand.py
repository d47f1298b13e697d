"""Ray where it is needed and no sooner: work that finds nothing to do never starts it."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache

Cores = Callable[[], int]
"""Starts Ray where it does not run yet, and says how many tasks to keep in flight."""


def ray_on_demand(stack: ExitStack, address: str | None, workers: int | None) -> Cores:
    """What starts Ray at its first call, for as long as the stack is open."""

    @cache
    def start() -> int:
        from workflows.ray_cluster import ray_cluster

        cores = stack.enter_context(ray_cluster(address, workers))
        return workers or cores

    return start
