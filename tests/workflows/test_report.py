"""The cast sheet: what it says of a movie, that it is safe to open, and that a browser shows it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from harvest.dataset.commit import commit_derived, commit_movie, note_failure
from harvest.dataset.forget import forget
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.errors import DatasetError
from tests.workflows.report_tables import (
    clusters,
    face,
    labels,
    links,
    movie,
    real_chip,
    shots,
    table,
    track,
)
from workflows.report.characters import Cast, gather_cast
from workflows.report.config import ReportConfig
from workflows.report.contacts import choose_chip
from workflows.report.current import page_name
from workflows.report.pages import CastSheet, cast_sheet, index_page
from workflows.report.timeline import axis_ticks, length, timecode
from workflows.report.write import other_sheets, write_report

VOID = {"meta", "link", "img", "br", "input", "hr", "path", "circle", "use"}
HOSTILE = "<script>alert(\"x\")</script> & 'Ünïcode' ../.."


class Markup(HTMLParser):
    """Reads a page, and fails where a tag is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.addresses += [values[name] for name in ("src", "href", "srcset", "action", "data") if name in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += text


def sheet(**changes: Any) -> CastSheet:
    """Six tracks of three people in four shots; track 4 is Unknown, track 5 has no chip."""
    tracks = [
        track(0, 0, 10, 0),
        track(1, 5, 20, 0, profile=True),
        track(2, 20, 30, 1, blurred=True, dark=True),
        track(3, 25, 30, 1),
        track(4, 50, 60, 2),
        track(5, 70, 71, 3),
    ]
    made: dict[str, Any] = {
        "movie": movie(drops=[("detection: small", 1231), ("a reason without words", 7)]),
        "shots": shots(0, 20, 50, 70),
        "tracks": table("tracks", tracks),
        "faces": table("faces", [face(t, real_chip(t % 3)) for t in range(5)]),
        "links": links((0, 1), (2, 3)),
        "clusters": clusters({0: 2, 1: 1, 2: 2, 3: 1, 4: -1, 5: 2}),
        "index": "index.html",
    }
    return CastSheet(**(made | changes))


def cast_of(of: CastSheet) -> Cast:
    return of.cast(ReportConfig())


# --- what is said ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code", "words"),
    [
        (0, "0:00:00", "0.0 s"),
        (59.97, "0:00:59", "1 min 00 s"),
        (61.4, "0:01:01", "1 min 01 s"),
        (3599.8, "0:59:59", "1 h 00 min"),
        (7081, "1:58:01", "1 h 58 min"),
    ],
)
def test_times_are_written_as_people_write_them(seconds: float, code: str, words: str) -> None:
    assert (timecode(seconds), length(seconds)) == (code, words)


@pytest.mark.parametrize("duration_s", [0.4, 9.2, 117, 3600, 7200, 40_000])
def test_axis_has_few_ticks_that_stay_on_it(duration_s: float) -> None:
    ticks = axis_ticks(duration_s)
    assert 1 <= len(ticks) <= 11
    assert ticks[0].place == 0
    assert ticks[-1].place <= 97


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ({"yaw": 50.0}, "turned away"),
        ({"pitch": -40.0}, "bent down"),
        ({"sharpness": 20.0}, "blurred"),
        ({"brightness": 10.0}, "dark"),
        ({"score": 0.5}, "unsure"),
    ],
)
def test_the_chosen_chip_is_the_one_that_shows_the_person_best(worse: dict[str, float], why: str) -> None:
    faces = table("faces", [face(3, why.encode(), 0, **worse), face(3, b"good", 9), face(3, None, 12, score=1.0)])
    assert choose_chip(faces, ReportConfig())[3][0] == b"good"


def test_of_two_equal_chips_the_earlier_is_chosen_whatever_the_order_of_rows() -> None:
    rows = [face(1, b"late", 9), face(0, b"zero", 4), face(1, b"early", 3)]
    assert {t: chip for t, (chip, _) in choose_chip(table("faces", rows), ReportConfig()).items()} == {
        0: b"zero",
        1: b"early",
    }


def test_the_most_seen_character_comes_first_with_its_figures() -> None:
    first, second = cast_of(sheet()).characters
    assert (first.name, first.seconds, len(first.contacts), first.shots) == ("Character 2", 21, 3, 3)
    assert (second.name, second.seconds, second.companions) == ("Character 1", 20, (("Character 2", 2),))
    assert [contact.track_id for contact in cast_of(sheet()).unknown.contacts] == [4]


