"""The report stage: the cast sheets are written again where a record that they show has changed."""

import time
from importlib.metadata import version

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError
from workflows.console import counted
from workflows.corpus.notes import REPORT, Inputs, StageNote, digest, put_note, read_note
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.places import Places
from workflows.corpus.session import Session
from workflows.labels import RUN as LABELS
from workflows.report.config import ReportConfig

STAGE = REPORT


def report_stage(session: Session, run: str) -> StageOutcome:
    """Bring the cast sheets up to date with the clustering `run`; what goes wrong is in the outcome."""
    began, dataset, places = time.monotonic(), session.dataset, session.places
    config = session.config.report
    inputs = _inputs(dataset, places, run, config)  # as they are before the work
    earlier = inputs.note
    if earlier and not session.force and not _reason(inputs, places):
        return StageOutcome(STAGE, "unchanged", earlier.said)
    from workflows.report.write import page_name, write_report

    try:
        pages = write_report(dataset, run, places.sheets, config)
    except CastmineError as error:
        return StageOutcome(STAGE, "failed", str(error), time.monotonic() - began)
    for movie_id in (earlier.movies.keys() if earlier else set()) - inputs.movies.keys():
        (places.sheets / page_name(movie_id)).unlink(missing_ok=True)  # of a movie that the dataset no longer has
    said = f"{counted(len(pages) - 1, 'cast sheet')}: {pages[0]}"
    note = StageNote(fingerprint=inputs.fingerprint, movies=inputs.movies, outcome="done", said=said, at="")
    put_note(dataset.store, STAGE, note)
    return StageOutcome(STAGE, "done", said, time.monotonic() - began)


def why(dataset: Dataset, places: Places, run: str, config: ReportConfig) -> str:
    """Why to write the sheets, in words; empty where they show just these records."""
    return _reason(_inputs(dataset, places, run, config), places)


def _reason(inputs: Inputs, places: Places) -> str:
    return inputs.changes() if (places.sheets / "index.html").exists() else "no sheets there"


def _inputs(dataset: Dataset, places: Places, run: str, config: ReportConfig) -> Inputs:
    return Inputs(read_note(dataset.store, STAGE), _fingerprint(places, run, config), _taken(dataset, run))


def _fingerprint(places: Places, run: str, config: ReportConfig) -> str:
    return digest([str(places.sheets.absolute()), run, config.model_dump(mode="json"), version("castmine")])


def _taken(dataset: Dataset, run: str) -> dict[str, str]:
    """Of every movie, and every failure: a digest of the records that its sheet shows."""
    clusters = {record.movie_id: record.created_at for record in dataset.derived_records("clusters", run)}
    labels = {record.movie_id: record.created_at for record in dataset.derived_records("labels", LABELS)}
    taken = {
        record.movie_id: digest(
            [record.model_dump(mode="json"), clusters.get(record.movie_id), labels.get(record.movie_id)]
        )
        for record in dataset.records()
    }
    failed = {f"failure {each.where} of {each.movie_id}": each.message for each in dataset.failures()}
    return taken | failed
