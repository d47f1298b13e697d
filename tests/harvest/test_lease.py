"""The lease on a dataset, on a disk and in a bucket: one owner at a time, and none for ever."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvest.dataset.lease import LEASE, Lease, give_back, holder, renew, take
from harvest.dataset.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def lease(pid: int, at: datetime = NOON) -> Lease:
    return Lease(host="a", pid=pid, started="x", command="castmine harvest", since=at, expires=at + MINUTE)


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path) if request.param == "disk" else f"{request.getfixturevalue('bucket').url}/dataset")


def test_one_takes_it_another_is_told_who_has_it_until_it_is_given_back(store: Store) -> None:
    assert holder(store) is None
    assert take(store, lease(1), NOON) is None
    assert take(store, lease(2), NOON) == lease(1)
    assert take(store, lease(1), NOON) is None, "one's own is no hindrance"
    give_back(store, lease(2))
    assert holder(store) == lease(1), "another's stays"
    give_back(store, lease(1))
    assert take(store, lease(2), NOON) is None


def test_a_dead_owners_lease_expires_and_a_living_ones_does_not(store: Store) -> None:
    assert take(store, lease(1), NOON) is None
    assert renew(store, lease(1), NOON + 3 * MINUTE)
    assert take(store, lease(2, NOON + 2 * MINUTE), NOON + 2 * MINUTE) is not None
    assert take(store, lease(2, NOON + 3 * MINUTE), NOON + 3 * MINUTE) is None
    assert renew(store, lease(1), NOON + 9 * MINUTE) is None, "what was taken over is not taken back"
    assert holder(store) == lease(2, NOON + 3 * MINUTE)


def test_an_owner_that_is_known_to_be_gone_is_not_waited_for(store: Store) -> None:
    assert take(store, lease(1), NOON) is None
    assert take(store, lease(2), NOON, gone=lambda held: held.pid == 1) is None
    assert take(store, lease(3), NOON, gone=lambda held: held.pid == 1) == lease(2)


@pytest.mark.parametrize("expired", [False, True], ids=["a free one", "an expired one"])
def test_of_many_that_try_at_once_one_succeeds(store: Store, expired: bool) -> None:
    if expired:
        take(store, lease(99), NOON)
    at = NOON + 2 * MINUTE
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda pid: take(store, lease(pid, at), at), range(8)))
    winners = [pid for pid, other in enumerate(said) if other is None]
    assert len(winners) == 1
    held = holder(store)
    assert held
    assert held.pid == winners[0]


def test_a_put_whose_answer_was_lost_is_known_as_ones_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a client of S3 does: it puts again by itself, and the second finds what the first has put."""
    put_if = store.put_if

    def lost(path: str, content: bytes, mark: str) -> bool:
        put_if(path, content, mark)
        return put_if(path, content, mark)

    monkeypatch.setattr(store, "put_if", lost)
    assert take(store, lease(1), NOON) is None
    assert holder(store) == lease(1)
    assert renew(store, lease(1), NOON + 3 * MINUTE)
    assert take(store, lease(2), NOON) is not None, "another's is still another's"


def test_a_lease_that_is_given_back_between_the_look_and_the_put_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, lease(1), NOON)
    put_if, tries = store.put_if, list[str]()

    def late(path: str, content: bytes, mark: str) -> bool:
        if not tries:
            give_back(store, lease(1))
        tries.append(path)
        return put_if(path, content, mark)

    monkeypatch.setattr(store, "put_if", late)
    assert take(store, lease(2), NOON + MINUTE) is None
    assert holder(store) == lease(2)


def test_a_lease_that_cannot_be_read_holds_nobody_up(store: Store) -> None:
    store.put(LEASE, b"{half")
    assert take(store, lease(1), NOON) is None
    assert renew(store, lease(2), NOON) is None
