"""Which face models a dataset goes on with where none are named: those that it was harvested with last."""

from contextlib import suppress
from itertools import chain

from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.records import MovieRecord
from harvest.dataset.store import Store
from harvest.errors import CastmineError, ModelsError
from harvest.faces import Pack, find_pack
from workflows.journal.records import read_journals

FIRST = "bundled"
"""The pack of a dataset in which nothing was harvested yet."""


def pack_for(models: str | None, root: str, fetch: bool = True) -> tuple[str, Pack]:
    """The name or folder of the pack to harvest with, and the pack; `models`: None where none was named.

    Another pack is another harvest of every movie, of which no clustering is left, so a dataset keeps its own. Raises
    ModelsError where that, or the one that was named, is not here (ModelsNotFetchedError: see `find_pack`).
    """
    last = last_harvested(root) if models is None else None
    if last is None:
        named = FIRST if models is None else models
        return named, find_pack(named, fetch)
    found = find_used(last, Store(root))
    if found is None:
        raise ModelsError(
            f"{root}: was harvested with {last.models}, which was not found here; name it or its folder: "
            "--models PACK, of castmine corpus --set corpus.models=PACK (another one harvests every movie again)"
        )
    return found


def last_harvested(root: str) -> MovieRecord | None:
    """The movie that was harvested last; None where there is no dataset yet, or one of imported tracks alone."""
    if not Store(root).exists(MARKER):
        return None
    harvested = (record for record in Dataset.open(root).records() if record.facts.corpus is not None)
    return max(harvested, key=lambda record: record.committed_at, default=None)


def find_used(record: MovieRecord, store: Store) -> tuple[str, Pack] | None:
    """The pack of just these files, by its name, else where a journal says that it lay; nothing is fetched."""
    tried = set[str]()
    for name in chain([record.models], (journal.models for journal in read_journals(store))):
        if name not in tried and (pack := _pack_here(name)) and pack.hash == record.models_hash:
            return name, pack
        tried.add(name)
    return None


def _pack_here(name: str) -> Pack | None:
    with suppress(CastmineError):
        return find_pack(name, fetch=False)
    return None
