"""Checks of a dataset: that it can be read and written, that what its records name is there, who is at work on it."""

import os
import shutil
from pathlib import Path
from shlex import quote
from uuid import uuid4

from harvest.dataset.lease import holder
from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.store import Store
from harvest.errors import CastmineError
from workflows.console import counted, duration
from workflows.doctor.finding import Finding
from workflows.doctor.machine import LEAST_FREE_GB
from workflows.doctor.shards import repair, shards
from workflows.journal.records import FOLDER, latest_journal
from workflows.lease import describe, utc_clock


def dataset(root: str, mend: bool = False) -> list[Finding]:
    """All that can be said of the dataset at `root`; `mend`: once what can be repaired is."""
    store = Store(root)
    if not store.exists(MARKER):
        said = f"{root}: none yet; castmine harvest makes it"
        return [Finding("dataset", "absent", said), *_creatable(store)]
    opened = Dataset.open(root)
    mended = [repair(opened)] if mend else []
    records, failures = opened.records(), opened.failures()
    tracks = sum(record.rows("tracks") for record in records)
    said = f"{root}: {counted(len(records), 'movie')}, {counted(tracks, 'track')}"
    found = [*mended, Finding("dataset", "works", said), shards(opened), _writable(store), _space(store)]
    if failures:
        advice = f"castmine failures --dataset {quote(root)}"
        failed = len({failure.movie_id for failure in failures})
        found.append(Finding("failures", "note", f"{counted(failed, 'movie')} could not be done", advice))
    return [finding for finding in [*found, _held(store), _at_work(store)] if finding]


def _creatable(store: Store) -> list[Finding]:
    """Whether a folder could be made there. Nothing is written: a dataset is made only in a new or an empty folder."""
    if not store.is_local:
        return []
    parent = next(folder for folder in (Path(store.root), *Path(store.root).parents) if folder.exists())
    may = os.access(parent, os.W_OK)
    said = f"{parent} may {'' if may else 'not '}be written"
    return [Finding("writing", "works" if may else "broken", said, "" if may else "check its owner and permissions")]


def _writable(store: Store) -> Finding:
    name = f"{FOLDER}/doctor-{uuid4().hex}"
    try:
        store.put(name, b"written by castmine doctor\n")
        store.delete(name)
    except (CastmineError, OSError) as error:
        return Finding("writing", "broken", str(error), "a harvest needs to write; reading and SQL do not")
    return Finding("writing", "works", "a file could be written and deleted")


def _space(store: Store) -> Finding | None:
    if not store.is_local:
        return None
    free = shutil.disk_usage(store.root).free / 2**30
    remedy = "" if free >= LEAST_FREE_GB else "free some space, or castmine vacuum"
    return Finding("disk for the dataset", "broken" if remedy else "works", f"{free:.1f} GiB free", remedy)


def _held(store: Store) -> Finding | None:
    """Who holds the dataset, so that no second run begins."""
    lease = holder(store)
    if lease is None:
        return None
    if lease.expires > utc_clock():
        return Finding("lease", "works", f"held by {describe(lease)}")
    return Finding("lease", "note", f"left behind by {describe(lease)}: the next run takes it over")


def _at_work(store: Store) -> Finding | None:
    """The run that wrote the latest journal, while it has not ended."""
    journal = latest_journal(store)
    if journal is None or journal.ended_at is not None:
        return None
    who = f"run {journal.run_id} of {journal.host}, {journal.command} {journal.corpus}"
    silent = journal.silent_s()
    if silent is None:
        return Finding("at work", "works", who)
    return Finding("at work", "note", f"{who}: no sign of life for {duration(silent)}", "run the same command again")
