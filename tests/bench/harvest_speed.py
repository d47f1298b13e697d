"""`castmine harvest` against the usual script and against its own limit, on one clip in one run.

The limit is what no harvest can beat: decoding every frame and running the detector on the analysed ones, nothing else,
in as many processes at once as the harvest has workers, since two cores that work share caches and memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console
from rich.table import Table

from harvest.config import HarvestConfig
from harvest.dataset.read import Dataset
from harvest.faces import find_pack, load_models
from harvest.video import open_video
from tests.bench import _usual_script
from tests.bench._truth import MISSING, MOVIES, PACK, score, there

CLIP = MOVIES / "pm_dev1.mp4"
WORKERS = 2


def main() -> None:
    if not there():
        print(MISSING)
        return
    frames = open_video(CLIP).facts.frames
    limit_s = sum(limit_seconds(CLIP, frames, WORKERS))
    with tempfile.TemporaryDirectory() as folder:
        seconds, result = harvest_seconds(Path(folder) / "dataset")
        ours = Dataset.open(Path(folder) / "dataset").table("faces", CLIP.stem).to_pylist()
    began = time.monotonic()
    usual = _usual_script.run(CLIP, PACK)
    usual_s = time.monotonic() - began
    stages = {stage: took for stage, took in result["stages"].items() if stage != "load"}  # of a process, not of a film
    busy = sum(stages.values())

    table = Table("on pm_dev1 (640 × 360)", "seconds", "frames/s", "× usual script", "recall", "purity")
    for name, took, rows in (
        (f"castmine harvest, {WORKERS} workers, whole command", seconds, ours),
        ("… of it at work (all stages / workers)", busy / WORKERS, None),
        ("the usual script, all cores", usual_s, usual),
    ):
        scored = score(CLIP.stem, rows) if rows else {}
        figures = [f"{scored[name]:.3f}" if scored else "" for name in ("recall", "purity")]
        table.add_row(name, f"{took:.1f}", f"{frames / took:.0f}", f"{usual_s / took:.1f}", *figures)
    table.add_row(
        f"limit, {WORKERS} cores", f"{limit_s / WORKERS:.1f}", f"{frames * WORKERS / limit_s:.0f}", "", "", ""
    )
    console = Console(width=120)
    console.print(table)
    console.print(f"limit / at work: {limit_s / busy:.2f} (goal 0.85)")
    shares = ", ".join(f"{stage} {took / busy:.0%}" for stage, took in stages.items())
    console.print(f"share of each stage: {shares}")


def limit_seconds(clip: Path, frames: int, processes: int) -> list[float]:
    """Seconds of each of so many processes at once to decode a clip and run the detector on the analysed frames."""
    borders = [frames * part // processes for part in range(processes + 1)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(decode_and_detect_seconds, [clip] * processes, borders[:-1], borders[1:]))


def decode_and_detect_seconds(clip: Path, start: int, stop: int) -> float:
    """Seconds of one process for the frames from `start` to before `stop`, the models loaded before."""
    cv2.setNumThreads(1)
    config = HarvestConfig()
    models = load_models(find_pack(str(PACK)), config.detect)
    began = time.perf_counter()
    for index, image in islice(open_video(clip).frames(start), stop - start):
        if index % config.stride == 0:
            models.detect([image])
    return time.perf_counter() - began


def harvest_seconds(dataset: Path) -> tuple[float, dict[str, Any]]:
    """Wall seconds of the whole command, start-up included, and what it wrote with --json."""
    report = dataset.with_suffix(".json")
    command = [
        sys.executable,
        "-m",
        "workflows",
        "harvest",
        str(CLIP),
        "--dataset",
        str(dataset),
        "--json",
        str(report),
    ]
    command += ["--models", str(PACK), "--workers", str(WORKERS), "--segment-minutes", "1"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began, json.loads(report.read_text())


if __name__ == "__main__":
    main()
