"""`castmine status` and the journal behind it: while a run works, after it, and after a driver that was killed."""

import json
import os
import re
import shlex
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.commit import note_failure, now, put_movie_record
from harvest.dataset.read import Dataset
from harvest.errors import DatasetError
from tests.harvest import small_dataset
from tests.infra.commands import parse
from tests.s3.bucket import Bucket
from tests.workflows.conftest import Castmine, Harvested
from workflows.config import RunConfig, load_config
from workflows.console import out
from workflows.corpus.outcome import StageOutcome
from workflows.doctor.dataset import dataset as examine_dataset
from workflows.harvest.plan import MovieState
from workflows.journal.harvesting import HarvestWatch
from workflows.journal.records import (
    Journal,
    MovieProgress,
    Usage,
    latest_journal,
    read_journal,
    run_ids,
    strike_from_journals,
)
from workflows.journal.retry import corpus_again, harvest_again
from workflows.journal.status import _standing, print_status, read_status
from workflows.journal.writer import JournalWriter
from workflows.processes import process_mark

QUICK = RunConfig(heartbeat_s=0.05, journals=2)


def writer(dataset: Path, config: RunConfig = QUICK) -> JournalWriter:
    return JournalWriter(Dataset.open(dataset).store, "harvest", "movies", "bundled", config)


