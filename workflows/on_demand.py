"""Ray where it is needed and no sooner: work that finds nothing to do never starts it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

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


def map_here(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result | BaseException]]:
    """What `map_tasks` does, in this process and without Ray: an error is of its item alone."""
    for item in items:
        try:
            result = function(item)
        except Exception as error:
            yield item, error
        else:
            yield item, result
