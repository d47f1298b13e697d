"""Memory of a harvest's worker by the size of its picture: half a minute of people, cuts and a dissolve, on a real Ray.

    python -m tests.bench.worker_memory [--widths 640,1920,3840]

Two figures that differ: what a worker shares with nobody, for which it is killed (`run.memory_gb`), and its resident
memory, libraries included, which `castmine status` and the summary of a harvest tell. What a commit takes by the length
of its film is in `commit_memory`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import av

from harvest.corpus import Movie
from harvest.segments import Segment
from tests.conftest import shared
from workflows.config import load_config
from workflows.harvest.run import harvest
from workflows.harvest.vitals import peak_bytes
from workflows.harvest.worker import HarvestWorker, MovieReport, Probe

SECONDS, LOOK_S = 30, 0.01


class Watched(HarvestWorker):
    """Looks at its own memory a hundred times a second, and writes down the most beside the movie."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._most = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._most = max(self._most, self._vitals.own_memory())
            time.sleep(LOOK_S)

    def finish(self, movie: Movie, probe: Probe, segments: Sequence[Segment]) -> MovieReport | None:
        report = super().finish(movie, probe, segments)
        Path(movie.uri).with_suffix(".json").write_text(json.dumps({"own": self._most, "resident": peak_bytes()}))
        return report


def make_movie(path: Path, width: int) -> None:
    """The beginning of a photomovie, so many px wide, H.264."""
    with av.open(str(shared("bench/photomovies/pm_dev1.mp4"))) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream("libx264", rate=video.average_rate, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = (
            width,
            round(width * video.height / video.width / 2) * 2,
            "yuv420p",
        )
        for frame in source.decode(video):
            if frame.time > SECONDS:
                break
            target.mux(stream.encode(frame.reformat(stream.width, stream.height)))
        target.mux(stream.encode())


def drive(folder: Path) -> None:
    """The harvest that is watched, in a process of its own."""
    config = load_config(None, ["run.workers=1", "run.memory_gb=6"])
    with patch("workflows.harvest.jobs.HarvestWorker", Watched):
        summary = harvest(str(folder), str(folder / "dataset"), str(shared("models/scrfd25_mbf")), config)
    assert summary.count("done") == 1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--widths", default="640,1920,3840")
    options.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.drive:
        drive(chosen.drive)
        return
    print("width, px  shared with nobody, GiB  resident, GiB")
    for width in map(int, chosen.widths.split(",")):
        with tempfile.TemporaryDirectory(prefix="castmine-worker-") as name:
            make_movie(Path(name, "a.mp4"), width)
            command = [sys.executable, "-m", "tests.bench.worker_memory", "--drive", name]
            subprocess.run(command, check=True, capture_output=True)
            found = json.loads(Path(name, "a.json").read_text())
        print(f"{width:9} {found['own'] / 2**30:24.2f} {found['resident'] / 2**30:14.2f}")


if __name__ == "__main__":
    main()
