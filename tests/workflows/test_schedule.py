"""The order of the work: whatever the movies' lengths, nobody waits long for a last one."""

import heapq
import random
from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.errors import MovieOutOfReachError, VideoDecodeError
from harvest.faces import find_pack
from workflows.config import load_config
from workflows.console import Meter
from workflows.harvest.jobs import HarvestRun
from workflows.harvest.plan import HarvestPlan, MovieState
from workflows.harvest.worker import Probe, SegmentReport
from workflows.work import Job

FPS = 25
HOUR = 3600 * FPS


def jobs_of(run: HarvestRun, movie_id: str, frames: int, seekable: bool = True) -> list[Job]:
    """What follows once a movie is opened."""
    movie = Movie(movie_id, f"{movie_id}.mp4")
    run._states[movie_id] = MovieState(movie)
    facts = MovieFacts(uri=movie.uri, fps=FPS, frames=frames, duration_s=frames / FPS, seekable=seekable)
    return run._probed(movie, Probe(SourceStamp(size=1, modified="now"), "c", movie_id, 128, facts))


def ends(jobs: list[Job], workers: int) -> float:
    """When the last worker is done, in frames, each taking the heaviest job left."""
    free = [0.0] * workers
    for job in sorted(jobs, key=lambda job: -job.weight):
        segment = job.arguments[2]
        heapq.heappush(free, heapq.heappop(free) + segment.stop - segment.start)
    return max(free)


@pytest.fixture
def run(tmp_path: Path) -> HarvestRun:
    dataset = Dataset.create(tmp_path)
    return HarvestRun(dataset, find_pack("bundled"), load_config(), HarvestPlan({}))


@pytest.mark.parametrize("seed", range(5))
def test_no_movie_is_what_everybody_waits_for(run: HarvestRun, seed: int) -> None:
    chance, workers = random.Random(seed), 8
    lengths = [chance.randint(HOUR // 20, 3 * HOUR) for _ in range(40)]
    jobs = [job for number, frames in enumerate(lengths) for job in jobs_of(run, f"movie{number}", frames)]
    segment = 10 * 60 * FPS
    assert ends(jobs, workers) <= sum(lengths) / workers + segment


@pytest.mark.parametrize(
    ("minutes", "movies", "workers", "segments"),
    [
        pytest.param(120, 1, 1, 12, id="a film on one core: ten minutes each"),
        pytest.param(120, 1, 16, 16, id="a film on sixteen: one each"),
        pytest.param(9, 1, 4, 4, id="a clip on four: one each"),
        pytest.param(9, 2, 4, 2, id="two clips on four: two each"),
        pytest.param(9, 40, 4, 1, id="forty clips: one each"),
        pytest.param(2, 1, 16, 2, id="a short clip: none below a minute"),
    ],
)
def test_a_few_movies_are_spread_over_all_workers(
    run: HarvestRun, minutes: int, movies: int, workers: int, segments: int
) -> None:
    run._workers, run._todo = workers, movies
    assert len(jobs_of(run, "0", minutes * 60 * FPS)) == segments


def test_a_movie_that_cannot_be_split_goes_first(run: HarvestRun) -> None:
    jobs = [job for number in range(8) for job in jobs_of(run, f"movie{number}", 3 * HOUR)]
    whole = jobs_of(run, "mpeg", 2 * HOUR, seekable=False)
    assert len(whole) == 1
    assert ends(jobs + whole, workers=8) <= (8 * 3 + 2) * HOUR / 8 + 10 * 60 * FPS
    assert max(jobs + whole, key=lambda job: job.weight) is whole[0]


def test_a_bucket_that_does_not_answer_says_nothing_of_seeking_in_a_movie(run: HarvestRun) -> None:
    for movie_id, error, jobs in (("a", VideoDecodeError("no frame 7"), 1), ("b", MovieOutOfReachError("down"), 0)):
        first, *_ = jobs_of(run, movie_id, HOUR)
        follow = run._after(first, error)
        assert len(follow) == jobs, movie_id
    assert run._probes["b"].facts.seekable
    assert run._states["b"].state == "failed"


def test_the_bar_counts_every_movie_at_the_end_also_unchanged_ones(run: HarvestRun) -> None:
    movies = {name: Movie(name, f"{name}.mp4") for name in ("done", "skipped", "failed", "todo")}
    run._states |= {name: MovieState(movie, name) for name, movie in movies.items()}
    shown = Meter("harvest", "frames")
    run._show(shown, {})
    assert shown.note == "3 of 4 movies"


def test_a_movie_whose_commit_went_while_it_was_to_be_put_right_is_harvested(run: HarvestRun) -> None:
    jobs_of(run, "a", HOUR)
    del run._segments["a"]  # as where it was found committed
    follow = run._after(run._finish_job(run._states["a"].movie), FileNotFoundError("segment.json"))
    assert {job.method for job in follow} == {"harvest"}


def test_only_what_another_run_has_done_is_earlier_and_not_what_this_one_has_done_twice(run: HarvestRun) -> None:
    first, second, *_ = jobs_of(run, "a", HOUR)
    state, there = run._states["a"], SegmentReport(0, {}, 0, earlier=100)
    first.attempts, second.attempts = 1, 2  # of the second, a worker was lost after it had staged it
    for job in (first, second):
        run._after(job, there)
    assert (state.frames, state.earlier) == (100, 100)
    run._after(first, VideoDecodeError("no frame 7"))
    assert state.earlier == 0, "decoded whole, by this run"
