"""One SELECT and nothing else; the shipped queries' figures worked out by hand; answers in every format."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.snapshot import Snapshot
from harvest.dataset.views import connect
from harvest.errors import QueryError
from tests.harvest.small_dataset import MOVIE, make
from workflows.sql.answers import Format, write_result
from workflows.sql.prompt import answer, print_queries, print_schema, prompt
from workflows.sql.select import batches, named_queries, open_locked, run_query
from workflows.sql.table import SHOWN_ROWS

SECRET = "a word that stands in a file outside the dataset"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sql")


@pytest.fixture(scope="module")
def snapshot(root: Path) -> Snapshot:
    (root / "outside.csv").write_text(f"{SECRET}\n1\n")
    pq.write_table(pa.table({"word": [SECRET]}), root / "outside.parquet")
    return make(root / "dataset").snapshot()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Dataset.create(tmp_path_factory.mktemp("empty") / "dataset").snapshot()


@pytest.fixture
def unchanged(root: Path, snapshot: Snapshot) -> Iterator[None]:
    """Nothing under the test's folder changes: no byte of a shard, no new file."""
    before = _bytes(root)
    yield
    assert _bytes(root) == before


def _bytes(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


COPIES = {
    "COPY to a shard": "COPY (SELECT 1 AS x) TO '{shard}'",
    "COPY to a shard without a temporary file": "COPY (SELECT 1 AS x) TO '{shard}' (USE_TMP_FILE false)",
    "COPY to a shard under EXPLAIN ANALYZE": "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{shard}' (FORMAT parquet)",
    "the same without a temporary file": "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{shard}' (USE_TMP_FILE false)",
    "COPY to a shard inside a CTE": "WITH x AS (COPY (SELECT 1 AS x) TO '{shard}') SELECT * FROM x",
    "the same CTE without a temporary file": (
        "WITH x AS (COPY (SELECT 1 AS x) TO '{shard}' (USE_TMP_FILE false)) SELECT * FROM x"
    ),
}
OTHER_STATEMENTS = {
    "ATTACH of a new database file": "ATTACH '{outside}/new.duckdb' AS new",
    "INSTALL of an extension": "INSTALL httpfs",
    "LOAD of an extension": "LOAD httpfs",
    "SET of a switch": "SET enable_external_access = true",
    "PRAGMA of a switch": "PRAGMA enable_profiling",
    "RESET of a switch": "RESET allowed_paths",
    "CREATE of a table": "CREATE TABLE stolen AS SELECT 1",
    "INSERT into the records": "INSERT INTO failures SELECT * FROM failures",
    "DELETE from the records": "DELETE FROM movies",
    "EXPORT of the database": "EXPORT DATABASE '{outside}/export'",
    "two statements in one": "SELECT 1; COPY (SELECT 1 AS x) TO '{shard}'",
}
READS = {
    "read_csv of a file outside": "SELECT * FROM read_csv('{outside}/outside.csv')",
    "read_text of a file outside": "SELECT * FROM read_text('{outside}/outside.csv')",
    "glob of a folder outside": "SELECT * FROM glob('{outside}/*')",
    "read_blob of a file outside": "SELECT * FROM read_blob('{outside}/outside.csv')",
    "read_parquet of a file outside": "SELECT * FROM read_parquet('{outside}/outside.parquet')",
    "a file outside named as a table": "FROM '{outside}/outside.parquet'",
    "a CSV outside named as a table": "FROM '{outside}/outside.csv'",
    "parquet_metadata of a file outside": "SELECT * FROM parquet_metadata('{outside}/outside.parquet')",
    "DESCRIBE of a file outside": "DESCRIBE FROM '{outside}/outside.csv'",
}
SMUGGLED = {
    "a COPY in the text given to query()": "FROM query('WITH x AS (COPY (SELECT 1 AS x) TO ''{shard}'') FROM x')",
    "a COPY in a serialized tree": "FROM json_execute_serialized_sql('{tree}')",
    "a COPY deep inside a subquery": "SELECT (WITH x AS (COPY (SELECT 1) TO '{shard}') SELECT count(*) FROM x)",
    "a COPY in one side of a UNION": "SELECT 1 UNION ALL (WITH x AS (COPY (SELECT 1) TO '{shard}') SELECT 1 FROM x)",
    "an INSERT inside a CTE": "WITH x AS (INSERT INTO failures FROM failures RETURNING *) SELECT * FROM x",
    "a DELETE inside a CTE": "WITH x AS (DELETE FROM movies RETURNING *) SELECT * FROM x",
    "a profile written by a table function": "FROM enable_profiling(save_location = '{shard}')",
    "a log written by a table function": "FROM enable_logging(storage = 'file', storage_path = '{outside}/log')",
    "CALL of a table function": "CALL enable_logging(storage = 'file', storage_path = '{outside}/log')",
    "an environment variable": "SELECT getenv('HOME')",
    "a variable of the Python around it": "FROM snapshot",
    "a prepared COPY": "PREPARE p AS COPY (SELECT 1 AS x) TO '{shard}'",
    "VACUUM": "VACUUM",
    "USE of another schema": "USE information_schema",
}
ATTACKS = COPIES | OTHER_STATEMENTS | READS | SMUGGLED


def _armed(attack: str, snapshot: Snapshot, outside: Path) -> str:
    shard = snapshot.shards["tracks"][0].replace("'", "''")
    inner = f"WITH x AS (COPY (SELECT 1 AS x) TO '{shard}') SELECT * FROM x"
    (tree,) = duckdb.connect().execute("SELECT json_serialize_sql($1)", [inner]).fetchall()[0]
    return attack.format(shard=shard, outside=outside, tree=tree.replace("'", "''"))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_and_changes_and_shows_nothing(attack: str, snapshot: Snapshot, root: Path) -> None:
    with pytest.raises(QueryError) as refusal:
        run_query(snapshot, _armed(attack, snapshot, root))
    assert SECRET not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("attack", COPIES.values(), ids=COPIES.keys())
def test_the_attack_is_real_on_a_connection_that_is_not_locked(attack: str, tmp_path: Path) -> None:
    unlocked = make(tmp_path / "dataset").snapshot()
    shard = Path(unlocked.shards["tracks"][0])
    before = shard.read_bytes()
    with connect(unlocked) as connection:
        connection.execute(_armed(attack, unlocked, tmp_path)).fetchall()
    assert shard.read_bytes() != before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("attack", READS.values(), ids=READS.keys())
def test_the_lock_alone_keeps_files_outside_unread(attack: str, snapshot: Snapshot, root: Path) -> None:
    with open_locked(snapshot) as connection, pytest.raises(duckdb.Error) as refusal:
        connection.execute(_armed(attack, snapshot, root)).fetchall()
    assert SECRET not in str(refusal.value)


def test_a_remote_shard_is_read_and_its_neighbour_is_not(snapshot: Snapshot) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("shard", "neighbour"):
        memory.pipe_file(f"/sql/{name}.parquet", Path(snapshot.shards["shots"][0]).read_bytes())
    remote = Snapshot({"shots": ["memory://sql/shard.parquet"]}, {}, snapshot.movies, snapshot.failures)
    assert run_query(remote, "SELECT shot_id FROM shots").num_rows > 0
    with pytest.raises(QueryError):
        run_query(remote, "FROM 'memory://sql/neighbour.parquet'")


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT 1;", 1),
        ("-- a remark\nFROM tracks", 7),
        ("WITH a AS MATERIALIZED (FROM shots) SELECT * FROM a UNION ALL BY NAME FROM a", 10),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) FROM n", 5),
        ("VALUES (1), (2)", 2),
        ("SELECT unnest(embedding) FROM faces", 14),
        ("SELECT * FROM tracks WHERE track_id IN (SELECT track_a FROM links) AND embedding[1] > 0.5", 3),
        ("SELECT reason, n FROM (SELECT unnest(map_entries(drops), recursive := true) FROM movies) AS d(reason, n)", 3),
        ("SELECT i FROM range(9) AS r(i) SEMI JOIN tracks ON i = track_id", 6),
        ("SELECT * FROM tracks QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY faces DESC) = 1", 2),
        ("DESCRIBE tracks", 20),
        ("SUMMARIZE shots", 8),
        ("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'links'", 6),
    ],
)
def test_an_honest_query_is_answered(snapshot: Snapshot, query: str, rows: int) -> None:
    assert run_query(snapshot, query).num_rows == rows


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("SELECT moovie_id FROM tracks", 'Candidate bindings: "movie_id"'),
        ("SELECT * FROM trakcs", "did you mean tracks?"),
        ("SELEC 1 FROM x", 'syntax error at or near "SELEC"'),
        ("corpus-statistic", "did you mean corpus-statistics?"),
        ("SELECT 'x'::INTEGER", "Could not convert string 'x'"),
        ("SELECT $1", "parameters"),
        ("   ", "no statements"),
        ("SELECT '\ud800'", "cannot be parsed"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "query: "),
        ("SELECT error('in the middle') FROM range(3)", "in the middle"),
    ],
)
def test_a_wrong_query_is_told_what_would_be_right(snapshot: Snapshot, query: str, hint: str) -> None:
    with pytest.raises(QueryError) as refusal:
        run_query(snapshot, query)
    assert hint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_columns_of_one_name_are_numbered_apart(snapshot: Snapshot) -> None:
    assert run_query(snapshot, "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a").column_names == ["a", "a_1", "a_1_1", "a_2"]