def test_the_number_of_a_character_is_its_cluster_id_which_stands_with_its_name_too() -> None:
    """Whatever their order: runs of earlier versions are numbered by tracks held, from 0."""
    assert "Character 2: " not in cast_sheet(sheet())
    page = cast_sheet(sheet(identities={0: "Ann"}))
    assert "Character 2: 3 tracks" in page
    assert "Character 1: " not in page


def test_labels_give_names_and_mark_what_differs() -> None:
    named = cast_of(sheet(identities={0: "Ann", 1: "Ben", 2: "Ann", 5: "Ben", 4: "Ann"}))
    assert [character.name for character in named.characters] == ["Ann", "Ben"]
    assert [(c.track_id, c.wrong) for c in named.characters[0].contacts] == [(0, False), (2, False), (5, True)]
    assert named.characters[0].wrong == 1


def test_two_characters_of_one_identity_are_told_apart() -> None:
    both = cast_of(sheet(identities={0: "Ann", 1: "Ann"}))
    assert [character.name for character in both.characters] == ["Ann", "Ann (2)"]


def test_a_violated_cannot_link_is_told() -> None:
    of = sheet(clusters=clusters(dict.fromkeys(range(6), 0)))
    assert cast_of(of).characters[0].violations == 2
    assert "2 cannot-link pairs violated" in cast_sheet(of)


def test_the_number_of_every_track_is_text_that_can_be_searched_and_copied() -> None:
    page = cast_sheet(sheet())
    text = Markup(page).text
    assert all(f"track {number}" in text for number in range(6))
    assert "attr(id)" not in page


def test_the_sheet_says_what_was_dropped_and_what_is_unknown() -> None:
    text = Markup(cast_sheet(sheet())).text
    for said in (
        "faces smaller than the harvest takes",
        "1,231",
        "a reason without words",
        "Unknown",
        "Without a face",
    ):
        assert said in text
    for said in ("1280 × 886", "1 min 40 s", "25 fps", "first", "hac", "base", "h1", "c1", "biometric"):
        assert said in text


def test_the_header_tells_labelled_characters_from_the_people_whom_labels_name() -> None:
    scores = {"wcp": 0.9, "clusters": 5, "identities": 6, "tracks": 8}
    page = cast_sheet(sheet(metrics=scores))
    for value, word in ((5, "labelled characters"), (6, "people named"), (8, "labelled tracks")):
        assert f"<dt>{word}</dt><dd>{value}</dd>" in page, word


def test_every_bar_leads_to_a_track_that_is_there() -> None:
    page = Markup(cast_sheet(sheet()))
    inside = {address[1:] for address in page.addresses if address.startswith("#")}
    assert {f"track-{t}" for t in range(6)} <= inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_many_tracks_are_folded_and_the_page_stays_small() -> None:
    many = 3000
    made = sheet(
        tracks=table("tracks", [track(t, t, t + 1, t) for t in range(many)]),
        faces=table("faces", [face(t, real_chip(0)) for t in range(many)]),
        links=links(),
        clusters=clusters(dict.fromkeys(range(many), 0)),
        movie=movie(duration_s=float(many)),
    )
    page = cast_sheet(made)
    assert "and 2,964 more" in page
    assert page.count('class="chip"') == 36 + 120
    assert len(page) < 2e6
    assert {f"track-{t}" for t in range(many)} <= set(Markup(page).ids)


def test_the_wrong_ones_are_always_among_the_shown() -> None:
    many = 100
    tracks = table("tracks", [track(t, t, t + 1 - (t == 77) / 2, t) for t in range(many)])
    given = {t: "Ben" if t == 77 else "Ann" for t in range(many)}
    cast = gather_cast(
        tracks, table("faces", []), links(), clusters(dict.fromkeys(range(many), 0)), given, ReportConfig()
    )
    now, later = cast.characters[0].shown(ReportConfig())
    assert 77 in [contact.track_id for contact in now]
    assert len(now) + len(later) == many


