"""Bad input of every kind: one line that names it and what to do, the rest done, what was committed kept."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.store import TEMPORARY
from tests.workflows.conftest import Castmine, Harvested, Ran, digests
from tests.workflows.test_harvest import run_lightly

ODD_IDS = ("../up", "a/b", "..", "it's", 'say "hi"', "東京 ü")


def film(path: Path, frames: int = 12, seed: int = 0) -> Path:
    """A small movie of drifting colours: nobody is in it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        ramp = np.linspace(0, 120, 128)[None, :, None] * np.ones((96, 1, 3)) * [1, 0.6, 0.3]
        for number in range(frames):
            image = (ramp + 2 * number + seed).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damage(whole: bytes, seed: int = 0) -> bytes:
    """Noise over the middle of a file."""
    start, end = len(whole) // 3, 2 * len(whole) // 3
    return whole[:start] + random.Random(seed).randbytes(end - start) + whole[end:]


@dataclass(frozen=True)
class Tried:
    """A corpus of good and bad movies after a harvest."""

    folder: Path
    dataset: Path
    ran: Ran
    movies: dict[str, dict[str, Any]]
    """By movie_id, as --json wrote them."""


BAD = {
    "zero": "zero.mp4",
    "truncated": "truncated.mp4",
    "damaged": "damaged.mp4",
    "sound": "sound.mp4",
    "text": "text.mp4",
    "folder": "folder.mp4",
    "missing": "missing.mp4",
}


@pytest.fixture(scope="module")
def tried(castmine: Castmine, harvested: Harvested, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder = tmp_path_factory.mktemp("bad")
    whole = (harvested.corpus / "hamilton.mp4").read_bytes()
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "damaged.mp4").write_bytes(damage(whole))
    (folder / "text.mp4").write_text("This is not a film.\n" * 100)
    (folder / "folder.mp4").mkdir()
    sound(folder / "sound.mp4")
    rows = list(BAD.items()) + [(name, film(folder / f"{i}.mp4", seed=i).name) for i, name in enumerate(ODD_IDS)]
    quoted = "".join('"{}",{}\n'.format(name.replace('"', '""'), file) for name, file in rows)
    (folder / "corpus.csv").write_text("movie_id,uri\n" + quoted)
    dataset, out = folder / "dataset", folder / "out.json"
    command = ("harvest", folder / "corpus.csv", "-d", dataset, "--models", harvested.models, "--json", out)
    ran = castmine(*command, status=1)
    return Tried(folder, dataset, ran, {movie["movie_id"]: movie for movie in json.loads(out.read_text())["movies"]})


@pytest.mark.parametrize(
    ("movie_id", "reason"),
    [
        ("zero", "empty"),
        ("truncated", "truncated"),
        ("damaged", "damaged"),
        ("sound", "no video"),
        ("text", "not a video"),
        ("folder", "Is a directory; check the path"),
        ("missing", "No such file or directory; check the path"),
    ],
)
def test_a_bad_movie_is_named_with_its_reason(tried: Tried, movie_id: str, reason: str) -> None:
    (line,) = [line for line in tried.ran.err.splitlines() if line.startswith(f"failed: {movie_id}: ")]
    assert BAD[movie_id] in line
    assert reason in line
    assert tried.movies[movie_id]["state"] == "failed"


def test_every_bad_movie_is_a_row_of_failures_and_none_is_a_movie(castmine: Castmine, tried: Tried) -> None:
    query = "SELECT movie_id, error, attempts FROM failures ORDER BY movie_id"
    away = {"folder", "missing"}
    rows = json.loads(castmine("sql", query, "-d", tried.dataset, "--format", "json").out)
    assert [row["movie_id"] for row in rows] == sorted(BAD)
    assert {row["movie_id"] for row in rows if row["error"] == "VideoDecodeError"} == BAD.keys() - away
    assert {row["movie_id"] for row in rows if row["error"] == "MovieOutOfReachError"} == away
    assert {row["attempts"] for row in rows} == {1}, "an error of the file is final: trying again would not help"
    assert {record.movie_id for record in Dataset.open(tried.dataset).records()} == set(ODD_IDS)


