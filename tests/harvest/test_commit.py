"""A crash at any instant leaves the old state or the new; readers see what records name and nothing else."""

import os
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from harvest.dataset.commit import commit_derived, commit_movie, note_failure, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.dataset.schema import DERIVED_TABLES, HARVEST_TABLES, SCHEMAS
from harvest.dataset.store import OnBytes, Store, untold
from harvest.dataset.views import connect
from harvest.errors import DatasetError
from tests.harvest import small_dataset
from tests.harvest.small_dataset import IDS

MOVIE = "it's a/movie"


class PowerCutError(Exception):
    """The machine stops here."""


class FailingStore(Store):
    """Stops at the n-th put: before it, or having written half of its temporary file."""

    def __init__(self, root: str, stops_at: int, torn: bool) -> None:
        super().__init__(root)
        self.puts, self._stops_at, self._torn = 0, stops_at, torn

    def put(self, relative: str, content: bytes) -> None:
        self._perhaps_stop(relative, content)
        super().put(relative, content)

    def put_file(self, relative: str, file: BufferedRandom, on_put: OnBytes = untold) -> None:
        file.seek(0)
        self._perhaps_stop(relative, file.read())
        super().put_file(relative, file, on_put)

    def _perhaps_stop(self, relative: str, content: bytes) -> None:
        if self.puts == self._stops_at:
            if self._torn:
                path = Path(self.root, f"{relative}.{'0a' * 16}.tmp")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content[: len(content) // 2])
            raise PowerCutError
        self.puts += 1


def tables(harvest: str) -> dict[str, pa.Table]:
    """Tables of a movie whose every number of rows tells the harvest."""
    n = {"old": 1, "new": 3}[harvest]
    here = {"movie_id": MOVIE}
    rows: dict[str, list[dict[str, Any]]] = {
        "shots": [here | {"shot_id": i, "start_frame": 0, "end_frame": 10} for i in range(n)],
        "tracks": [here | {"track_id": i, "shot_id": 0, "embedding": [1.0, 0.0]} for i in range(n)],
        "faces": [here | {"track_id": i, "frame": 0} for i in range(n)],
        "links": [here | {"track_a": 0, "track_b": i + 1} for i in range(n)],
    }
    return {name: pa.Table.from_pylist(found, schema=SCHEMAS[name]) for name, found in rows.items()}


def commit(store: Store, harvest: str) -> None:
    facts = MovieFacts(uri="m.mp4", title=harvest, fps=25, frames=10, duration_s=0.4)
    stamp = SourceStamp(size=1, modified="1")
    commit_movie(store, tables(harvest), movie_id=MOVIE, facts=facts, stamp=stamp, harvest_id=harvest, **IDS)


def seen(root: Path) -> dict[str, tuple[int, str | None]]:
    """Rows by table and the title, as a reader finds them: through the records and through SQL, which must agree."""
    dataset = Dataset.open(root)
    connection = connect(dataset.snapshot())
    found = {}
    for name in HARVEST_TABLES:
        in_sql = connection.sql(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        assert in_sql == (dataset.table(name, MOVIE).num_rows if dataset.record(MOVIE) else 0)
        titles = connection.sql("SELECT title FROM movies").fetchall()
        found[name] = (in_sql, titles[0][0] if titles else None)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Dataset.create(tmp_path / "dataset")
    return tmp_path / "dataset"


NOTHING = dict.fromkeys(HARVEST_TABLES, (0, None))
OLD = dict.fromkeys(HARVEST_TABLES, (1, "old"))
NEW = dict.fromkeys(HARVEST_TABLES, (3, "new"))
PUTS = len(HARVEST_TABLES) + 1


@pytest.mark.parametrize("torn", [False, True], ids=["before the write", "in the middle of the write"])
@pytest.mark.parametrize("stops_at", range(PUTS))
@pytest.mark.parametrize("earlier", ["nothing", "old"])
def test_a_crash_at_any_put_leaves_what_was_there_and_a_second_try_succeeds(
    root: Path, earlier: str, stops_at: int, torn: bool
) -> None:
    if earlier == "old":
        commit(Store(str(root)), "old")
    with pytest.raises(PowerCutError):
        commit(FailingStore(str(root), stops_at, torn), "new")
    assert seen(root) == (OLD if earlier == "old" else NOTHING)
    commit(Store(str(root)), "new")
    assert seen(root) == NEW


def test_the_last_put_is_the_commit(root: Path) -> None:
    store = FailingStore(str(root), stops_at=PUTS, torn=False)
    commit(store, "new")
    assert store.puts == PUTS
    assert seen(root) == NEW


def test_a_crash_between_commit_and_the_end_of_an_earlier_failure_leaves_both(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(root))
    note_failure(store, MOVIE, "m.mp4", "harvest", "VideoDecodeError", "m.mp4: broken", 1)
    monkeypatch.setattr(store, "delete", _power_cut)
    with pytest.raises(PowerCutError):
        commit(store, "new")
    assert seen(root) == NEW
    commit(Store(str(root)), "new")
    assert Dataset.open(root).failures() == []


def test_what_failed_in_one_work_or_run_hides_nothing_of_another_and_a_commit_ends_all(root: Path) -> None:
    store, dataset = Store(str(root)), Dataset.open(root)
    commit(store, "old")
    for stage, run in (("probe", ""), ("cluster", "hac"), ("cluster", ".."), ("cluster", ""), ("harvest", "")):
        note_failure(store, MOVIE, "m.mp4", stage, "VideoDecodeError", f"in {stage} {run}", 1, run=run)
    assert [(failure.kind, failure.message) for failure in dataset.failures()] == [
        ("cluster", "in cluster "),
        ("cluster", "in cluster .."),
        ("cluster", "in cluster hac"),
        ("harvest", "in harvest "),
    ]
    commit(store, "new")
    assert dataset.failures() == []


def _power_cut(*arguments: object) -> None:
    raise PowerCutError


def test_what_no_record_names_does_not_exist_for_a_reader(root: Path) -> None:
    commit(Store(str(root)), "old")
    record = Dataset.open(root).record(MOVIE)
    assert record
    shard = root / record.shards["tracks"].path
    litter = [shard.with_name("leftover.parquet"), shard.with_name(f"{shard.name}.{'ab' * 16}.tmp")]
    litter += [root / "shards/tracks/movie_id=ghost/x.parquet", root / "_staging/ghost/h/0-10/tracks.parquet"]
    litter += [root / f"records/movies/ghost.json.{'ab' * 16}.tmp"]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shard.read_bytes())
    assert seen(root) == OLD
    assert [record.movie_id for record in Dataset.open(root).records()] == [MOVIE]


def test_a_torn_shard_of_the_right_name_is_written_again(root: Path) -> None:
    commit(Store(str(root)), "new")
    record = Dataset.open(root).record(MOVIE)
    assert record
    for shard in record.shards.values():
        os.truncate(root / shard.path, 10)
    commit(Store(str(root)), "new")
    assert seen(root) == NEW
    again = Dataset.open(root).record(MOVIE)
    assert again
    assert again.shards == record.shards, "equal rows have equal names"


def test_equal_rows_in_any_order_and_chunks_give_equal_bytes(root: Path) -> None:
    shuffled = {name: pa.concat_tables([table[1:], table[:1]]) for name, table in tables("new").items()}
    digests = []
    for each in (tables("new"), shuffled):
        facts = MovieFacts(uri="m.mp4", fps=25, frames=10, duration_s=0.4)
        stamp = SourceStamp(size=1, modified="1")
        record = commit_movie(Store(str(root)), each, movie_id="m", facts=facts, stamp=stamp, harvest_id="h", **IDS)
        digests.append({name: shard.digest for name, shard in record.shards.items()})
    assert digests[0] == digests[1]


def test_a_change_of_the_facts_alone_touches_no_shard(root: Path) -> None:
    commit(Store(str(root)), "old")
    record = Dataset.open(root).record(MOVIE)
    assert record
    put_movie_record(
        Store(str(root)), record.model_copy(update={"facts": record.facts.model_copy(update={"year": 1999})})
    )
    changed = Dataset.open(root).record(MOVIE)
    assert changed
    assert changed.facts.year == 1999
    assert changed.shards == record.shards


@pytest.mark.parametrize("name", DERIVED_TABLES)
def test_a_derived_table_is_shown_only_for_the_harvest_it_was_made_from(root: Path, name: str) -> None:
    store, rows = Store(str(root)), [{"movie_id": MOVIE, "track_id": 0}]
    commit(store, "old")
    commit_derived(store, name, "a run", MOVIE, "old", pa.Table.from_pylist(rows, schema=SCHEMAS[name]))

    def shown() -> tuple[bool, int, int]:
        dataset = Dataset.open(root)
        counts = [connect(dataset.snapshot()).sql(f"SELECT count(*) FROM {view}").fetchall()[0][0] for view in views]
        return dataset.derived(name, "a run", MOVIE) is not None, counts[0], counts[1]

    views = (name, f"{name}_stale")
    assert shown() == (True, 1, 0)
    commit(store, "new")
    assert shown() == (False, 0, 1)
    commit(store, "old")
    assert shown() == (True, 1, 0), "nothing was invalidated by writing"


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("stops_at", [0, 1])
def test_a_crash_while_a_derived_table_is_replaced_leaves_the_old_one(root: Path, stops_at: int, torn: bool) -> None:
    def table(n: int) -> pa.Table:
        return pa.Table.from_pylist([{"movie_id": MOVIE, "track_id": i} for i in range(n)], schema=SCHEMAS["clusters"])

    commit(Store(str(root)), "old")
    commit_derived(Store(str(root)), "clusters", "hac", MOVIE, "old", table(1))
    with pytest.raises(PowerCutError):
        commit_derived(FailingStore(str(root), stops_at, torn), "clusters", "hac", MOVIE, "old", table(2))
    found = Dataset.open(root).derived("clusters", "hac", MOVIE)
    assert found is not None
    assert found.num_rows == 1


@pytest.mark.parametrize("run", ["a/b", "..", "x.tmp", "ü" * 200, "y" * 500], ids=["/", "..", ".tmp", "long ü", "long"])
def test_a_run_of_any_name_is_kept_and_listed(root: Path, run: str) -> None:
    commit(Store(str(root)), "old")
    commit_derived(Store(str(root)), "clusters", run, MOVIE, "old", SCHEMAS["clusters"].empty_table())
    dataset = Dataset.open(root)
    assert dataset.runs() == [run]
    assert dataset.derived("clusters", run, MOVIE) is not None


def _other_files(root: Path) -> None:
    (root / "thesis.doc").write_bytes(b"")


def _newer(root: Path) -> None:
    (root / "castmine.json").write_text('{"schema_version": 99}')


def _garbled(root: Path) -> None:
    (root / "castmine.json").write_text("{")


def _file(root: Path) -> None:
    root.rmdir()
    root.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_files, "a folder with other files in it; name a new or an empty one"),
        (_newer, "written with schema version 99, this castmine reads 1; harvest it again"),
        (_garbled, "castmine.json: cannot be read"),
        (_file, "is a file; name a folder for the dataset"),
    ],
)
def test_a_folder_that_is_no_dataset_is_left_alone(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    root = tmp_path / "dataset"
    root.mkdir()
    spoil(root)
    with pytest.raises(DatasetError, match=said):
        Dataset.create(root)


def test_a_record_that_is_garbled_is_named(tmp_path: Path) -> None:
    dataset = small_dataset.make(tmp_path / "dataset")
    (tmp_path / "dataset/records/movies/lonely.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"lonely\.json: not a record of this castmine"):
        dataset.records()
