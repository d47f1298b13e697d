"""The report stage: of the cast sheets those are written again that show something which has changed."""

import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError
from workflows.console import counted
from workflows.corpus.notes import REPORT, Inputs, StageNote, digest, put_note, read_note
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.places import Places
from workflows.corpus.session import Session
from workflows.report.config import ReportConfig
from workflows.report.current import INDEX, SheetSource, outdated, page_name, sheet_sources

STAGE = REPORT
OF_FAILURE = {"movie_id", "stage", "error", "message", "attempts", "uri"}
"""What the index page shows of one."""


def report_stage(session: Session, run: str) -> StageOutcome:
    """Bring the cast sheets up to date with the clustering `run`; what goes wrong is in the outcome."""
    began, dataset, places = time.monotonic(), session.dataset, session.places
    config = session.config.report
    inputs, reason = _inputs(dataset, places, run, config)  # as they are before the work
    earlier = inputs.note
    if earlier and not session.force and not reason:
        return StageOutcome(STAGE, "unchanged", earlier.said)
    from workflows.report.write import write_report

    try:
        report = write_report(dataset, run, places.sheets, config, session.force)
    except CastmineError as error:
        return StageOutcome(STAGE, "failed", str(error), time.monotonic() - began)
    removed = _remove(earlier.movies.keys() - inputs.movies.keys() if earlier else (), places.sheets)
    said = f"{counted(len(report.sheets), 'cast sheet')}: {report.index}"
    note = StageNote(fingerprint=inputs.fingerprint, movies=inputs.movies, outcome="done", said=said, at="")
    put_note(dataset.store, STAGE, note)
    written = f"{said}; {len(report.written) or 'none'} written" + (f", {removed} removed" if removed else "")
    return StageOutcome(STAGE, "done", written, time.monotonic() - began)


def _remove(gone: Iterable[str], sheets: Path) -> int:
    """Remove the sheets of movies that the dataset no longer has; returns how many there were."""
    there = [page for page in (sheets / page_name(movie_id) for movie_id in gone) if page.is_file()]
    for page in there:
        page.unlink(missing_ok=True)
    return len(there)


def why(dataset: Dataset, places: Places, run: str, config: ReportConfig) -> str:
    """Why to write sheets, in words; empty where all show just these records."""
    return _inputs(dataset, places, run, config)[1]


def _inputs(dataset: Dataset, places: Places, run: str, config: ReportConfig) -> tuple[Inputs, str]:
    """What the sheets would be made from now, and why to write any."""
    sources, failures = sheet_sources(dataset, run, config), dataset.failures()
    taken = {source.movie.movie_id: source.made_from for source in sources}
    failed = {
        f"failure {each.where} of {each.movie_id}": digest(each.model_dump(include=OF_FAILURE))
        for each in failures
        if each.run in ("", run)
    }
    fingerprint = digest([str(places.sheets.absolute()), run, config.model_dump(mode="json"), version("castmine")])
    inputs = Inputs(read_note(dataset.store, STAGE), fingerprint, taken | failed)
    return inputs, inputs.changes() or _missing(sources, places)


def _missing(sources: list[SheetSource], places: Places) -> str:
    """That somebody removed pages, or wrote other ones; empty: nobody did."""
    if not (places.sheets / INDEX).exists():
        return "no sheets there"
    wrong = outdated(sources, places.sheets)
    return f"{counted(len(wrong), 'sheet')} not there as written" if wrong else ""
