"""What a second worker is worth: the same harvest with one and with two, back to back, from when all are at work.

    python -m tests.bench.scaling [--movie CLIP]

On two cores that nobody else uses; elsewhere the ratio says how busy they were.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.faces import find_pack
from tests.conftest import shared
from workflows.config import load_config
from workflows.harvest.jobs import HarvestRun
from workflows.harvest.plan import HarvestPlan, MovieState
from workflows.journal.records import Usage

SEGMENT_MINUTES = 1.0
"""The shortest that a plan makes of itself. At each start decord decodes some 1,000 frames ahead on a thread of its
own, which in segments of 360 frames is most of the decoding, for nobody."""
GOAL = 1.9


def work(corpus: Path, dataset: Dataset, workers: int) -> tuple[float, float]:
    """Source frames and seconds, from the moment in which every worker is at a segment to the last commit."""
    states = {movie.movie_id: MovieState(movie) for movie in list_corpus(str(corpus))}
    config = load_config(None, [f"run.workers={workers}", f"run.segment_minutes={SEGMENT_MINUTES}"])
    began: list[tuple[float, float]] = []
    heard = [0.0]

    def watch(units: dict[str, float], usage: Usage) -> None:
        if not began and sum(frames >= 1 for frames in units.values()) == workers:
            began.append((time.monotonic(), sum(units.values())))
        heard[0] = time.monotonic()  # at last: after the last commit, and before Ray is taken down

    HarvestRun(dataset, find_pack(str(shared("models/scrfd25_mbf"))), config, HarvestPlan(states), watch).run("local")
    (at, before), frames = began[0], sum(state.frames for state in states.values())
    return frames - before, heard[0] - at


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--movie", type=Path, help="default: pm_dev1 of the shared benchmarks, two minutes")
    movie = options.parse_args().movie or shared("bench/photomovies/pm_dev1.mp4")
    rates = {}
    print("workers  seconds  frames/s  × one worker")
    with tempfile.TemporaryDirectory(prefix="castmine-scaling-") as name:
        (Path(name) / "movies").mkdir()
        for copy in "ab":  # two segments of each, so that neither of two workers waits at the end
            shutil.copyfile(movie, Path(name) / "movies" / f"{copy}.mp4")
        for workers in (1, 2):
            dataset = Dataset.create(str(Path(name) / f"dataset{workers}"))
            frames, seconds = work(Path(name) / "movies", dataset, workers)
            rates[workers] = frames / seconds
            ratio = rates[workers] / rates[1]
            print(f"{workers:7}  {seconds:7.1f}  {rates[workers]:8.1f}  {ratio:12.2f}", flush=True)
    print(f"goal: × {GOAL} with two; load of the machine now {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
