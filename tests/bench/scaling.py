"""What a second worker is worth: the same harvest with one and with two, back to back, start-up left out.

    python -m tests.bench.scaling [--movie CLIP]

On two cores that nobody else uses; elsewhere the ratio says how busy they were.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from tests.conftest import shared
from tests.workflows.conftest import Castmine

SEGMENT_MINUTES = 0.25
GOAL = 1.9


def work_seconds(castmine: Castmine, corpus: Path, folder: Path, workers: int) -> tuple[float, int]:
    """Seconds from the first worker's start to the last commit, and source frames harvested."""
    out, dataset = folder / f"{workers}.json", folder / f"dataset{workers}"
    options = ("--models", shared("models/scrfd25_mbf"), "--segment-minutes", SEGMENT_MINUTES)
    castmine("harvest", corpus, "-d", dataset, "--workers", workers, "--json", out, *options)
    (journal,) = (dataset / "_runs").glob("*.json")
    return json.loads(journal.read_text())["work_s"], json.loads(journal.read_text())["frames"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--movie", type=Path, help="default: pm_dev1 of the shared benchmarks, two minutes")
    movie = options.parse_args().movie or next(shared("bench/photomovies").rglob("pm_dev1.mp4"))
    with tempfile.TemporaryDirectory(prefix="castmine-scaling-") as name:
        folder = Path(name)
        (folder / "movies").mkdir()
        for copy in "ab":  # twice the movie: the tail of a single one is a fifth of it
            shutil.copyfile(movie, folder / "movies" / f"{copy}.mp4")
        castmine = Castmine({**os.environ, "OMP_NUM_THREADS": "1"})
        seconds = {workers: work_seconds(castmine, folder / "movies", folder, workers) for workers in (1, 2)}
    one = seconds[1][0]
    print("workers  seconds  frames/s  × one worker")
    for workers, (took, frames) in seconds.items():
        print(f"{workers:7}  {took:7.1f}  {frames / took:8.1f}  {one / took:12.2f}")
    print(f"goal: × {GOAL} with two; load of the machine now {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
