"""Check and repair of a dataset's shards: that the files are there and whole which its records name."""

from shlex import quote

from harvest.dataset.lost_shards import MADE_BY_HAND, LostShard, lost_shards, take_back
from harvest.dataset.read import Dataset
from workflows.console import counted
from workflows.doctor.again import again
from workflows.doctor.finding import Finding
from workflows.doctor.sources import without_source
from workflows.lease import lease_on

NAMED_IN_FINDING = 5
"""Movies that a finding names; of more, the first ones."""


def shards(dataset: Dataset) -> Finding:
    """Whether every shard is there, by one listing."""
    lost = lost_shards(dataset, without_source)
    if not lost:
        return Finding("shards", "works", "all there, and as long as their records say")
    return Finding("shards", "broken", f"lost or cut short: {_told(lost)}", _remedy(dataset, lost))


def repair(dataset: Dataset) -> Finding:
    """Take back the records of what is lost. Raises DatasetError where another run is at work, or too much is lost."""
    with lease_on(dataset.store):
        lost = lost_shards(dataset, without_source)
        taken, left = ([each for each in lost if each.stays is stays] for stays in (False, True))
        steps = again(dataset, taken)
        take_back(dataset, lost)
    said = f"taken back: the records of {_told(taken)}" if taken else "no record had to be taken back"
    said += f"; left as they are, for nobody can make them again: {_told(left)}" if left else ""
    return Finding("repair", "works", said, "; ".join(steps))


def _remedy(dataset: Dataset, lost: list[LostShard]) -> str:
    """A copy of the files mends all; where there is none, what can be made again is."""
    gone = sorted({each.movie_id for each in lost if each.stays and each.table != MADE_BY_HAND})
    steps = []
    if any(not each.stays for each in lost):
        steps.append(f"castmine doctor --dataset {quote(dataset.root)} --repair")
    if any(each.table == MADE_BY_HAND for each in lost):
        steps.append("castmine labels import, for labels were given by hand")
    if gone:
        steps.append(f"castmine forget {' or '.join(map(quote, _few(gone)))}, whose source is not there any more")
    return f"put the files back from a copy; or {', and '.join(steps)}"


def _told(lost: list[LostShard]) -> str:
    movies = sorted({each.movie_id for each in lost})
    tables = ", ".join(sorted({f"{each.table} ({each.run})" if each.run else each.table for each in lost}))
    return f"{counted(len(lost), 'shard')} of {', '.join(_few(movies))}: {tables}"


def _few(movies: list[str]) -> list[str]:
    return movies[:NAMED_IN_FINDING] + ["…"] * (len(movies) > NAMED_IN_FINDING)