def test_a_file_that_failed_and_is_as_it_was_is_named_again_without_being_tried(
    castmine: Castmine, tried: Tried, harvested: Harvested, tmp_path: Path
) -> None:
    listing, out, own = tmp_path / "bad.csv", tmp_path / "out.json", BAD.keys() - {"folder", "missing"}
    listing.write_text("movie_id,uri\n" + "".join(f"{name},{tried.folder / BAD[name]}\n" for name in sorted(own)))
    command = ("harvest", listing, "-d", tried.dataset, "--models", harvested.models, "--json", out)
    run_lightly(*command, status=1)
    movies = json.loads(out.read_text())["movies"]
    assert [movie["movie_id"] for movie in movies if movie["state"] == "failed"] == sorted(own)
    assert all(movie["message"].startswith("unchanged since it failed: --retry-failed") for movie in movies)
    assert {failure.attempts for failure in Dataset.open(tried.dataset).failures()} == {1}


@pytest.mark.parametrize("movie_id", ODD_IDS)
def test_good_movies_with_odd_ids_are_done_beside_them(tried: Tried, movie_id: str) -> None:
    assert tried.movies[movie_id]["state"] == "done"
    dataset = Dataset.open(tried.dataset)
    assert dataset.table("shots", movie_id)["movie_id"].to_pylist() == [movie_id]
    assert dataset.table("tracks", movie_id).num_rows == 0


WITHIN = {"castmine.json", "records", "shards", "_staging", "_runs", "lease.json", "lease.json.lock"}
"""All that a dataset's folder may hold."""


def test_nothing_is_written_outside_the_dataset(tried: Tried) -> None:
    beside = {path.name for path in tried.folder.iterdir()}
    assert beside == {
        *BAD.values(),
        *(f"{i}.mp4" for i in range(len(ODD_IDS))),
        "corpus.csv",
        "out.json",
        "dataset",
    } - {"missing.mp4"}
    assert {path.name for path in tried.dataset.iterdir()} <= WITHIN


def test_movies_without_any_face_go_all_the_way(castmine: Castmine, tried: Tried, tmp_path: Path) -> None:
    ran = castmine("cluster", "-d", tried.dataset, "--json", tmp_path / "out.json")
    assert f"{len(ODD_IDS)} movies" in ran.out
    movies = json.loads((tmp_path / "out.json").read_text())["movies"]
    assert {(movie["tracks"], movie["clusters"], movie["violations"]) for movie in movies} == {(0, 0, 0)}
    castmine("report", "-d", tried.dataset, "--out", tmp_path / "sheets")
    assert len(list((tmp_path / "sheets").glob("*.html"))) == len(ODD_IDS) + 1
    query = "SELECT count(*) AS n FROM movies JOIN shots USING (movie_id) LEFT JOIN tracks USING (movie_id)"
    assert castmine("sql", query, "-d", tried.dataset, "--format", "csv").out.split() == ["n", str(len(ODD_IDS))]
    refused = castmine("train", "-d", tried.dataset, "--out", tmp_path / "model", status=2)
    assert refused.err.startswith("refused: ")


def test_a_later_harvest_of_what_failed_clears_it(castmine: Castmine, tried: Tried, harvested: Harvested) -> None:
    """The last to use the corpus, which it mends."""
    for file in BAD.values():
        path = tried.folder / file
        if path.is_dir():
            path.rmdir()
        film(path, seed=len(file))
    out = tried.folder / "again.json"
    command = ("harvest", tried.folder / "corpus.csv", "-d", tried.dataset, "--models", harvested.models)
    ran = castmine(*command, "--retry-failed", "--json", out)
    assert f"{len(BAD)} harvested" in ran.out
    assert {movie["movie_id"] for movie in json.loads(out.read_text())["movies"]} == set(BAD), "exactly those"
    assert Dataset.open(tried.dataset).failures() == []
    assert f"{len(BAD) + len(ODD_IDS)} unchanged" in castmine(*command).out
    assert "nothing to do" in castmine(*command, "--retry-failed").out


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    Dataset.create(tmp_path / "dataset")
    return tmp_path / "dataset"


@pytest.mark.parametrize("command", ["cluster", "train", "labels"])
def test_on_an_empty_dataset_a_command_says_what_to_do_first(castmine: Castmine, empty: Path, command: str) -> None:
    (empty.parent / "labels.csv").write_text("movie_id,track_id,identity\nm,0,Ann\n")
    arguments: dict[str, tuple[object, ...]] = {
        "cluster": ("cluster", "-d", empty),
        "train": ("train", "-d", empty, "--out", empty.parent / "model"),
        "labels": ("labels", "import", empty.parent / "labels.csv", "-d", empty),
    }
    ran = castmine(*arguments[command], status=2)
    assert ran.err.startswith("error: ")
    assert "harvest" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert ran.out == ""