NO_TRACKS = {"tracks": table("tracks", []), "faces": table("faces", []), "clusters": clusters({})}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"clusters": None}, "castmine cluster", id="not clustered: says how to"),
        pytest.param(NO_TRACKS, "No one to see here", id="no track at all"),
        pytest.param({"faces": table("faces", [])}, "No face image is stored", id="no chip at all"),
        pytest.param({"shots": shots(), "movie": {"movie_id": "bare"}}, "bare", id="imported: no shots, no facts"),
        pytest.param({"movie": movie(drops=None, title=None)}, "Nothing was dropped", id="nothing dropped, no title"),
    ],
)
def test_a_movie_with_something_missing_has_a_page_that_says_so(changes: dict[str, Any], said: str) -> None:
    assert said in Markup(cast_sheet(sheet(**changes))).text


# --- safe to open ---------------------------------------------------------------------------------------------------


def hostile_pages() -> list[str]:
    columns = ("movie_id", "title", "uri", "harvest_id", "config_hash", "models")
    bad = movie(**dict.fromkeys(columns, HOSTILE), drops=[(HOSTILE, 1)])
    made = sheet(
        movie=bad,
        clusters=clusters({0: 0, 1: 0, 2: 1}, run=HOSTILE),
        identities={0: HOSTILE, 1: HOSTILE + "2", 2: HOSTILE},
        notes={"threshold": HOSTILE},
    )
    failure = dict.fromkeys(("movie_id", "uri", "stage", "error", "message"), HOSTILE) | {"attempts": 2}
    return [cast_sheet(made), index_page([], [failure], HOSTILE)]


def test_text_from_a_dataset_is_never_markup() -> None:
    for page in hostile_pages():
        markup = Markup(page)
        assert markup.tags.count("script") == 1
        assert HOSTILE in markup.text
        assert "<script>alert" not in page


def test_pages_fetch_nothing() -> None:
    for page in [*hostile_pages(), cast_sheet(sheet()), index_page([])]:
        for address in Markup(page).addresses:
            assert re.match(r"#|data:image/jpeg;base64,|data:,$|[\w%.-]+\.html$", address), address
        assert "@import" not in page
        assert not re.search(r"url\(", page)
        assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "movie_id", ["a/b", "..", ".", "../../etc/passwd", "Ünï <b>", "index", "INDEX", "x" * 900, 'q"']
)
def test_any_id_becomes_one_file_name_of_its_own(movie_id: str) -> None:
    name = page_name(movie_id)
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) < 200
    assert name.lower() != "index.html"


# --- from a dataset -------------------------------------------------------------------------------------------------


def commit(dataset: Dataset, movie_id: str, of: CastSheet, harvest_id: str = "h1") -> None:
    tables = {"shots": of.shots, "tracks": of.tracks, "faces": of.faces, "links": of.links}
    commit_movie(
        dataset.store,
        tables,
        movie_id=movie_id,
        facts=MovieFacts(uri="films/m.mp4", fps=25, frames=2500, duration_s=100, width=1280, height=886),
        stamp=SourceStamp(size=1, modified="1"),
        content_hash="x",
        harvest_id=harvest_id,
        config_hash="c1",
        models="pack",
        models_hash="p1",
        embedding_size=128,
        drops={"track: short": 3},
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "dataset")
    for movie_id in ("index", "a/<b>"):
        commit(made, movie_id, sheet())
        for run, assigned in (("first", dict.fromkeys(range(6), 0)), ("second", {0: 0, 1: 1, 2: 0, 3: 1, 4: -1, 5: 0})):
            commit_derived(made.store, "clusters", run, movie_id, "h1", clusters(assigned, run), {"threshold": 0.5})
    return made


def test_a_report_has_a_sheet_per_movie_and_an_index_that_leads_there(dataset: Dataset, tmp_path: Path) -> None:
    note_failure(dataset.store, "broken", "films/broken.mkv", "harvest", "VideoDecodeError", "no frame", 3)
    commit_derived(dataset.store, "labels", "labels", "index", "h1", labels({0: "Ann", 1: "Ben"}))
    paths = write_report(dataset, None, tmp_path / "out").pages
    assert [path.name for path in paths] == ["index.html", "a%2F%3Cb%3E.html", "%69ndex.html"]
    index = Markup(paths[0].read_text())
    assert {"a%252F%253Cb%253E.html", "%2569ndex.html"} <= set(index.addresses)
    assert "run second" in index.text
    assert "VideoDecodeError" in index.text
    assert "Against the labels" in paths[2].read_text()
    assert "tracks that were too short" in paths[2].read_text()


