"""A report that is made again: it writes what has changed and nothing else, and comes to what a new one comes to."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harvest.dataset.commit import commit_derived, note_failure, put_movie_record
from harvest.dataset.forget import forget
from harvest.dataset.read import Dataset
from harvest.dataset.records import Shard
from harvest.errors import DatasetError
from harvest.faces import Pack
from tests.workflows.report_tables import clusters, labels, table, track
from tests.workflows.test_report import commit, sheet
from workflows.cli import app
from workflows.config import load_config
from workflows.corpus import reporting
from workflows.corpus.places import Places
from workflows.corpus.reporting import report_stage
from workflows.corpus.session import Session
from workflows.report import current, pages
from workflows.report.config import ReportConfig
from workflows.report.current import INDEX
from workflows.report.write import Report, write_report

HARVESTED_ANEW = {"tracks": table("tracks", [track(0, 3, 4)]), "faces": table("faces", []), "links": table("links", [])}


@dataclass
class Shown:
    """The dataset of the movies a, b and c, clustered twice, and a report of its run "cast"."""

    dataset: Dataset
    out: Path
    run: str = "cast"
    config: ReportConfig | None = None
    force: bool = False

    def report(self, out: Path | None = None) -> Report:
        return write_report(self.dataset, self.run, out or self.out, self.config, self.force)

    def cluster(self, movie_id: str, characters: int, run: str = "cast", harvest: str = "h1") -> None:
        table = clusters({track: track % characters for track in range(6)}, run)
        commit_derived(self.dataset.store, "clusters", run, movie_id, harvest, table, {"threshold": 0.5})

    def label(self, movie_id: str, name: str) -> None:
        commit_derived(self.dataset.store, "labels", "labels", movie_id, "h1", labels({0: name}))

    def titled(self, movie_id: str, title: str) -> None:
        record = self.dataset.record(movie_id)
        assert record
        facts = record.facts.model_copy(update={"title": title})
        put_movie_record(self.dataset.store, record.model_copy(update={"facts": facts}))


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    made = Shown(Dataset.create(tmp_path / "dataset"), tmp_path / "out")
    for movie_id in "abc":
        commit(made.dataset, movie_id, sheet())
        made.cluster(movie_id, 2, "other")
        made.cluster(movie_id, 3)
    made.label("b", "Ann")
    made.report()
    return made


def pages_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def another_castmine(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (current, pages, reporting):
        monkeypatch.setattr(module, "version", lambda name: "9.9")
    current._maker.cache_clear()
    monkeypatch.setattr(current, "_maker", current._maker.__wrapped__)


@pytest.mark.parametrize(
    ("change", "written"),
    [
        pytest.param(lambda shown: None, "", id="nothing"),
        pytest.param(lambda shown: shown.label("a", "Ann"), "a", id="first labels"),
        pytest.param(lambda shown: shown.label("b", "Ben"), "b", id="other labels"),
        pytest.param(lambda shown: shown.cluster("c", 2), "c", id="clustered anew"),
        pytest.param(lambda shown: shown.cluster("c", 1, "other"), "", id="clustered anew in a run not shown"),
        pytest.param(lambda shown: commit(shown.dataset, "b", sheet(**HARVESTED_ANEW), "h2"), "b", id="harvested anew"),
        pytest.param(lambda shown: shown.titled("c", "The Photo"), "c", id="another title"),
        pytest.param(lambda shown: commit(shown.dataset, "d", sheet()), "d", id="a new movie"),
        pytest.param(lambda shown: forget(shown.dataset, "a"), "", id="a movie forgotten"),
        pytest.param(lambda shown: (shown.out / "a.html").unlink(), "a", id="a page removed"),
        pytest.param(lambda shown: (shown.out / "a.html").write_bytes(b""), "a", id="a page empty"),
        pytest.param(lambda shown: os.truncate(shown.out / "a.html", 40_000), "a", id="a page cut short"),
        pytest.param(lambda shown: (shown.out / INDEX).unlink(), "abc", id="the index removed"),
        pytest.param(lambda shown: (shown.out / INDEX).write_bytes(b"\xff"), "abc", id="the index spoilt"),
        pytest.param(lambda shown: setattr(shown, "run", "other"), "abc", id="another run"),
        pytest.param(lambda shown: setattr(shown, "config", ReportConfig(lanes=1)), "abc", id="another setting"),
        pytest.param(lambda shown: setattr(shown, "force", True), "abc", id="by force"),
    ],
)
def test_only_what_would_show_something_else_is_written_again(
    shown: Shown, tmp_path: Path, change: Callable[[Shown], object], written: str
) -> None:
    change(shown)
    before = {path: path.stat().st_mtime_ns for path in shown.out.iterdir()}
    again = shown.report()
    assert [path.stem for path in again.written] == list(written)
    touched = [path for path in again.sheets if path.stat().st_mtime_ns != before.get(path)]
    assert touched == list(again.written)
    if again.sheets[0].stem != "a":
        (shown.out / "a.html").unlink()  # of the forgotten movie: told, and left
    shown.report(tmp_path / "new")
    assert pages_in(shown.out) == pages_in(tmp_path / "new")


def test_after_another_harvest_a_sheet_shows_neither_the_clustering_nor_the_labels_of_the_last(shown: Shown) -> None:
    assert "Ann" in (shown.out / "b.html").read_text()
    commit(shown.dataset, "b", sheet(**HARVESTED_ANEW), "h2")
    shown.report()
    page = (shown.out / "b.html").read_text()
    assert "This movie has no characters yet" in page
    assert "Ann" not in page


def test_another_castmine_writes_every_sheet_with_its_version(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    another_castmine(monkeypatch)
    again = shown.report()
    assert again.written == again.sheets
    assert all("<dd>9.9</dd>" in page.read_text() for page in again.sheets)


@pytest.mark.parametrize("file", ["pages.py", "templates/sheet.css", "templates/macros.html"])
def test_so_does_a_changed_template_and_changed_code_of_one_version(tmp_path: Path, file: str) -> None:
    code = Path(current.__file__).parent
    same = current._maker(Path(shutil.copytree(code, tmp_path / "same")))
    other = Path(shutil.copytree(code, tmp_path / "other"))
    (other / file).write_text((other / file).read_text() + "\n")
    assert current._maker(code) == same != current._maker(other)


def test_the_tables_of_a_movie_whose_sheet_is_current_are_not_read(shown: Shown) -> None:
    record = shown.dataset.record("a")
    assert record
    for shard in record.shards.values():
        Path(shown.dataset.root, shard.path).unlink()
    shown.label("b", "Ben")
    assert [path.stem for path in shown.report().written] == ["b"]


def test_a_report_that_was_stopped_before_its_index_leaves_nothing_that_a_later_one_takes_for_current(
    shown: Shown, tmp_path: Path
) -> None:
    """The index says of the first sheet what is true again, and the sheet shows what was between."""
    index, record = shown.out / INDEX, Path(shown.dataset.root, "records/labels/labels/b.json")
    kept, before = index.read_bytes(), record.read_bytes()
    shown.label("b", "Ben")
    shown.report()
    index.write_bytes(kept)
    record.write_bytes(before)
    assert [path.stem for path in shown.report().written] == ["b"]
    shown.report(tmp_path / "new")
    assert pages_in(shown.out) == pages_in(tmp_path / "new")


def test_a_title_cannot_pass_for_a_line_of_the_index(shown: Shown) -> None:
    line = next(iter(current.lines_there(shown.out).values()))
    shown.titled("a", line)
    shown.report()
    assert len(current.lines_there(shown.out)) == 3
    assert shown.report().written == ()


def test_a_sheet_shows_one_harvest_also_where_another_is_committed_meanwhile(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read, first = Dataset.read_shard, [True]

    def harvested_meanwhile(dataset: Dataset, shard: Shard, columns: list[str] | None = None) -> object:
        found = read(dataset, shard, columns)
        if first:
            first.clear()
            commit(dataset, "a", sheet(**HARVESTED_ANEW), "h2")
        return found

    shown.report(tmp_path / "before")
    shown.force = True
    monkeypatch.setattr(Dataset, "read_shard", harvested_meanwhile)
    shown.report()
    assert pages_in(shown.out) == pages_in(tmp_path / "before")
    shown.force = False
    assert [path.stem for path in shown.report().written] == ["a"]
    assert "track 5" not in (shown.out / "a.html").read_text()


def test_a_lost_table_is_told_as_one_and_not_as_a_folder_that_cannot_be_written(shown: Shown) -> None:
    record = shown.dataset.record("a")
    assert record
    Path(shown.dataset.root, record.shards["faces"].path).unlink()
    shown.label("a", "Ann")
    with pytest.raises(DatasetError, match=r"faces.* is lost.*castmine doctor --dataset"):
        shown.report()


def test_a_page_that_cannot_be_written_is_one_clear_error(shown: Shown) -> None:
    (shown.out / "a.html").unlink()
    (shown.out / "a.html").mkdir()
    with pytest.raises(DatasetError, match=r"out: cannot be written \(Is a directory\)"):
        shown.report()


def test_the_command_says_how_many_it_has_written(shown: Shown, tmp_path: Path) -> None:
    def castmine(*more: str) -> tuple[str, list[str]]:
        out = tmp_path / "out.json"
        options = ["-d", shown.dataset.root, "--run", "cast", "-o", str(shown.out), "--json", str(out), *more]
        said = CliRunner().invoke(app, ["report", *options]).output.split(":")[0]
        return said, [Path(page).stem for page in json.loads(out.read_text())["written"]]

    assert castmine() == ("3 cast sheets (none had to be written besides the index)", [])
    shown.label("a", "Ann")
    assert castmine() == ("3 cast sheets (1 had to be written besides the index)", ["a"])
    assert castmine("--force") == ("3 cast sheets", ["a", "b", "c"])


@pytest.mark.parametrize("named", [True, False], ids=["named", "the latest"])
def test_of_several_clusterings_the_command_says_which_it_shows_and_how_to_choose(shown: Shown, named: bool) -> None:
    *others, latest = shown.dataset.runs()
    run = others[0] if named else latest
    options = ["-d", shown.dataset.root, "-o", str(shown.out), *(("--run", run) if named else ())]
    said = CliRunner().invoke(app, ["report", *options]).output
    which = "one of 2" if named else "the latest of 2"
    assert f"run {run}, {which}: {others[0]}, {latest} (--run NAME chooses)" in said


def test_the_command_says_which_movies_have_no_characters_and_what_gives_them_some(shown: Shown) -> None:
    root, out = shown.dataset.root, str(shown.out)

    def said() -> str:
        return CliRunner().invoke(app, ["report", "-d", root, "--run", "cast", "-o", out]).output

    assert "clustered" not in said()
    commit(shown.dataset, "b", sheet(**HARVESTED_ANEW), "h2")
    assert f"not clustered: b (castmine cluster --dataset {root})" in said()
    for movie_id in "ac":
        commit(shown.dataset, movie_id, sheet(**HARVESTED_ANEW), "h2")
    assert f"no movie is clustered (castmine cluster --dataset {root})" in said()


# --- as a stage of a corpus run -------------------------------------------------------------------------------------


@pytest.fixture
def night(shown: Shown) -> Session:
    made = Session(
        load_config(None, []),
        Places("", shown.dataset.root, "", None, shown.out),
        [],
        "pack",
        Pack("pack", "", (), "p1", None),
        shown.dataset,
    )
    assert report_stage(made, "cast").said.endswith("; none written"), "the command has written them"
    return made


@pytest.mark.parametrize(
    ("change", "reason", "written"),
    [
        pytest.param(lambda shown: shown.label("a", "Ann"), "1 movie changed: a", 1, id="labels"),
        pytest.param(lambda shown: shown.cluster("c", 2), "1 movie changed: c", 1, id="clustered anew"),
        pytest.param(lambda shown: (shown.out / "b.html").unlink(), "1 sheet not there as written", 1, id="a page"),
        pytest.param(lambda shown: (shown.out / INDEX).unlink(), "no sheets there", 3, id="the index"),
        pytest.param(
            lambda shown: note_failure(shown.dataset.store, "x", "x.mp4", "harvest", "VideoDecodeError", "no frame", 3),
            "1 movie changed: failure harvest of x",
            "none",
            id="a failure",
        ),
        pytest.param(lambda shown: forget(shown.dataset, "a"), "1 movie changed: a", "none", id="a movie forgotten"),
    ],
)
def test_a_night_writes_the_sheets_that_changed(
    shown: Shown, night: Session, tmp_path: Path, change: Callable[[Shown], object], reason: str, written: object
) -> None:
    asked = (shown.dataset, night.places, "cast", night.config.report)
    assert report_stage(night, "cast").state == "unchanged"
    assert reporting.why(*asked) == ""
    change(shown)
    assert reporting.why(*asked) == reason
    done, forgotten = report_stage(night, "cast"), len(shown.dataset.records()) < 3
    said = f"{written} written" + (", 1 removed" if forgotten else "")
    assert (done.state, done.said.split("; ")[1]) == ("done", said)
    assert reporting.why(*asked) == ""
    shown.report(tmp_path / "new")
    assert pages_in(shown.out) == pages_in(tmp_path / "new"), "that of a forgotten movie is gone too"


def test_a_night_by_force_and_one_of_another_castmine_write_all(
    shown: Shown, night: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.force = True
    assert report_stage(night, "cast").said.endswith("; 3 written")
    night.force = False
    another_castmine(monkeypatch)
    assert reporting.why(shown.dataset, night.places, "cast", night.config.report) == "its settings changed"
    assert report_stage(night, "cast").said.endswith("; 3 written")
