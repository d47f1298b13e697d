"""A harvest as its journal tells of it: how far each movie is, at which rate, and when it will be over."""

import time
from collections import Counter, deque
from collections.abc import Mapping

from workflows.harvest.plan import MovieState
from workflows.journal.records import MovieProgress, Usage
from workflows.journal.writer import Fields

START = "start"
"""The stage of what workers held before the first of them was at work."""
RATE_S = 600
"""The rate is that of the last ten minutes: long enough for a segment to come back, short enough for a slow node."""


class HarvestWatch:
    """Sees what the driver sees and turns it into fields of the journal, whenever those are asked for."""

    def __init__(self, states: Mapping[str, MovieState]) -> None:
        self._states = states
        self._units: dict[str, float] = {}
        self.usage = Usage()
        self._created = time.monotonic()
        self._began: float | None = None
        self._started: tuple[float, float] | None = None
        """When the first worker was seen at work, seconds; what workers had held when none was, worker seconds."""
        self._points: deque[tuple[float, float]] = deque()

    def __call__(self, units: dict[str, float], usage: Usage) -> None:
        """Frames done of each running job, by its key (`movie_id: what`), and what the workers hold."""
        if units and self._started is None:
            self._started = time.monotonic() - self._created, self.usage.worker_s
        self._units, self.usage = units, usage
        if usage.workers and self._began is None:
            self._began = time.monotonic()

    def fields(self) -> Fields:
        """What there is to say now. Called from the journal's thread."""
        running: Counter[str] = Counter()
        for key, frames in self._units.items():
            running[key.rpartition(": ")[0]] += int(frames)
        movies = {name: _progress(state, running) for name, state in self._states.items() if state.state != "skipped"}
        counts: Counter[str] = Counter(movie.state for movie in movies.values())
        counts["unchanged"] = len(self._states) - len(movies)
        stages: Counter[str] = Counter()
        for state in self._states.values():
            stages.update(dict(state.seconds))  # copied at once: the driver adds to it while this thread counts
        start_s, held_s = self._started or (None, self.usage.worker_s)
        spent = sorted({**stages, START: held_s}.items(), key=lambda stage: -stage[1])
        done, total = sum(movie.frames for movie in movies.values()), sum(movie.total for movie in movies.values())
        earlier = sum(movie.earlier for movie in movies.values())
        rate = self._rate(done - earlier) if self._began else 0.0
        unopened = sum(not movie.total and movie.state in ("waiting", "running") for movie in movies.values())
        return {
            "counts": dict(counts),
            "movies": movies,
            "frames": done,
            "total": total,
            "rate": rate,
            "eta_s": (total - done) / rate if rate and not unopened else None,
            "start_s": start_s and round(start_s, 1),
            "work_s": round(time.monotonic() - self._began, 1) if self._began else 0.0,
            "stages": {stage: round(seconds, 3) for stage, seconds in spent if seconds},
            "usage": self.usage,
        }

    def _rate(self, done: float) -> float:
        at = time.monotonic()
        self._points.append((at, done))
        while len(self._points) > 2 and at - self._points[1][0] > RATE_S:
            self._points.popleft()
        then, before = self._points[0]
        return round((done - before) / (at - then), 2) if at > then and done > before else 0.0


def _progress(state: MovieState, running: Counter[str]) -> MovieProgress:
    movie_id, total = state.movie.movie_id, state.total
    earlier = min(state.earlier, total)
    frames = state.frames + earlier + running[movie_id]
    if state.state == "todo":
        at_work = movie_id in running or frames > earlier
        return MovieProgress(
            state="running" if at_work else "waiting",
            frames=min(frames, total) if total else 0,
            earlier=earlier,
            total=total,
            duration_s=state.duration_s,
        )
    return MovieProgress(
        state="failed" if state.state == "failed" else "done",
        frames=total if state.state == "done" else min(frames, total),
        earlier=earlier,
        total=total,
        duration_s=state.duration_s,
        message=state.message,
    )