ANSWERS: dict[str, list[tuple[object, ...]]] = {
    "corpus-statistics": [
        ("tracks per movie", 2.3, 3.2, 0, 6, 3, "movies"),
        ("co-occurring share of a movie's tracks, %", 41.7, 58.9, 0, 83.3, 2, "movies"),
        ("co-occurring tracks per movie", 1.7, 2.9, 0, 5, 3, "movies"),
        ("faces per co-occurring track", 30, 15.8, 10, 50, 5, "tracks"),
        ("cannot-link partners per co-occurring track", 1.2, 0.4, 1, 2, 5, "tracks"),
        ("co-occurring tracks with exactly one partner, %", 80, None, None, None, 5, "tracks"),
    ],
    "screen-time": [
        ("hac", MOVIE, 0, "Ann", 14, 14, 2, 40, 0, 20),
        ("hac", MOVIE, 1, "Bob", 9, 9, 3, 110, 1, 16),  # tracks 3 and 4 overlap from 12 to 14 s: counted once
        ("hac", MOVIE, -1, None, 5, 5, 1, 60, 30, 35),
        ("hac", "lonely", 0, None, 6, 6, 1, 70, 3, 9),
        ("known", MOVIE, 0, "Ann", 19, 19, 3, 100, 0, 35),
        ("known", MOVIE, 1, "Bob", 8, 8, 2, 60, 1, 16),
        ("known", MOVIE, 2, None, 3, 3, 1, 50, 11, 14),
    ],
    "who-with-whom": [
        ("hac", MOVIE, 0, 1, 3, 10, 1),
        ("known", MOVIE, 0, 1, 2, 7, 1),
        ("known", MOVIE, 0, 2, 1, 3, 11),
    ],
    "first-appearance": [
        ("hac", MOVIE, 0, "0:00:00", 0, 0, 0),
        ("hac", MOVIE, 1, "0:00:01", 0, 1, 1),
        ("hac", "lonely", 0, "0:00:03", 0, 0, 3),
        ("known", MOVIE, 0, "0:00:00", 0, 0, 0),
        ("known", MOVIE, 1, "0:00:01", 0, 1, 1),
        ("known", MOVIE, 2, "0:00:11", 1, 4, 11),
    ],
    "shot-lengths": [
        ("empty", 1, 5, 5, 5, 5, 0, 0, 1, 0, 0, 0),
        (MOVIE, 3, 20, 20, 10, 30, 1, 1, 0, 1, 1, 1),
        ("lonely", 1, 20, 20, 20, 20, 0, 0, 0, 1, 0, 0),
    ],
    "cast-per-shot": [
        ("hac", MOVIE, 0, 1, 30),
        ("hac", MOVIE, 2, 2, 15),
        ("hac", "lonely", 1, 1, 20),
        ("known", MOVIE, 1, 1, 30),
        ("known", MOVIE, 2, 1, 10),
        ("known", MOVIE, 3, 1, 20),
    ],
    "quality": [
        ("empty", 0, None, None, None, None, None, None),
        (MOVIE, 6, 83.3, 16.7, 50, None, 42.5, 0.5),
        ("lonely", 1, 0, 100, 100, None, 40, 0.5),
    ],
    "drops": [
        ("empty", "detection: too small", 1, 0, "detections"),
        (MOVIE, "detection: too small", 7, 210, "detections"),
        (MOVIE, "track: too short", 2, 6, "tracks"),
    ],
    "runs": [("hac", 2, 3, 0, 7, 1, "hac", "base"), ("known", 1, 3, 0, 6, 0, "hac", "base")],
    "names": [
        ("hac", MOVIE, 0, "Ann", 2),
        ("hac", MOVIE, 1, "Bob", 1),
        ("known", MOVIE, 0, "Ann", 2),
        ("known", MOVIE, 1, "Bob", 1),
    ],
}