def test_sheets_of_movies_that_are_gone_are_told_and_every_other_file_is_let_be(
    dataset: Dataset, tmp_path: Path
) -> None:
    _, gone, _ = pages = write_report(dataset, None, tmp_path / "out").pages
    assert other_sheets(pages) == []
    for name, text in (("notes.html", "<title>my notes · cast sheet</title>"), ("page.html", index_page([]))):
        (tmp_path / "out" / name).write_text(text)
    forget(dataset, "a/<b>")
    left = write_report(dataset, None, tmp_path / "out").pages
    assert [path.name for path in left] == ["index.html", "%69ndex.html"]
    assert "a%252F%253Cb%253E.html" not in left[0].read_text()
    assert other_sheets(left) == [gone]
    assert gone.exists()


def test_a_named_run_is_shown_and_an_unknown_one_is_refused_with_those_there_are(
    dataset: Dataset, tmp_path: Path
) -> None:
    for run in ("first", "second"):
        note_failure(dataset.store, "index", "i.mp4", "cluster", "DatasetError", f"not in {run}", 1, run=run)
    index, sheet, _ = write_report(dataset, "first", tmp_path / "out").pages
    assert "run <b>first</b>" in sheet.read_text()
    assert ("not in first" in index.read_text(), "not in second" in index.read_text()) == (True, False)
    with pytest.raises(DatasetError, match=r"'third'; there are: first, second"):
        write_report(dataset, "third", tmp_path / "out")


def test_an_empty_dataset_has_an_index_that_says_so(tmp_path: Path) -> None:
    paths = write_report(Dataset.create(tmp_path / "dataset"), None, tmp_path / "out").pages
    assert [path.name for path in paths] == ["index.html"]
    assert "holds no movie yet" in paths[0].read_text()


def test_a_folder_that_cannot_be_made_is_one_clear_error(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_report(dataset, None, tmp_path / "file" / "out")


def test_two_reports_are_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    first, second = (write_report(dataset, None, tmp_path / out).pages for out in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


# --- in a browser ---------------------------------------------------------------------------------------------------


def chromium(profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium without a network; skips where it is not installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs chromium, which is not on this machine")
    quiet = ["background-networking", "component-update", "sync", "quic"]
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    flags += [
        f"--user-data-dir={profile}",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--proxy-server=127.0.0.1:9",
    ]
    return subprocess.run([program, *flags, *arguments], capture_output=True, text=True, timeout=90, check=True)


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_sheet_without_an_error(tmp_path: Path, width: int, scheme: str) -> None:
    page, picture = tmp_path / "sheet.html", tmp_path / "sheet.png"
    page.write_text(cast_sheet(sheet(identities={0: "Ann", 1: "Ben", 2: "Ben"})), encoding="utf-8")
    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    shot = chromium(tmp_path / "p", *dark, f"--window-size={width},1600", f"--screenshot={picture}", page.as_uri())
    assert "CONSOLE" not in shot.stderr
    image = np.asarray(cv2.imread(str(picture)))
    assert image.shape == (1600, width, 3)
    assert (image[0, 0].mean() > 200) == (scheme == "light")
    assert image.std() > 20, "nearly blank"
    assert (image.max(axis=2).astype(int) - image.min(axis=2) > 40).mean() > 0.01, "no colour: no face, no bar"


def test_a_link_to_a_folded_track_opens_the_fold(tmp_path: Path) -> None:
    """The script runs under the page's own content policy."""
    made = sheet(
        tracks=table("tracks", [track(t, t, t + 1, t) for t in range(60)]),
        clusters=clusters(dict.fromkeys(range(60), 0)),
    )
    page = tmp_path / "sheet.html"
    page.write_text(cast_sheet(made), encoding="utf-8")
    assert '<details class="more">' in page.read_text()
    dom = chromium(tmp_path / "p", "--dump-dom", "--virtual-time-budget=500", f"{page.as_uri()}#track-59")
    assert '<details class="more" open="">' in dom.stdout
    assert "CONSOLE" not in dom.stderr
    page.write_text(page.read_text().replace("</main>", "</main><script>alert(1)</script>"), encoding="utf-8")
    injected = chromium(tmp_path / "p", "--dump-dom", "--virtual-time-budget=500", page.as_uri())
    assert "CONSOLE" in injected.stderr, "a script that is not the page's own must be refused"
