"""What a dataset's records say of it as a whole."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harvest.dataset.read import Dataset
from harvest.dataset.records import DerivedRecord, FailureRecord, MovieRecord
from harvest.dataset.schema import COUNTED_AS, SCHEMA_VERSION


@dataclass(frozen=True)
class MadeWith:
    """Models and settings that some of the movies share."""

    models: str
    models_hash: str
    embedding_size: int
    config_hash: str
    movies: int


@dataclass(frozen=True)
class Clustering:
    """A run of `clusters`."""

    run: str
    methods: str
    models: str
    movies: int
    characters: int
    wcp: float | None
    """Mean over the movies with labels, weighted by their tracks; None: no labels."""


@dataclass(frozen=True)
class DatasetFacts:
    """Sums over all records."""

    root: str
    schema_version: int
    movies: list[MovieRecord]
    made_with: list[MadeWith]
    first: str
    """When the oldest harvest that counts was committed, and the latest; empty in an empty dataset."""
    last: str
    hours: float
    rows: dict[str, int]
    """By table, as `COUNTED_AS` calls them."""
    bytes: int
    splits: dict[str, tuple[int, float, int]]
    """Movies, hours and tracks by split."""
    drops: dict[str, int]
    """By reason, the most frequent first."""
    failures: list[FailureRecord]
    clusterings: list[Clustering]
    labelled: int
    """Movies with labels."""


def gather(dataset: Dataset) -> DatasetFacts:
    """Read the records: no shard is opened."""
    movies = dataset.records()
    current = {record.movie_id: record.harvest_id for record in movies}
    derived = [record for record in dataset.derived_records("clusters") if _fresh(record, current)]
    labels = {record.movie_id for record in dataset.derived_records("labels") if _fresh(record, current)}
    drops: Counter[str] = Counter()
    for record in movies:
        drops.update(record.drops)
    committed = sorted(record.committed_at for record in movies)
    return DatasetFacts(
        root=dataset.root,
        schema_version=SCHEMA_VERSION,
        movies=movies,
        made_with=_made_with(movies),
        first=committed[0] if committed else "",
        last=committed[-1] if committed else "",
        hours=sum(record.facts.duration_s for record in movies) / 3600,
        rows={told: sum(record.rows(table) for record in movies) for table, told in COUNTED_AS.items()},
        bytes=sum(shard.bytes for record in movies for shard in record.shards.values()),
        splits=_splits(movies),
        drops=dict(drops.most_common()),
        failures=dataset.failures(),
        clusterings=_clusterings(derived),
        labelled=len(labels),
    )


def _fresh(record: DerivedRecord, current: dict[str, str]) -> bool:
    return current.get(record.movie_id) == record.harvest_id


def _made_with(movies: list[MovieRecord]) -> list[MadeWith]:
    counted = Counter(
        (record.models, record.models_hash, record.embedding_size, record.config_hash) for record in movies
    )
    return [MadeWith(*made, movies=number) for made, number in counted.most_common()]


def _splits(movies: list[MovieRecord]) -> dict[str, tuple[int, float, int]]:
    by_split: defaultdict[str, list[MovieRecord]] = defaultdict(list)
    for record in movies:
        by_split[record.facts.split or "none given"].append(record)
    return {
        split: (len(of), sum(m.facts.duration_s for m in of) / 3600, sum(m.rows("tracks") for m in of))
        for split, of in sorted(by_split.items())
    }


def _clusterings(derived: list[DerivedRecord]) -> list[Clustering]:
    by_run: defaultdict[str, list[DerivedRecord]] = defaultdict(list)
    for record in derived:
        by_run[record.run].append(record)
    return [
        Clustering(
            run=run,
            methods=_named(record.notes.get("method") for record in records),
            models=_named(record.notes.get("model") for record in records),
            movies=len(records),
            characters=sum(int(record.notes.get("clusters") or 0) for record in records),
            wcp=_mean_wcp(records),
        )
        for run, records in sorted(by_run.items())
    ]


def _named(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(value) for value in values if value}))


def _mean_wcp(records: list[DerivedRecord]) -> float | None:
    scored = [record.notes["metrics"] for record in records if record.notes.get("metrics")]
    tracks = sum(metrics["tracks"] for metrics in scored)
    return sum(metrics["wcp"] * metrics["tracks"] for metrics in scored) / tracks if tracks else None
