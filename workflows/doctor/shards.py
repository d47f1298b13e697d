"""Check and repair of a dataset's shards: that the files are there and whole which its records name."""

from collections.abc import Iterable
from shlex import quote

from harvest.dataset.lost_shards import MADE_BY_HAND, LostShard, lost_shards, take_back
from harvest.dataset.read import Dataset
from workflows.console import counted
from workflows.doctor.finding import Finding
from workflows.journal.records import latest_journal
from workflows.lease import lease_on

SHOWN = 5
"""Movies that are named."""
MAKERS = {"tracklets": "train", "clusters": "cluster", "adaptations": "cluster"}
"""The command that makes a derived table."""


def shards(dataset: Dataset) -> Finding:
    """Whether every shard is there, by one listing."""
    lost = lost_shards(dataset)
    if not lost:
        return Finding("shards", "works", "all there, and as long as their records say")
    return Finding("shards", "broken", f"lost or cut short: {_told(lost)}", _remedy(dataset, lost))


def repair(dataset: Dataset) -> Finding:
    """Take back the records of what is lost. Raises DatasetError where another run is at work, or too much is lost."""
    with lease_on(dataset.store):
        taken = take_back(dataset)
    if not taken:
        return Finding("repair", "works", "no record had to be taken back")
    return Finding("repair", "works", f"taken back: the records of {_told(taken)}", "; ".join(_again(dataset, taken)))


def _remedy(dataset: Dataset, lost: list[LostShard]) -> str:
    """A copy of the files mends all; where there is none, what can be made again is."""
    by_hand = sorted({each.run for each in lost if each.table == MADE_BY_HAND})
    steps = [f"castmine doctor --dataset {quote(dataset.root)} --repair"] if len(by_hand) < len(lost) else []
    steps += ["castmine labels import, for labels were given by hand"] if by_hand else []
    return f"put the files back from a copy; or {', and '.join(steps)}"


def _again(dataset: Dataset, taken: Iterable[LostShard]) -> list[str]:
    """The commands that make again what was taken back."""
    root, journal = quote(dataset.root), latest_journal(dataset.store)
    tables = {each.table for each in taken}
    latest = (journal.retry if journal else "").removesuffix(" --retry-failed").replace("--dataset DIR", f"-d {root}")
    commands = [latest or f"castmine harvest CORPUS --dataset {root}"] if tables - MAKERS.keys() else []
    if journal and journal.command == "corpus":
        return [latest]  # which does every stage again whose results are gone
    runs = {(MAKERS[each.table], each.run) for each in taken if each.table in MAKERS}
    return commands + [f"castmine {maker} --dataset {root}, as it made {run}" for maker, run in sorted(runs)]


def _told(lost: list[LostShard]) -> str:
    movies = sorted({each.movie_id for each in lost})
    tables = ", ".join(sorted({f"{each.table} ({each.run})" if each.run else each.table for each in lost}))
    named = ", ".join(movies[:SHOWN]) + (", …" if len(movies) > SHOWN else "")
    return f"{counted(len(lost), 'shard')} of {named}: {tables}"