def test_on_an_empty_dataset_report_and_sql_show_that_it_is_empty(castmine: Castmine, empty: Path) -> None:
    castmine("report", "-d", empty, "--out", empty.parent / "sheets")
    assert (empty.parent / "sheets" / "index.html").exists()
    castmine("sql", "corpus-statistics", "-d", empty)


@pytest.mark.parametrize("command", ["cluster", "train", "report", "sql", "labels"])
def test_where_there_is_no_dataset_a_command_says_how_to_make_one(
    castmine: Castmine, tmp_path: Path, command: str
) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "out"
    (tmp_path / "labels.csv").write_text("movie_id,track_id,identity\nm,0,Ann\n")
    arguments: dict[str, tuple[object, ...]] = {
        "cluster": ("cluster", "-d", nowhere),
        "train": ("train", "-d", nowhere, "--out", out),
        "report": ("report", "-d", nowhere, "--out", out),
        "sql": ("sql", "SELECT 1", "-d", nowhere),
        "labels": ("labels", "import", tmp_path / "labels.csv", "-d", nowhere),
    }
    ran = castmine(*arguments[command], status=2)
    assert "no castmine dataset here; make one with: castmine harvest CORPUS --dataset" in ran.err
    assert not nowhere.exists()


def test_a_file_name_that_is_no_text_is_a_failure_that_is_named_and_starts_nothing(
    castmine: Castmine, pack_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "films").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/films/caf\xe9.mp4")).touch()
    dataset = tmp_path / "dataset"
    ran = castmine("harvest", tmp_path / "films", "-d", dataset, "--models", pack_folder, status=1)
    assert r"caf\xe9.mp4: its name is not UTF-8 text, which no record can hold; rename it" in ran.err
    told = castmine("failures", "-d", dataset).out
    assert "1 × CorpusError (harvest)" in told
    assert "not in its corpus any more" not in told


