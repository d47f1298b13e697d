"""Doing harm to a harvest, and comparing what it leaves with what is left where nothing went wrong."""

import math
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from harvest.dataset.read import Dataset
from harvest.dataset.store import TEMPORARY

MOVIES = ("a", "b")
SPLIT = ("--workers", 1, "--segment-minutes", 0.05)
"""Two segments of hamilton.mp4, one after the other."""
PATIENT = ("--set", "run.attempts=99", *SPLIT)
"""Work is tried again however often its worker is killed."""
INSTANTS_S = (2.0, 13.0)
"""Seconds of its worker's own computing at which a victim is killed, however busy the machine is. A worker has imported
and opened all by 5, staged the first segment by 7, committed the first movie by 9 and the second by 14."""


class Command(Protocol):
    def start(self, *arguments: object, **environment: str) -> "subprocess.Popen[str]": ...


@dataclass(frozen=True)
class Undisturbed:
    """A corpus of two movies and the dataset that a harvest makes of it when nothing goes wrong."""

    corpus: Path
    dataset: Path
    models: Path

    def command(self, dataset: Path, *options: object) -> tuple[object, ...]:
        return ("harvest", self.corpus, "-d", dataset, "--models", self.models, *(options or SPLIT))

    def assert_readable(self, dataset: Path) -> None:
        """What a reader sees now is whole: of each movie all or nothing, each file with the bytes of its record."""
        if (dataset / "records").exists():
            expected, found = digests_of(self.dataset), digests_of(dataset)
            assert found == {movie: expected[movie] for movie in found}
            for movie in found:
                assert Dataset.open(dataset).table("tracks", movie) == Dataset.open(self.dataset).table("tracks", movie)

    def assert_same(self, dataset: Path) -> None:
        """The dataset holds the same bytes, nothing twice or missing, and no other file that a reader might take up."""
        self.assert_readable(dataset)
        assert set(digests_of(dataset)) == set(MOVIES)
        assert Dataset.open(dataset).failures() == []
        assert shards(dataset) == shards(self.dataset)
        assert staged(dataset) == []


def harvest_undisturbed(castmine: Command, clip: Path, models: Path, folder: Path) -> Undisturbed:
    found = Undisturbed(folder / "movies", folder / "dataset", models)
    found.corpus.mkdir()
    for name in MOVIES:
        shutil.copyfile(clip, found.corpus / f"{name}.mp4")
    process = castmine.start(*found.command(found.dataset, "--workers", 2))
    said, wrong = process.communicate(timeout=300)
    assert process.returncode == 0, said + wrong
    return found


def digests_of(dataset: Path) -> dict[str, dict[str, str]]:
    """Digest of each shard by movie and table."""
    records = Dataset.open(dataset).records()
    return {record.movie_id: {name: shard.digest for name, shard in record.shards.items()} for record in records}


def shards(dataset: Path) -> dict[str, bytes]:
    """Every whole file that lies where shards lie, named by a record or not."""
    files = [path for path in (dataset / "shards").rglob("*") if path.is_file() and not TEMPORARY.search(path.name)]
    return {str(path.relative_to(dataset)): path.read_bytes() for path in files}


def staged(dataset: Path) -> list[Path]:
    """Segments that wait for the rest of their movie."""
    return sorted((dataset / "_staging").rglob("segment.json"))


def wait_for(found: Callable[[], object], seconds: float = 120) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def workers() -> list[int]:
    """Process ids of the harvest workers whose ancestor is this process."""
    titles = {
        int(folder.name): _read(folder / "cmdline") for folder in Path("/proc").iterdir() if folder.name.isdigit()
    }
    found = [pid for pid, title in titles.items() if title.startswith("ray::HarvestWorker")]
    return sorted(pid for pid in found if os.getpid() in _ancestors(pid))


def computed_s(pid: int) -> float:
    """Seconds that a process has computed so far."""
    user, system = (_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or ["0"] * 13)[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _computed_or_gone(pid: int, seconds: float) -> bool:
    return pid not in workers() or computed_s(pid) > seconds


def how_far(dataset: Path) -> str:
    """What a harvest has left so far."""
    committed = len(list((dataset / "records/movies").glob("*.json")))
    return f"{committed} movies committed, {len(staged(dataset))} segments staged"


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int((_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or ["0", "0"])[1])
        yield pid


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@dataclass
class Tally:
    """What was done to harvests, and what came of it."""

    datasets: int = 0
    """Brought to their end, each with the bytes of an undisturbed one."""
    killed: Counter[str] = field(default_factory=Counter)
    """Processes killed, by how far the harvest was."""
    leftovers: int = 0
    """Temporary files that the killed left, which no reader sees."""


def kill_at_random(
    castmine: Command,
    undisturbed: Undisturbed,
    folder: Path,
    seed: int,
    victims: dict[str, int],
    tell: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Harvest while workers and drivers are killed at random instants; each dataset ends with the right bytes.

    Args:
        victims: how many "worker"s and "driver"s are to be killed, in an order that the seed decides.
        tell: is given the tally after each dataset.
    """
    chance, tally = random.Random(seed), Tally()
    waiting = [kind for kind, number in victims.items() for _ in range(number)]
    chance.shuffle(waiting)
    while waiting:
        dataset = folder / f"dataset{tally.datasets}"
        while _harvest_and_kill(castmine, undisturbed, dataset, chance, waiting, tally) != 0:
            pass
        undisturbed.assert_same(dataset)
        tally.datasets += 1
        tally.leftovers += sum(bool(TEMPORARY.search(path.name)) for path in dataset.rglob("*"))
        tell(tally)
    return tally


def _harvest_and_kill(
    castmine: Command, undisturbed: Undisturbed, dataset: Path, chance: random.Random, waiting: list[str], tally: Tally
) -> int:
    """One command on the dataset, in which those who wait for it are killed; its exit status (-9: it was killed)."""
    process = castmine.start(*undisturbed.command(dataset, *PATIENT))
    while waiting and wait_for(lambda: workers() or process.poll() is not None) and process.poll() is None:
        worker, instant = chance.choice(workers() or [0]), chance.uniform(*INSTANTS_S)
        wait_for(partial(_computed_or_gone, worker, instant))
        if process.poll() is not None or worker not in workers():
            continue
        kind = waiting.pop()
        pid = process.pid if kind == "driver" else worker
        tally.killed[f"{kind}: {how_far(dataset)}"] += 1
        os.kill(pid, signal.SIGKILL)
        if kind == "driver":
            break
        wait_for(partial(_computed_or_gone, pid, math.inf))
        undisturbed.assert_readable(dataset)
    said, wrong = process.communicate(timeout=300)
    assert process.returncode in (0, -signal.SIGKILL), said + wrong
    assert "Traceback" not in said + wrong
    wait_for(lambda: not workers())  # they end with their driver
    undisturbed.assert_readable(dataset)
    return process.returncode
