"""What `castmine corpus` prints at its end: a line a stage, where the time went, what failed and what to do."""

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from workflows.console import NAMED_MOVIES, counted, duration, err, out
from workflows.corpus.dry_run import Estimate
from workflows.corpus.outcome import CorpusSummary
from workflows.harvest.gone import may_go

LEAST_S = 0.05
"""What took less would be printed as 0.0 s."""


def corpus_done(summary: CorpusSummary, report: dict[str, Any], report_file: str) -> None:
    """The outcome of a run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("stage", "left"), ("", "left"), ("seconds", "right"), ("what", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for stage in summary.stages:
        colour = {"failed": "red", "done": "green"}.get("failed" if stage.failed else stage.state, "")
        seconds = "" if stage.seconds < LEAST_S else f"{stage.seconds:.1f}"
        table.add_row(stage.stage, Text(stage.state, colour), seconds, Text(stage.said))
    out.print(table)
    if report["harvest"]:
        _harvest(report["harvest"])
    if summary.later:
        out.print(f"left for another run by --limit: {_some(summary.later)}", markup=False)
    _gone(summary.gone, "" if summary.pruned else "the rows or failures of them are kept; --prune removes these")
    if summary.pruned:
        out.print(f"removed, no longer in the corpus: {_some(summary.pruned)}", markup=False)
    took = "" if summary.seconds < LEAST_S else f"{summary.seconds:.1f} s · "
    out.print(f"{took}{report_file}", markup=False, soft_wrap=True)
    for stage in summary.stages:
        if stage.state == "failed":
            err.print(f"failed: {stage.stage}: {stage.said}", style="red", markup=False)
        for movie_id, message in stage.failed.items():
            err.print(f"failed: {movie_id}: {message}", style="red", markup=False)


def corpus_plan(estimate: Estimate, reasons: dict[str, str]) -> None:
    """A plan with its arithmetic."""
    beside = "of those that failed before" if estimate.unchanged is None else f"{estimate.unchanged} unchanged"
    out.print(f"harvest: {counted(estimate.movies, 'movie')}, {beside}", markup=False)
    if estimate.names:
        out.print(f"  to be done: {_some(estimate.names)}", markup=False)
    if estimate.to_fetch:
        fetches = f"{estimate.to_fetch}; the run itself does first, where insightface has it"
        out.print(f"  {fetches}", markup=False, soft_wrap=True)
    if estimate.left_out:
        out.print(
            f"  failed before and unchanged: {_some(estimate.left_out)} (--retry-failed tries again)", markup=False
        )
    if estimate.later:
        out.print(f"  {estimate.later} more are left for another run by --limit")
    if estimate.movies:
        unknown = f"length unknown of {_some(estimate.unknown)}"
        guessed = f" ({unknown}: counted at the mean of the others)" if estimate.unknown else ""
        film = f"{duration(estimate.hours * 3600)} of film{guessed}"
        out.print(
            f"  {film}: {counted(estimate.segments, 'segment')}, {counted(estimate.shards, 'shard')}", markup=False
        )
        count = str(estimate.workers) if estimate.workers else "one for each core"
        total = f" = {estimate.workers * estimate.memory_gb:.1f} GiB" if estimate.workers else ""
        out.print(f"  workers: {count} × {estimate.memory_gb:.1f} GiB of memory{total}")
        out.print(f"  time of the harvest: {_time(estimate)}", markup=False)
    _gone(estimate.gone, "--prune removes the rows or failures of them")
    for stage, reason in reasons.items():
        out.print(f"{stage}: {reason or 'nothing to do'}", markup=False)
    out.print("nothing was started and nothing written: leave out --dry-run to do it")


def _time(estimate: Estimate) -> str:
    if estimate.rate is None:
        return "unknown; no run in this dataset has measured a rate yet"
    if estimate.wall_s is None:
        return "unknown; no file says how long it is"
    rate = f"{estimate.rate:.2f} movie-seconds a worker-second at work in {estimate.measured}"
    work = f"{duration(estimate.hours * 3600)} / ({rate}) / {counted(estimate.at_work or 1, 'worker')}"
    start = f" + {duration(estimate.start_s)} to start Ray and the models, as then" if estimate.start_s else ""
    return f"{work}{start} = {duration(estimate.wall_s)}"


def _harvest(figures: dict[str, Any]) -> None:
    """Where the workers' time went."""
    film, speed = figures["movie_hours"] * 3600, figures["movie_hours_per_wall_hour"]
    gpu = f" · {figures['gpu_s']:.0f} GPU-s held" if figures["gpu_s"] else ""
    done = (
        f"{duration(film)} of film in {duration(figures['wall_s'])} after Ray's start: {speed or 0:.2f} h an hour · "
        if film
        else ""
    )
    out.print(
        f"{done}{counted(figures['workers'], 'worker')}, {figures['worker_s']:.0f} worker-s{gpu} · "
        f"peak {figures['peak_bytes'] / 2**30:.2f} GiB a worker",
        markup=False,
    )
    rows = [row for row in figures["stages"] if row["seconds"] >= LEAST_S]
    shares = (f"{row['stage']} {row['seconds']:.1f} s ({row['share']:.0%})" for row in rows)
    out.print(f"  {' · '.join(shares)}", markup=False)


def _gone(gone: dict[str, str], remedy: str) -> None:
    """What `workflows.harvest.gone` found; without a remedy only what another corpus keeps."""
    leaving = may_go(gone)
    if leaving and remedy:
        out.print(f"no longer in the corpus: {_some(leaving)} ({remedy})", markup=False)
    for corpus in sorted(set(gone.values()) - {""}):
        names = tuple(name for name, kept_by in gone.items() if kept_by == corpus)
        kept = f"kept, for {corpus} still lists them; castmine forget removes them"
        out.print(f"no longer in the corpus: {_some(names)} ({kept})", markup=False)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED_MOVIES} more" if len(names) > NAMED_MOVIES else ""
    return ", ".join(names[:NAMED_MOVIES]) + more
