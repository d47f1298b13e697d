"""What a person sees of an answer: whole values at 80 columns, what is left out by name, and why there are no rows."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from harvest.dataset.read import Dataset
from harvest.dataset.snapshot import Snapshot
from tests.harvest.small_dataset import MOVIE, make
from workflows.sql.prompt import answer, prompt
from workflows.sql.select import named_queries, run_query
from workflows.sql.table import print_rows

PATH = "/films/" + "a long way down/".replace(" ", "-") * 6 + "film.mp4"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return make(tmp_path_factory.mktemp("shown") / "dataset").snapshot()


def shown(snapshot: Snapshot, query: str, columns: int = 80) -> str:
    """The answer as a terminal of so many columns has it."""
    table, file = run_query(snapshot, query), io.StringIO()
    console = Console(file=file, width=columns, highlight=False)
    print_rows(console, table.schema, [tuple(row.values()) for row in table.to_pylist()], more=False)
    return file.getvalue()


@pytest.mark.parametrize("name", named_queries())
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_shipped_query_has_one_line_a_row_and_names_what_found_no_room(
    snapshot: Snapshot, name: str, columns: int
) -> None:
    table = run_query(snapshot, name)
    head, rule, *lines = (line for line in shown(snapshot, name, columns).split("\n") if line.strip())
    assert all(len(line) <= columns for line in (head, rule, *lines))
    if "movie_id" in table.column_names and table.num_rows:
        assert sum(MOVIE in line for line in lines) == table["movie_id"].to_pylist().count(MOVIE)
    missing = {name for name in table.column_names if name not in head.split()}
    told = " ".join(" ".join(lines).split())
    assert ("no room for" in told) == bool(missing)
    assert all(name in told for name in missing)
    assert not missing or "--format csv" in told
    assert columns < 200 or not missing


@pytest.mark.parametrize(
    ("name", "column"),
    [("corpus-statistics", "of"), ("screen-time", "percent"), ("runs", "violations"), ("first-appearance", "track_id")],
)
def test_of_a_shipped_query_80_columns_hold_what_it_is_asked_for(snapshot: Snapshot, name: str, column: str) -> None:
    head = next(line for line in shown(snapshot, name).split("\n") if line.strip())
    assert column in head.split()


def test_a_path_too_long_for_a_table_stands_on_one_line_of_its_own(snapshot: Snapshot) -> None:
    query = f"SELECT movie_id, '{PATH}' AS uri, tracks FROM movies"
    lines = shown(snapshot, query).split("\n")
    assert sum(line.strip() == f"uri       {PATH}" for line in lines) == 3
    assert f"  movie_id  {MOVIE}" in lines
    assert PATH in shown(snapshot, query, 300).split("\n")[3], "a wider terminal has it in a table"


def test_a_message_is_folded_between_its_words_and_never_within_one(snapshot: Snapshot) -> None:
    words = [f"word{number}" for number in range(40)]
    text = shown(snapshot, f"SELECT movie_id, '{' '.join(words)}' AS message, frames FROM movies LIMIT 1")
    assert all(word in text.split() for word in words)
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "1 row" in text


def test_of_a_list_as_much_is_shown_as_there_is_room_for_and_how_to_get_the_rest(snapshot: Snapshot) -> None:
    query = "SELECT [i * 0.12345678::FLOAT for i in range(512)] AS embedding, track_id FROM tracks LIMIT 2"
    assert "[0, 0.123, 0.247, 0.37, … 512 in all]" in shown(snapshot, query)
    text = shown(snapshot, query, 40)
    assert "[0, … 512 in all]" in text
    assert "lists are cut: --format csv has them whole" in " ".join(text.split())
    assert "lists are cut" not in shown(snapshot, "SELECT [1, 2, 3] AS few")


# --- no rows ----------------------------------------------------------------------------------------------------------


def without(snapshot: Snapshot, *tables: str) -> Snapshot:
    shards = {name: files for name, files in snapshot.shards.items() if name not in tables}
    return Snapshot(shards, {}, snapshot.movies, snapshot.failures.slice(0, 0))


@pytest.mark.parametrize(
    ("query", "lacking", "reason"),
    [
        ("screen-time", ("clusters", "labels"), "clusters is empty: no movie is clustered as it was harvested last; "),
        ("SELECT * FROM CLUSTERS c", ("clusters",), "castmine cluster --dataset 'my films'"),
        ("names", ("labels",), "castmine labels import FILE.csv --dataset 'my films'"),
        ("who-with-whom", ("links",), "links is empty: no two tracks of a movie are seen together"),
        ("SELECT * FROM tracklets", (), "castmine train --dataset 'my films' --out MODEL_DIR"),
        ("FROM failures", (), "failures is empty: no failure stands"),
        ("WITH old AS (FROM clusters_stale) SELECT run FROM old", (), "clusters_stale is empty: nothing here"),
        ("SELECT * FROM movies WHERE movie_id = 'none'", (), ""),
    ],
)
@pytest.mark.parametrize("form", ["table", "csv"])
def test_an_answer_without_rows_says_which_view_is_empty_and_what_fills_it(
    snapshot: Snapshot,
    capsys: pytest.CaptureFixture[str],
    query: str,
    lacking: tuple[str, ...],
    reason: str,
    form: str,
) -> None:
    answer(without(snapshot, *lacking), query, form, root="my films")  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert reason in said.err
    assert len(said.err.splitlines()) == bool(reason)
    assert ("no rows" in said.out) == (form == "table")


def test_of_an_empty_dataset_the_first_view_is_told_that_all_others_are_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["screen-time", "SELECT count(*) FROM clusters;", ".quit"])
    prompt(Dataset.create(tmp_path / "dataset").snapshot(), lambda _: next(lines), root="ds")
    expected = "movies is empty: nothing was harvested yet; castmine harvest CORPUS --dataset ds\n"
    assert capsys.readouterr().err == expected, "a count of nothing is a row"