@pytest.mark.parametrize("name", named_queries())
def test_a_shipped_query_gives_the_figures_worked_out_by_hand(snapshot: Snapshot, name: str) -> None:
    table = run_query(snapshot, name)
    assert [tuple(row.values()) for row in table.to_pylist()] == ANSWERS[name]


def test_a_time_code_is_the_second_that_has_begun_as_on_the_cast_sheet() -> None:
    times = {0.67: "0:00:00", 59.99: "0:00:59", 60.5: "0:01:00", 3599.6: "0:59:59", 3661.9: "1:01:01"}
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE tracks (movie_id TEXT, track_id INT, shot_id INT, start_s DOUBLE)")
        connection.execute("CREATE TABLE clusters (run TEXT, movie_id TEXT, track_id INT, cluster_id INT)")
        for track, start_s in enumerate(times):
            connection.execute("INSERT INTO tracks VALUES ('m', $1, 0, $2)", [track, start_s])
            connection.execute("INSERT INTO clusters VALUES ('r', 'm', $1, $1)", [track])
        rows = connection.execute(named_queries()["first-appearance"].sql).fetchall()
    assert [row[3] for row in rows] == list(times.values())


@pytest.mark.parametrize("name", named_queries())
def test_a_shipped_query_works_on_an_empty_dataset_and_says_what_it_shows(empty: Snapshot, name: str) -> None:
    assert run_query(empty, name).num_rows == (6 if name == "corpus-statistics" else 0)
    assert len(named_queries()[name].title) > 20


