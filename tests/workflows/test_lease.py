"""A run holds its dataset: a second says who does, waits, or goes on where the first has died."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvest.dataset.commit import put_movie_record
from harvest.dataset.lease import LEASE, Lease, holder
from harvest.dataset.read import Dataset
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from tests.harvest import small_dataset
from tests.workflows.conftest import Castmine
from workflows.harvest.gone import gone
from workflows.harvest.inputs import find_inputs
from workflows.lease import lease_on
from workflows.processes import is_gone, process_mark

HOLD = """
import sys, time
from harvest.dataset.store import Store
from workflows.lease import lease_on
with lease_on(Store(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(root: Path) -> "subprocess.Popen[str]":
    """A process that holds a dataset until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Dataset.create(tmp_path / "dataset")
    return tmp_path / "dataset"


def test_a_second_run_says_who_holds_it_or_waits_for_the_first(root: Path, castmine: Castmine, tmp_path: Path) -> None:
    first = hold(root)
    (tmp_path / "a.mp4").write_bytes(b"no video")
    refused = castmine("harvest", tmp_path, "--dataset", root, status=2)
    assert f"process {first.pid}, since " in refused.err
    assert "--wait waits for its end" in refused.err
    with pytest.raises(DatasetError, match="at work on it is"), lease_on(Store(str(root))):
        pass
    threading.Timer(3, lambda: first.communicate("")).start()
    began = time.monotonic()
    with lease_on(Store(str(root)), wait=True):
        assert time.monotonic() - began > 1
        with lease_on(Store(str(root))):
            pass
        assert holder(Store(str(root))), "the inner of two blocks gives nothing back"
    assert holder(Store(str(root))) is None


def test_a_run_that_waited_lists_its_corpus_anew_and_removes_nothing_that_came_meanwhile(
    root: Path, pack_folder: Path, tmp_path: Path
) -> None:
    dataset, films, first = small_dataset.make(root), tmp_path / "films", hold(root)
    films.mkdir()
    (films / "early.mp4").touch()

    def harvested_by_the_first() -> None:
        (films / "lonely.mp4").touch()
        record = dataset.movie("lonely")
        facts = record.facts.model_copy(update={"corpus": str(films), "uri": str(films / "lonely.mp4")})
        put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))
        first.communicate("")

    threading.Timer(1, harvested_by_the_first).start()
    with find_inputs(str(films), str(root), str(pack_folder), wait=True) as found:
        assert "lonely" not in gone(dataset, found.movies)


def test_a_killed_run_on_this_machine_holds_nobody_up(root: Path) -> None:
    first = hold(root)
    first.kill()
    first.wait()
    assert holder(Store(str(root)))
    with lease_on(Store(str(root))):
        pass


def test_the_lease_of_a_machine_that_is_gone_expires(root: Path) -> None:
    store, at = Store(str(root)), datetime.now(UTC)
    elsewhere = Lease(host="gone", pid=1, started="x", command="c", since=at, expires=at + timedelta(minutes=5))
    store.put(LEASE, elsewhere.to_json())
    with pytest.raises(DatasetError, match="c on gone, process 1"), lease_on(store):
        pass
    with lease_on(store, clock=lambda: at + timedelta(minutes=6)):
        pass


def test_a_lease_is_prolonged_while_its_run_lives_and_not_taken_back(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(str(root))
    with lease_on(store, lease_s=2):
        time.sleep(3)
        held = holder(store)
        assert held
        assert held.expires > datetime.now(UTC)
        told = ""
        for _ in range(40):  # a beat that is under way puts its own once more, and the next may be late
            store.put(LEASE, held.model_copy(update={"pid": 1}).to_json())
            time.sleep(0.5)
            told += capfd.readouterr().err
            if told:
                break
        assert "another run has taken over this dataset" in told
    assert json.loads(store.get(LEASE))["pid"] == 1


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    assert process_mark(1)
    assert process_mark(2**22 + 1) == ""
    here, mark = platform.node(), process_mark(os.getpid())
    assert not is_gone(here, os.getpid(), mark)
    assert is_gone(here, os.getpid(), mark + "0"), "an earlier process of this number"
    assert is_gone(here, 2**22 + 1, mark)


def test_of_a_process_in_another_container_or_of_another_machine_nothing_is_known() -> None:
    here, (boot, space, started) = platform.node(), process_mark(os.getpid()).split("/")
    for mark in (f"{boot}/pid:[1]/{started}", f"another boot/{space}/{started}", "", "x"):
        assert not is_gone(here, 2**22 + 1, mark)
    assert not is_gone("elsewhere", 2**22 + 1, f"{boot}/{space}/{started}")
