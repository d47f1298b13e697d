"""Who is at work on a dataset: a lease that is taken, renewed while its owner lives, and expires when it does not.

It spares two runs the same work. Correctness never rests on it: any number of runs may commit to one dataset, and each
commit is whole. Times are given by the caller; nothing here looks at a clock.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from harvest.dataset.records import Record
from harvest.dataset.store import Store

LEASE = "lease.json"
"""Its place in the dataset."""
TRIES = 3
"""Of taking it, where it changes between the look and the put: one that is given back meanwhile is there to be had."""


class Lease(Record):
    """Who holds a dataset, and until when unless it says that it lives."""

    host: str
    pid: int
    started: str
    """What tells the process from a later one of the same number."""
    command: str
    since: datetime
    expires: datetime

    def is_of(self, other: "Lease") -> bool:
        """Whether both are of one process."""
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)


Gone = Callable[[Lease], bool]
"""Whether the owner of a lease is known to have ended without giving it back."""


def take(store: Store, wanted: Lease, at: datetime, gone: Gone = lambda lease: False) -> Lease | None:
    """Take the lease where nobody holds it, or its owner's time is over; otherwise return the one that is in the way.

    Of several that try at once, one succeeds: by an exclusive create, or a put on the condition that it is unchanged.
    """
    for _ in range(TRIES):
        content, mark = store.get_marked(LEASE)
        held = _parsed(content)
        if held and not held.is_of(wanted) and held.expires > at and not gone(held):
            return held
        if store.put_if(LEASE, wanted.to_json(), mark) or _is_put(store, wanted):
            return None
    return holder(store) or wanted  # taken and given back under each try: the next finds it free


def renew(store: Store, mine: Lease, expires: datetime) -> Lease | None:
    """Prolong my lease; None where it is another's by now, or gone: it is not taken again."""
    content, mark = store.get_marked(LEASE)
    held = _parsed(content)
    if not held or not held.is_of(mine):
        return None
    later = mine.model_copy(update={"expires": expires})
    return later if store.put_if(LEASE, later.to_json(), mark) or _is_put(store, later) else None


def give_back(store: Store, mine: Lease) -> None:
    """End my lease; another's stays."""
    held = holder(store)
    if held and held.is_of(mine):
        store.delete(LEASE)


def holder(store: Store) -> Lease | None:
    """The lease that lies in the dataset, expired or not."""
    return _parsed(store.get_marked(LEASE)[0])


def until(at: datetime, seconds: float) -> datetime:
    """The time so many seconds later."""
    return at + timedelta(seconds=seconds)


def _is_put(store: Store, wanted: Lease) -> bool:
    """Whether a put that was said to have come too late was ours after all.

    Where a bucket's answer is lost, its client puts again by itself, and is told that the file is there: the first put.
    """
    return holder(store) == wanted


def _parsed(content: bytes | None) -> Lease | None:
    """A lease that cannot be read holds nobody up."""
    try:
        return Lease.model_validate_json(content) if content else None
    except ValidationError:
        return None
