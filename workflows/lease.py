"""Holding a dataset while a run works on it: a second run waits, or says who holds it."""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from harvest.dataset.lease import Lease, give_back, holder, renew, take, until
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from workflows.console import err
from workflows.processes import is_gone, process_mark

LEASE_S = 90.0
"""A run that has not said that it lives for so long is taken for dead; where it was on this machine, at once."""
BEAT_S = 20.0
"""Between two signs of life: three may be lost."""
LOOK_S = 2.0
"""Between two looks of a run that waits."""

Clock = Callable[[], datetime]


def utc_clock() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


@contextmanager
def lease_on(store: Store, wait: bool = False, clock: Clock = utc_clock, lease_s: float = LEASE_S) -> Iterator[None]:
    """Hold a dataset for the block; within one process as often as one likes.

    Args:
        wait: until another run that holds it has ended.

    Raises:
        DatasetError: another run holds it, and `wait` is off; it says which and until when.
    """
    mine = _own(clock(), lease_s)
    if _is_ours(store, mine):
        yield
        return
    _wait_for(store, mine, wait, clock, lease_s)
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(store, mine, stop, clock, lease_s), daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        with suppress(DatasetError):  # it expires; what was committed stays committed
            give_back(store, mine)


def describe(lease: Lease) -> str:
    """Who holds a dataset, in words."""
    since, expires = (f"{time:%Y-%m-%d %H:%M:%S} UTC" for time in (lease.since, lease.expires))
    return f"{lease.command} on {lease.host}, process {lease.pid}, since {since} (it expires at {expires})"


def _own(at: datetime, lease_s: float) -> Lease:
    command = " ".join(["castmine", *sys.argv[1:2]])
    return Lease(
        host=platform.node(),
        pid=os.getpid(),
        started=process_mark(os.getpid()),
        command=command,
        since=at,
        expires=until(at, lease_s),
    )


def _is_ours(store: Store, mine: Lease) -> bool:
    held = holder(store)
    return held is not None and held.is_of(mine)


def _wait_for(store: Store, mine: Lease, wait: bool, clock: Clock, lease_s: float) -> None:
    told = False
    while other := take(store, mine.model_copy(update={"expires": until(clock(), lease_s)}), clock(), _has_ended):
        if not wait:
            raise DatasetError(f"{store.url}: at work on it is {describe(other)}; --wait waits for its end")
        if not told:
            err.print(f"waiting for {describe(other)}", markup=False)
            told = True
        time.sleep(LOOK_S)


def _has_ended(lease: Lease) -> bool:
    """Whether the owner was a process beside this one that is no more."""
    return is_gone(lease.host, lease.pid, lease.started)


def _beat(store: Store, mine: Lease, stop: threading.Event, clock: Clock, lease_s: float) -> None:
    while not stop.wait(min(BEAT_S, lease_s / 4)):
        with suppress(DatasetError):  # a bucket that does not answer now may answer the next beat
            if not renew(store, mine, until(clock(), lease_s)):
                err.print("another run has taken over this dataset; both go on, and commit the same", markup=False)
                return
