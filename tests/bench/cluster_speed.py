"""Seconds of one core that each clustering method takes: 600 tracks with their faces, then hac on 5,000 tracks.

The parameter-free method's goal is 0.01 s a track (VideoClusterNet reports 0.13 s on an A10); hac's 10 s and 2 GB.
"""

import resource
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from cluster.constraints import Stop
from cluster.methods import METHODS
from cluster.movie import CastLabels, cluster_movie
from cluster.tracks import Tracks

TRACKS, FACES, SIZE, PEOPLE = 600, 24, 512, 30
MANY = 5000


@dataclass(frozen=True)
class Run:
    """What one method did."""

    cast: CastLabels
    seconds: float
    """Processor time, which a busy machine does not stretch."""


def main() -> None:
    console = Console(width=100)
    table = Table(f"{TRACKS} tracks × {FACES} faces × {SIZE}-d, one core", "characters", "seconds", "s a track")
    tracks = made_up(TRACKS, FACES)
    with threadpool_limits(1):
        for name in METHODS:
            run = timed(name, tracks)
            table.add_row(name, str(run.cast.clusters), f"{run.seconds:.2f}", f"{run.seconds / TRACKS:.5f}")
        console.print(table)
        table = Table(f"{MANY} tracks, {2 * MANY} cannot-links, K = {PEOPLE}", "seconds", "peak MB of the process")
        many = made_up(MANY, 1)
        table.add_row("before", "", f"{peak_mb():.0f}")
        for name in ("hac", "hac-complete", "hac-ward", "hac-expanded"):
            table.add_row(name, f"{timed(name, many).seconds:.1f}", f"{peak_mb():.0f}")
    console.print(table)


def timed(name: str, tracks: Tracks) -> Run:
    """The method at the true K, or at its own."""
    stop = Stop() if METHODS[name].finds_k else Stop(clusters=PEOPLE)
    began = time.process_time()
    cast = cluster_movie(tracks.means, tracks.cannot_link, stop, method=name, faces=tracks.student)
    assert cast.violations == 0
    return Run(cast, time.process_time() - began)


def made_up(tracks: int, faces: int) -> Tracks:
    """Tracks of a few people with faces around each, in shots of five that are all seen together: two cannot-links a
    track, some of which contradict the faces, as wrong tracks do."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(PEOPLE, SIZE))
    who = generator.integers(0, PEOPLE, tracks)
    looks = centres[who] + 0.3 * generator.normal(size=(tracks, SIZE))
    of_track = [look + 0.6 * generator.normal(size=(faces, SIZE)) for look in looks]
    means = np.stack([track.mean(axis=0) for track in of_track])
    pairs = (np.argwhere(np.triu(np.ones((5, 5)), 1)) + 5 * np.arange(tracks // 5)[:, None, None]).reshape(-1, 2)
    return Tracks.of(means / np.linalg.norm(means, axis=1, keepdims=True), pairs, of_track)


def peak_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
