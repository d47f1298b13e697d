"""Memory of a harvest's driver by the number of movies: the real plan, pool, jobs, journal and commits on a real Ray.

    python -m tests.bench.driver_memory [--movies 10,100,1000]

Only the decoder and the face models are left out: a worker says that a movie has twenty minutes and no face in it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from harvest.corpus import Movie
from harvest.dataset.records import MovieFacts
from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS
from harvest.identity import config_hash, content_hash, harvest_id, source_stamp
from harvest.movie import SegmentTables
from harvest.segments import Segment
from harvest.staging import stage_segment
from tests.conftest import shared
from workflows.config import load_config
from workflows.harvest.jobs import HarvestRun
from workflows.harvest.run import harvest
from workflows.harvest.worker import HarvestWorker, Probe, SegmentReport
from workflows.work import Job

FPS, FRAMES = 25.0, 30_000
"""Two segments a movie."""


class QuickWorker(HarvestWorker):
    """Opens and harvests without looking; it joins and commits as ever."""

    def probe(self, movie: Movie) -> Probe:
        content = content_hash(movie.uri, self._moved)
        ours = harvest_id(content, config_hash(self._config.harvest), self._pack.hash, self._pack.threshold)
        facts = MovieFacts(uri=movie.uri, fps=FPS, frames=FRAMES, duration_s=FRAMES / FPS)
        return Probe(source_stamp(movie.uri), content, ours, 128, facts)

    def harvest(self, movie: Movie, probe: Probe, segment: Segment) -> SegmentReport:
        reach, borders = self._config.harvest.shots.context, (segment.start, segment.stop)
        around = (frame for border in borders for frame in range(border - reach, border + reach))
        digests = {frame: frame.to_bytes(16) for frame in around if 0 <= frame < FRAMES}
        tables = {name: SCHEMAS[name].empty_table() for name in HARVEST_TABLES}
        stage_segment(
            self._dataset.store, movie.movie_id, probe.harvest_id, segment, SegmentTables(tables, {}, digests)
        )
        return SegmentReport(segment.stop - segment.start, {}, 0)


def resident() -> dict[str, float]:
    """MiB of this process: now, and at most so far."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {key: int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")}


def drive(folder: Path) -> None:
    """The driver that is measured: prints its memory before the first movie is opened and after the last commit."""
    before: list[dict[str, float]] = []
    first_jobs = HarvestRun._first_jobs

    def measured(run: HarvestRun) -> Sequence[Job]:
        before.append(resident())
        return first_jobs(run)

    models, config = str(shared("models/scrfd25_mbf")), load_config(None, ["run.workers=2"])
    with (
        patch("workflows.harvest.jobs.HarvestWorker", QuickWorker),
        patch.object(HarvestRun, "_first_jobs", measured),
    ):
        summary = harvest(str(folder / "movies"), str(folder / "dataset"), models, config)
    print(json.dumps({"done": summary.count("done"), "seconds": summary.seconds, "before": before[0]} | resident()))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--movies", default="10,100,1000")
    options.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.drive:
        drive(chosen.drive)
        return
    print("movies  seconds  driver at start  at the end  at most  MiB a movie")
    for number in map(int, chosen.movies.split(",")):
        with tempfile.TemporaryDirectory(prefix="castmine-driver-") as name:
            movies = Path(name, "movies")
            movies.mkdir()
            for movie in range(number):
                (movies / f"movie{movie:04}.mp4").write_text(str(movie))
            command = [sys.executable, "-m", "tests.bench.driver_memory", "--drive", name]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        ran = json.loads(said.strip().splitlines()[-1])
        assert ran["done"] == number
        start, end, most = ran["before"]["VmRSS"], ran["VmRSS"], ran["VmHWM"]
        print(f"{number:6} {ran['seconds']:8.1f} {start:16.1f} {end:11.1f} {most:8.1f} {(end - start) / number:12.3f}")


if __name__ == "__main__":
    main()