def test_two_tracks_seen_together_in_one_character_are_counted_as_violations(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset")
    snapshot = dataset.snapshot()
    stale = {"clusters": snapshot.stale["clusters"]}
    forced = Snapshot(snapshot.shards | stale, {}, snapshot.movies, snapshot.failures)
    (row,) = run_query(forced, "runs").to_pylist()
    assert (row["run"], row["characters"], row["violations"]) == ("old", 1, 3)


NESTED = (
    "SELECT 1 AS whole, 1.5::DECIMAL(9, 2) AS exact, 'nan'::FLOAT AS none, NULL AS nothing, true AS yes, "
    "'é, \"q\"\n[bold]' AS text, 'ab'::BLOB AS bytes, [1, 2, 3, 4, 5, NULL] AS list, MAP {'k': 1} AS map, "
    "{'a': DATE '2020-01-31'} AS struct"
)


def test_json_holds_every_type_in_its_own_words(snapshot: Snapshot, tmp_path: Path) -> None:
    write_result(run_query(snapshot, NESTED), "json", tmp_path / "out.json")
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert row == {
        **{"whole": 1, "exact": 1.5, "none": None, "nothing": None, "yes": True, "text": 'é, "q"\n[bold]'},
        **{"bytes": "YWI=", "list": [1, 2, 3, 4, 5, None], "map": {"k": 1}, "struct": {"a": "2020-01-31"}},
    }


def test_csv_is_read_back_as_it_was(snapshot: Snapshot, tmp_path: Path) -> None:
    write_result(run_query(snapshot, NESTED), "csv", tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["nothing"], row["list"], row["yes"]) == (
        *('é, "q"\n[bold]', "", "[1, 2, 3, 4, 5, null]", "true"),
    )


def test_parquet_is_the_table_itself(snapshot: Snapshot, tmp_path: Path) -> None:
    table = run_query(snapshot, "FROM faces")
    write_result(table, "parquet", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").equals(table)


def test_a_printed_table_cuts_embeddings_and_drives_no_terminal(
    snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(run_query(snapshot, NESTED + ", chr(27) || '[31mred' AS title"), "table")
    shown = capsys.readouterr().out
    assert "[1, 2, 3, 4, … 6 in all]" in shown
    assert "[bold]" in shown
    assert "\x1b" not in shown
    assert "1 row\n" in shown


def test_a_long_answer_is_cut_on_the_screen_and_says_so(snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    with open_locked(snapshot) as connection:  # never computed to its end
        write_result(batches(connection, "SELECT * FROM range(10_000_000_000)"), "table")
    shown = capsys.readouterr().out
    assert f"the first {SHOWN_ROWS} rows" in shown
    assert shown.count("\n") < SHOWN_ROWS + 10


@pytest.mark.parametrize("format", ["table", "csv", "json", "parquet"])
@pytest.mark.parametrize("query", ["FROM tracks", "SELECT shot_id FROM shots"])
def test_an_empty_answer_can_be_written_in_every_format(
    empty: Snapshot, format: Format, query: str, tmp_path: Path
) -> None:
    answer(empty, query, format, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size > 0


@pytest.mark.parametrize(
    ("format", "out", "reason"),
    [
        ("parquet", None, "--out FILE"),
        ("csv", "no/such/folder/out.csv", "cannot be written"),
        ("parquet", "no/such/folder/out.parquet", "cannot be written"),
    ],
)
def test_an_answer_that_cannot_be_written_says_why(
    snapshot: Snapshot, tmp_path: Path, format: Format, out: str | None, reason: str
) -> None:
    with pytest.raises(QueryError, match=reason):
        answer(snapshot, "FROM tracks", format, tmp_path / out if out else None)


@pytest.mark.usefixtures("unchanged")
def test_an_answer_is_never_written_into_the_dataset(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    """Over its marker it could not be opened any more; and a link elsewhere may point at a file of it."""
    dataset, link, elsewhere = root / "dataset", tmp_path / "link", tmp_path / "elsewhere"
    link.symlink_to(snapshot.shards["tracks"][0])
    elsewhere.symlink_to(dataset)
    for out in (dataset / MARKER, dataset / "records/movies/new.csv", elsewhere / MARKER, link):
        with pytest.raises(QueryError, match="lies in the dataset"):
            answer(snapshot, "SELECT 1", "csv", out)


def test_a_query_is_read_from_standard_input_when_none_is_given(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "query.sql").write_text("SELECT count(*) AS n\nFROM tracks;\n")
    with open(tmp_path / "query.sql") as file:
        monkeypatch.setattr("sys.stdin", file)
        answer(snapshot, None, "csv")
    assert capsys.readouterr().out == "n\n7\n"


def test_the_prompt_answers_until_it_is_quit_and_survives_errors(
    snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["", "SELECT count(*) AS n", "FROM tracks;", "FROM nothing;", "runs", ".schema", ".queries", ".quit"])
    prompt(snapshot, lambda _: next(lines))
    shown = " ".join(capsys.readouterr().out.split())
    for expected in (
        "7 1 row",
        "no view nothing",
        "known 1 3 0 6 0 hac base",
        "a cannot-link pair",
        "corpus-statistics",
    ):
        assert expected in shown


def test_the_prompt_ends_with_its_input(snapshot: Snapshot) -> None:
    def at_the_end(_: str) -> str:
        raise EOFError

    prompt(snapshot, at_the_end)


def test_the_schema_and_the_list_of_queries_name_everything(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=200)
    print_schema(console)
    print_queries(console)
    shown = capsys.readouterr().out
    assert "raw network output, never normalised" in shown
    assert "clusters_stale: a row is an assignment" in shown
    assert all(name in shown for name in named_queries())