def test_what_could_never_begin_is_refused_before_anything_is_made(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    (tmp_path / "twice.csv").write_text("movie_id,uri\nfilm,a.mp4\nfilm,b.mp4\n")
    dataset, models = tmp_path / "dataset", harvested.models
    twice = castmine("harvest", tmp_path / "twice.csv", "-d", dataset, "--models", models, status=2)
    assert "two movies with one id" in twice.err
    nowhere = castmine("harvest", tmp_path / "nowhere", "-d", dataset, "--models", models, status=2)
    assert "nowhere: no such file or folder" in nowhere.err
    unknown = castmine("harvest", harvested.corpus, "-d", dataset, "--models", tmp_path / "models", status=2)
    assert "models" in unknown.err
    key = castmine("harvest", harvested.corpus, "-d", dataset, "--set", "harvest.strid=2", status=2)
    assert "did you mean harvest.stride?" in key.err
    assert not dataset.exists()


def test_a_file_in_place_of_the_dataset_and_a_foreign_folder_are_left_alone(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("my thesis")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.doc").write_text("my thesis")
    for name in ("file", "folder", "file/below"):
        ran = castmine("harvest", harvested.corpus, "-d", tmp_path / name, "--models", harvested.models, status=2)
        assert ran.err.startswith("error: ")
        assert len(ran.err.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "my thesis"
    assert os.listdir(tmp_path / "folder") == ["thesis.doc"]


@pytest.fixture
def bound(castmine: Castmine) -> Castmine:
    """The command line without root's right to pass over permissions, on a Ray of its own, that lacks it too."""
    if os.geteuid():
        return castmine
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not shutil.which("setpriv") or subprocess.run([*without, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root may read and write everything, and may not give that up here")
    return Castmine({name: value for name, value in castmine.environment.items() if name != "RAY_ADDRESS"}, without)


def test_what_may_not_be_read_or_written_is_named(bound: Castmine, harvested: Harvested, tmp_path: Path) -> None:
    corpus, dataset = tmp_path / "movies", harvested.copy(tmp_path)
    corpus.mkdir()
    film(corpus / "secret.mp4").chmod(0)
    ran = bound("harvest", corpus, "-d", tmp_path / "new", "--models", harvested.models, status=1)
    assert "secret.mp4: Permission denied; check the path in the corpus and its permissions" in ran.err
    dataset.chmod(0o555)
    ran = bound("harvest", harvested.corpus, "-d", dataset, "--models", harvested.models, status=2)
    assert "cannot be written; check the dataset folder's owner and permissions" in ran.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB, where this may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_what_was_committed_stays(
    castmine: Castmine, harvested: Harvested, small_disk: Path, tmp_path: Path
) -> None:
    film(tmp_path / "film.mp4")
    command = ("-d", small_disk / "dataset", "--models", harvested.models)
    castmine("harvest", tmp_path / "film.mp4", *command)
    before = digests(small_disk / "dataset", "film")
    ran = castmine("harvest", harvested.corpus, *command, status=1)
    assert "No space left on device; free some space" in ran.err
    assert "failed: hamilton: " in ran.err
    assert digests(small_disk / "dataset", "film") == before
    assert "1 unchanged" in castmine("harvest", tmp_path / "film.mp4", *command).out
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    castmine("harvest", harvested.corpus, *command)
    assert digests(small_disk / "dataset") == digests(harvested.dataset), "as on a disk that was never full"
    assert not [path for path in small_disk.rglob("*") if TEMPORARY.search(path.name)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("movie_id,track_id,identity\nhamilton,99,Ann\n", "'hamilton' has no track 99"),
        ("movie_id,track_id,identity\nhamilton,first,Ann\n", "has no track 'first'"),
        ("movie_id,track_id,identity\nother,0,Ann\n", "movie 'other' is not in the dataset .it has: hamilton."),
        ("movie_id,track_id,identity\nhamilton,0,\n", "without an identity"),
        ("movie_id,track_id\nhamilton,0\n", "needs rows with the columns movie_id, track_id, identity, or"),
        ("movie_id,time_s,x1,y1,x2,y2,identity\nhamilton,0:01,1,2,3,4,Ann\n", "time_s, x1, y1, x2, y2 must be numbers"),
        ("movie_id,time_s,x1,y1,x2,y2,identity\nhamilton,1,1,2,,4,Ann\n", "time_s, x1, y1, x2, y2 must be numbers"),
        ("", "cannot be read as a CSV of labels"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_by_row(
    harvested: Harvested, tmp_path: Path, text: str, said: str
) -> None:
    from harvest.errors import CastmineError
    from workflows.labels import import_labels

    dataset = Dataset.open(harvested.copy(tmp_path))
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(CastmineError, match=said):
        import_labels(tmp_path / "labels.csv", dataset)
    assert dataset.derived_records("labels") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("corpus --only harvst", "Invalid value for '--only': 'harvst' is not one of 'harvest', 'train', 'cluster', "),
        ("sql runs -d ds --format tabel", "Invalid value for '--format': 'tabel' is not one of 'table', 'csv', "),
        ("harvest films -d ds --device gpu", "Invalid value for '--device': 'gpu' is not one of 'cpu', 'cuda'"),
        ("harvest films", "Missing option '--dataset' / '-d' (see castmine harvest --help)"),
        ("sql runs", "name the dataset: --dataset DIR (see castmine sql --help)"),
        ("cluster -d ds --k-from many", "--k-from many: give threshold, labels, corpus, or a number of characters"),
        ("labels import no.csv -d ds --jason x", "No such option: --jason"),
        ("labels imprt", "No such command 'imprt'"),
        (
            "harvest films/*.mp4 films/a.mp4 films/b.mp4 -d ds",
            "Got unexpected extra argument(s) (films/a.mp4 films/b.mp4): one corpus is taken: put the pattern in "
            "quotes, or name the folder (see castmine harvest --help)",
        ),
        ("corpus films.yaml", "Got unexpected extra argument(s) (films.yaml): --config films.yaml? (see castmine corp"),
        ("labels -d ds", "No such option: -d; say castmine labels import (see castmine labels --help)"),
        ("vacuum -d ds --older-than soon", "'soon' is no time; write it as 90s, 30m, 24h or 7d"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_is_allowed(castmine: Castmine, arguments: str, said: str) -> None:
    ran = castmine(*arguments.split(), status=2)
    assert ran.err.startswith(f"error: {said}")
    assert len(ran.err.splitlines()) == 1
    assert ran.out == ""


def test_what_is_printed_is_never_written_into_a_dataset(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    (tmp_path / "link").symlink_to(root / MARKER)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    files = {
        "status --json": root / MARKER,
        "card --out": root / "records" / "new.md",
        "vacuum --json": tmp_path / "link",
    }
    for command, file in files.items():
        name, option = command.split()
        ran = castmine(name, "-d", root, option, file, status=2)
        assert ran.err.startswith(f"error: {file}: lies in a dataset")
        assert len(ran.err.splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_an_answer_that_cannot_be_written_is_one_line(
    castmine: Castmine, harvested: Harvested, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    command = ("report", "-d", harvested.dataset, "--out", tmp_path / "sheets", option, tmp_path / "file" / "below")
    ran = castmine(*command, status=2)
    assert "file" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