def test_a_run_can_be_watched_from_another_process_and_a_killed_driver_gives_no_sign_of_life(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    corpus, dataset, out = tmp_path / "movies", tmp_path / "dataset", tmp_path / "status.json"
    corpus.mkdir()
    for name in ("a", "b"):
        shutil.copyfile(harvested.corpus / "hamilton.mp4", corpus / f"{name}.mp4")
    run = ("harvest", corpus, "-d", dataset, "--models", harvested.models, "--workers", 1)
    process = castmine.start(*run, "--set", "run.heartbeat_s=0.3")
    try:
        journal = _until_it_works(dataset)
        assert journal.outcome == "running"
        assert {movie.state for movie in journal.movies.values()} <= {"running", "waiting", "done"}
        assert set(journal.movies) == {"a", "b"}
        castmine("status", "-d", dataset, "--json", out)
        seen = json.loads(out.read_text())
        assert seen["silent_s"] is None
        assert seen["journal"]["total"] == 550
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    said = castmine("status", "-d", dataset).out
    assert "no sign of life since" in said
    assert " running " not in said, "nothing is"
    assert "the same command goes on" in said


def _until_it_works(dataset: Path) -> Journal:
    """The journal of a run in which a worker has begun to decode."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if (dataset / "castmine.json").exists():
            journal = read_status(str(dataset)).journal
            if journal and journal.frames > 0:
                return journal
        time.sleep(0.1)
    raise AssertionError("no worker began")


def test_the_journal_of_a_harvest_says_in_the_end_what_was_done_and_what_it_took(harvested: Harvested) -> None:
    status = read_status(str(harvested.dataset))
    journal = status.journal
    assert journal
    assert (journal.outcome, journal.counts, status.silent_s) == ("done", {"done": 1, "unchanged": 0}, None)
    movie = journal.movies["hamilton"]
    assert (movie.state, movie.frames, movie.total) == ("done", 275, 275)
    assert journal.usage.peak_bytes > 2**28, "onnxruntime, torch and the models fill more than that"
    assert journal.start_s
    assert {"start", "load"} <= set(journal.stages), "of the worker, and of its models"
    assert 0 < sum(journal.stages.values()) <= journal.usage.worker_s
    assert journal.eta_s is None


def test_a_run_without_anything_to_do_writes_no_journal(castmine: Castmine, harvested: Harvested) -> None:
    store = Dataset.open(harvested.dataset).store
    before = run_ids(store)
    castmine("harvest", harvested.corpus, "-d", harvested.dataset, "--models", harvested.models)
    assert run_ids(store) == before


def test_a_run_that_finds_all_done_after_one_that_was_cut_short_says_so(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset = harvested.copy(tmp_path)
    store = Dataset.open(dataset).store
    told = (store, "harvest", str(harvested.corpus), str(harvested.models), QUICK)
    with suppress(KeyboardInterrupt), JournalWriter(*told) as kept:
        kept.say(counts={"waiting": 1}, movies={"new": MovieProgress(state="waiting")})
        raise KeyboardInterrupt
    again = ("harvest", harvested.corpus, "-d", dataset, "--models", harvested.models)
    castmine(*again, "--retry-failed")
    assert "interrupted" in castmine("status", "-d", dataset).out, "who looked at failures alone knows nothing of it"
    castmine(*again)
    said = castmine("status", "-d", dataset).out
    assert "interrupted" not in said
    assert "1 unchanged" in said
    assert "done 20" in said
    before = run_ids(store)
    castmine(*again)
    assert run_ids(store) == before, "nothing to add"


def _interrupted_in_ray() -> SystemError:
    error = SystemError("<cyfunction CoreWorker.wait> returned a result with an exception set")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (ValueError("the disk is full"), "broken"),
        (KeyboardInterrupt(), "interrupted"),
        (_interrupted_in_ray(), "interrupted"),
        (SystemError("returned a result with an exception set"), "broken"),
    ],
    ids=["nothing", "an error", "Ctrl-C", "Ctrl-C while Ray waits", "an error of Ray's own code"],
)
def test_a_journal_says_how_its_run_ended(
    harvested: Harvested, tmp_path: Path, error: BaseException | None, outcome: str
) -> None:
    dataset = harvested.copy(tmp_path)
    with pytest.raises(type(error)) if error else nullcontext(), writer(dataset) as kept:
        if error:
            raise error
    journal = read_journal(Dataset.open(dataset).store, kept.journal.run_id)
    assert journal
    assert journal.outcome == outcome
    assert journal.ended_at
    assert journal.silent_s() is None
    assert journal.note == (str(error) if outcome == "broken" else "")


def test_a_journal_beats_while_its_run_says_nothing_and_asks_what_it_follows(
    harvested: Harvested, tmp_path: Path
) -> None:
    dataset = harvested.copy(tmp_path)
    asked: list[int] = []
    with writer(dataset) as kept:
        kept.follow(lambda: asked.append(1) or {"note": "mining"})  # type: ignore[func-returns-value]
        first = latest_journal(Dataset.open(dataset).store)
        time.sleep(0.5)
        later = latest_journal(Dataset.open(dataset).store)
    assert first
    assert later
    assert later.heartbeat_at > first.heartbeat_at
    assert later.note == "mining"
    assert len(asked) >= 3


def test_what_a_run_has_committed_since_it_last_wrote_is_done(harvested: Harvested, tmp_path: Path) -> None:
    root = harvested.copy(tmp_path)
    dataset = Dataset.open(root)
    record = dataset.record("hamilton")
    assert record
    note_failure(dataset.store, "lost", "lost.mp4", "probe", "VideoDecodeError", "no video", 1)
    at_work = MovieProgress(state="running", total=275)
    with writer(root) as kept:
        kept.follow(lambda: {"counts": {"running": 2}, "movies": {"hamilton": at_work, "street": at_work}})
        before = read_status(str(root)).journal
        assert before
        assert before.counts == {"running": 2}, "what stands was committed before the run"
        put_movie_record(dataset.store, record.model_copy(update={"committed_at": now()}))
        status = read_status(str(root))
        assert status.journal
        assert status.journal.counts == {"running": 1, "done": 1}
        assert (status.journal.movies["hamilton"].state, status.journal.movies["hamilton"].frames) == ("done", 275)
        with out.capture() as said:
            print_status(status)
    assert "1 movie committed, 1 failure of all runs (" in said.get()


def test_the_note_of_a_run_says_in_which_stage_movies_failed() -> None:
    assert StageOutcome("harvest", "done", "", failed={"a": "no video"}).noted == "harvest: done, 1 movie failed"
    assert StageOutcome("cluster", "failed", "", failed={"a": "no room"}).noted == "cluster: failed"
    assert StageOutcome("report", "unchanged", "").noted == "report: unchanged"


def test_a_journal_that_cannot_be_written_ends_no_run(harvested: Harvested, tmp_path: Path) -> None:
    dataset = harvested.copy(tmp_path)
    with writer(dataset):
        shutil.rmtree(dataset / "_runs")
        (dataset / "_runs").write_text("a file where the folder was")
        time.sleep(0.2)


def test_a_run_on_a_bucket_is_watched_there_and_its_journal_outlives_a_bucket_that_falters(bucket: Bucket) -> None:
    store = Dataset.create(f"{bucket.url}/films").store
    with JournalWriter(store, "corpus", "movies", "bundled", QUICK) as kept:
        kept.follow(lambda: {"counts": {"running": 2}})
        bucket.refuse(2)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            seen = read_status(f"{bucket.url}/films")
            if seen.journal and seen.journal.counts:
                break
        assert seen.journal
        assert seen.journal.counts == {"running": 2}
    ended = read_status(f"{bucket.url}/films").journal
    assert ended
    assert ended.outcome == "done"


def test_the_journal_of_a_thousand_movies_is_small_and_quickly_told(harvested: Harvested, tmp_path: Path) -> None:
    dataset = harvested.copy(tmp_path)
    states = {
        f"{number:04}": MovieState(Movie(f"{number:04}", f"{number}.mp4"), total=170_000, frames=number * 100)
        for number in range(1000)
    }
    watch = HarvestWatch(states)
    watch({f"{number:04}: frames 0-9000": 50.0 for number in range(64)}, Usage(workers=64))
    with writer(dataset) as kept:
        kept.follow(watch.fields)
    journal = read_journal(Dataset.open(dataset).store, kept.journal.run_id)
    assert journal
    assert (len(journal.movies), journal.counts["unchanged"], journal.total) == (1000, 0, 170_000_000)
    assert len((dataset / "_runs" / f"{kept.journal.run_id}.json").read_bytes()) < 200_000
    assert journal.movies["0003"].frames == 350


def test_a_resumed_run_counts_what_an_earlier_one_has_done_but_not_for_its_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("workflows.journal.harvesting.time.monotonic", lambda: clock[0])
    resumed = MovieState(Movie("resumed", "r.mp4"), total=1000, duration_s=40, earlier=600)
    fresh = MovieState(Movie("fresh", "f.mp4"), total=1000, duration_s=40)
    watch = HarvestWatch({"resumed": resumed, "fresh": fresh, "kept": MovieState(Movie("kept", "k.mp4"), "skipped")})
    clock[0] += 6
    watch({}, Usage(workers=1, worker_s=2))
    begun = watch.fields()
    assert (begun["start_s"], begun["stages"]) == (None, {"start": 2}), "the worker is not at work yet"
    assert (begun["frames"], begun["total"], begun["rate"]) == (600, 2000, 0)
    assert begun["movies"]["resumed"].state == "waiting", "nobody is at work on what is left of it"
    clock[0] += 10
    for units in ({"resumed: frames 600-1000": 50.0}, {}, {"resumed: frames 600-1000": 100.0}):
        watch(units, Usage(workers=1, worker_s=12))
    later = watch.fields()
    assert (later["start_s"], later["stages"]) == (16, {"start": 2}), "until it was last seen idle"
    assert (later["frames"], later["rate"], later["eta_s"]) == (700, 10, 130)
    assert later["counts"] == {"running": 1, "waiting": 1, "unchanged": 1}
    resumed.state, resumed.frames = "done", 400
    ended = watch.fields()["movies"]["resumed"]
    assert (ended.frames, ended.earlier, ended.own_s()) == (1000, 600, 16)


def test_only_so_many_journals_are_kept_the_latest_ones(harvested: Harvested, tmp_path: Path) -> None:
    dataset = harvested.copy(tmp_path)
    made = []
    for _ in range(4):
        with writer(dataset) as kept:
            made.append(kept.journal.run_id)
    assert run_ids(Dataset.open(dataset).store) == made[-3:]


def test_the_command_that_tries_again_is_good_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pack").mkdir()
    cases = {("my films/*.mp4", "pack"): (f"'{tmp_path}/my films/*.mp4'", f"{tmp_path}/pack")}
    cases |= {("s3://b/films", "buffalo_l"): ("s3://b/films", "buffalo_l")}
    for (corpus, models), (place, pack) in cases.items():
        retry = harvest_again(corpus, models, load_config())
        assert retry == f"castmine harvest {place} --dataset DIR --models {pack} --retry-failed"


def test_a_corpus_is_tried_again_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "films.yaml").write_text("corpus: {movies: films, dataset: ds, models: bundled}")
    monkeypatch.chdir(tmp_path)
    given = ["corpus.movies=clips", "corpus.model=~/model"]
    config = load_config(Path("films.yaml"), given)
    _, _, _, file, *flags, _ = shlex.split(corpus_again("films.yaml", config))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_config(Path(file), flags[1::2]) == config
    assert config.corpus.movies == str(tmp_path / "clips")


def test_the_command_that_tries_again_has_the_settings_of_the_run(tmp_path: Path) -> None:
    said = ["harvest.stride=3", "harvest.links.overlap=0.5", "decode.longest_pause_s=2.5", "run.device=cuda"]
    config = load_config(None, said)
    assert parse(shlex.split(harvest_again("s3://b/films", "bundled", config))[1:]) == config
    clusterings = ["corpus.clusterings=[{method: ball, run: it's}, {k_from: 3}]", "corpus.shrunk=0.25"]
    (tmp_path / "corpus.yaml").write_text("{harvest: {stride: 3}, run: {device: cuda}}")
    config = load_config(tmp_path / "corpus.yaml", clusterings)
    arguments = shlex.split(corpus_again(str(tmp_path / "corpus.yaml"), config))[1:]
    assert arguments[:3] == ["corpus", "--config", str(tmp_path / "corpus.yaml")]
    assert parse(arguments) == load_config(None, clusterings), "what is in the file is not said again"
    assert parse(shlex.split(corpus_again("no such file", config))[1:]) == config


def test_a_command_that_is_printed_is_good_for_a_folder_with_a_space(tmp_path: Path) -> None:
    root = str(tmp_path / "it's a set")
    with pytest.raises(DatasetError, match=re.escape(f"--dataset {shlex.quote(root)}")):
        Dataset.open(root)
    opened = small_dataset.make(root)
    note_failure(opened.store, "lost", "lost.mp4", "probe", "VideoDecodeError", "no video", 1)
    with out.capture() as printed:
        print_status(read_status(root))
    advice = [finding.remedy for finding in examine_dataset(root)]
    (tmp_path / "it's a set" / opened.records()[0].shards["tracks"].path).unlink()
    with pytest.raises(DatasetError) as lost:
        opened.table("tracks", opened.records()[0].movie_id)
    for said in (printed.get(), *filter(None, advice), str(lost.value)):
        assert f"--dataset {shlex.quote(root)}" in said


def test_silence_is_told_by_the_heartbeat_or_sooner_where_the_writers_process_is_gone() -> None:
    now = datetime.now(UTC)

    def journal(host: str, process: int, seconds: float, ended: bool = False) -> Journal:
        beat = (now - timedelta(seconds=seconds)).isoformat()
        return Journal(
            **{"run_id": "r", "command": "harvest", "corpus": "c", "models": "m", "started_at": beat},
            **{"host": host, "process": process, "heartbeat_at": beat, "heartbeat_s": 5},
            process_mark=process_mark(os.getpid()),
            ended_at=beat if ended else None,
        )

    here, gone = os.uname().nodename, 2**22 + 1
    assert journal("elsewhere", 1, 10).silent_s(now) is None
    assert journal("elsewhere", 1, 100).silent_s(now) == pytest.approx(100)
    assert journal("elsewhere", 1, 100, ended=True).silent_s(now) is None
    assert journal(here, os.getpid(), 1).silent_s(now) is None
    assert journal(here, gone, 1).silent_s(now) == pytest.approx(1)


def test_a_forgotten_movie_is_in_no_journal(harvested: Harvested, tmp_path: Path) -> None:
    store = Dataset.open(harvested.copy(tmp_path)).store
    strike_from_journals(store, "hamilton")
    journal = latest_journal(store)
    assert journal
    assert "hamilton" not in journal.movies
    states = Counter(movie.state for movie in journal.movies.values())
    assert {state: number for state, number in journal.counts.items() if number} == dict(states)
    assert not any("hamilton" in movie.message for movie in journal.movies.values())


def test_a_run_of_which_there_is_no_journal_is_an_error_that_names_the_latest(
    castmine: Castmine, harvested: Harvested
) -> None:
    said = castmine("status", "-d", harvested.dataset, "--run", "yesterday", status=2).err
    assert "yesterday" in said
    assert run_ids(Dataset.open(harvested.dataset).store)[-1] in said


def test_a_failure_of_a_movie_that_is_gone_is_told_with_what_clears_it(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root, films, out = harvested.copy(tmp_path), tmp_path / "films", tmp_path / "failures.json"
    films.mkdir()
    dataset = Dataset.open(root)
    for number, names in enumerate((("here", "it's gone", "hamilton"), ("elsewhere",))):
        corpus = films / f"{number}.csv"
        corpus.write_text("movie_id,uri\nhere,here.mp4\nelsewhere,elsewhere.mp4\n")
        retry = harvest_again(str(corpus), "bundled", load_config())
        with JournalWriter(dataset.store, "harvest", str(corpus), "bundled", QUICK, retry) as kept:
            kept.say(movies={name: MovieProgress(state="failed") for name in names})
        for name in names:
            note_failure(dataset.store, name, str(films / f"{name}.mp4"), "probe", "VideoDecodeError", "no video", 1)
    note_failure(dataset.store, "unknown", str(films / "unknown.mp4"), "probe", "VideoDecodeError", "no video", 1)
    castmine("failures", "-d", root, "--json", out)
    found = json.loads(out.read_text())
    again = [f"castmine harvest {films}/{n}.csv --dataset {root} --models bundled --retry-failed" for n in (1, 0)]
    assert found["retry"] == {"harvest": again}, "each by the run that tells of it; of what is gone none"
    assert found["gone"].pop("hamilton") == "", "to forget it would remove what was harvested of it before"
    assert set(found["gone"]) == {"it's gone", "unknown"}, "not listed any more; of no journal, and no file there"
    said = castmine("failures", "-d", root).out
    assert "it's gone: not in its corpus any more" in said
    assert "try the others again (harvest): castmine harvest " in said
    for command in found["gone"].values():
        castmine(*shlex.split(command)[1:], "--yes")
    (left,) = (line for line in castmine("failures", "-d", root).out.splitlines() if "not in its corpus" in line)
    of = dataset.movie("hamilton").facts
    assert left.startswith("hamilton: not in its corpus any more, as seen from here; ")
    assert f"; the harvest of this id is of {of.uri}; " in left
    assert left.endswith(f"; what clears it: castmine harvest {of.corpus} --dataset {root}")
    note_failure(dataset.store, "hamilton", of.uri, "probe", "VideoDecodeError", "no video", 1)
    told = castmine("failures", "-d", root).out
    assert f"its earlier harvest stands; what removes both: castmine forget hamilton --dataset {root}" in told


def test_a_path_and_a_command_that_are_to_be_copied_are_printed_in_one_piece(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root, film = harvested.copy(tmp_path), "/films/" + "a-long-way-down/" * 12 + "film.mp4"
    note_failure(Dataset.open(root).store, "film", film, "probe", "VideoDecodeError", f"{film}: no video in it", 1)
    said = castmine("failures", "-d", root, COLUMNS="80").out.splitlines()
    assert said[0].startswith("film · probe, tried once, last 20")
    assert said[1] == f"  {film}: no video in it"
    assert said[-1].endswith(f"as seen from here; what clears it: castmine forget film --dataset {root}")


def test_failures_that_do_not_stand_any_more_are_not_shown(castmine: Castmine, harvested: Harvested) -> None:
    assert "no failure stands" in castmine("failures", "-d", harvested.dataset).out


@pytest.mark.parametrize(
    ("said", "silent_s", "line"),
    [
        ({"stage": "harvest", "frames": 50, "total": 200, "rate": 12.5, "eta_s": 12}, None, "25% of the frames · 12.5"),
        ({"stage": "harvest", "frames": 50, "total": 200, "rate": 12.5, "eta_s": 12}, None, "ETA 12 s"),
        ({"stage": "harvest"}, None, "harvest · running for"),
        ({"stage": "harvest", "movies": {"a": {"state": "waiting"}}}, None, "starting Ray and its workers, for"),
        ({"stage": "harvest", "movies": {"a": {"state": "waiting"}}, "start_s": 9}, None, "harvest · running for"),
        ({"stage": "cluster hac", "rate": 12.5}, None, "cluster hac · running for"),
        ({"stage": "train"}, 200.0, "no sign of life since 2026-11-22 02:15:30 UTC (3 min 20 s ago)"),
        (
            {"ended_at": "2026-11-22T04:20:01+00:00", "outcome": "failed"},
            None,
            "failed 2026-11-22 04:20:01 UTC, after 2 h",
        ),
        ({"ended_at": "2026-11-22T02:15:12+00:00", "outcome": "broken", "note": "disk full"}, None, "12 s: disk full"),
    ],
)
def test_how_a_run_stands_is_one_line(said: dict[str, object], silent_s: float | None, line: str) -> None:
    begun = {"started_at": "2026-11-22T02:15:00+00:00", "heartbeat_at": "2026-11-22T02:15:30+00:00", "heartbeat_s": 5}
    where = {"run_id": "r", "command": "corpus", "corpus": "c", "models": "m", "host": "h", "process": 1}
    assert line in _standing(Journal.model_validate(begun | where | said), silent_s)


def test_the_journal_may_be_asked_while_the_driver_goes_on() -> None:
    first, state = (MovieState(Movie(name, f"{name}.mp4"), total=100) for name in "lm")
    first.seconds.update({"decode": 1.0})  # from the second movie on, sums are added up in Python
    watch = HarvestWatch({"l": first, "m": state})
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(300):
                watch.fields()
        except BaseException as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    number = 0
    while asking.is_alive():
        number += 1
        state.seconds.update({f"stage {number % 5000}": 1.0})
        watch({f"m: frames {number}-": 1.0}, Usage(workers=1))
        if number % 5000 == 0:
            state.seconds.clear()
    assert failed == []
