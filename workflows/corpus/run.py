"""`castmine corpus`: one stage after another, each only where its inputs have changed, told in one journal."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from harvest.dataset.index import share_records
from harvest.errors import CastmineError
from workflows.config import Config
from workflows.console import write_json
from workflows.corpus.clustering import cluster_stage, stage_name
from workflows.corpus.figures import report_json
from workflows.corpus.outcome import CorpusSummary, StageOutcome, anything_failed, unexpected
from workflows.corpus.pruning import prune_stage
from workflows.corpus.reporting import report_stage
from workflows.corpus.session import Session, open_session
from workflows.corpus.training import train_stage
from workflows.harvest.gone import gone, may_go
from workflows.harvest.plan import HarvestPlan, Selection, plan_harvest
from workflows.harvest.run import HarvestSummary, run_harvest, tell_of_own_pack
from workflows.journal.retry import corpus_again, places
from workflows.journal.writer import JournalWriter

Stage = Literal["harvest", "train", "cluster", "report"]
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class Choice:
    """What of a corpus a run takes on."""

    only: Stage | None = None
    """This stage alone; None: all."""
    selection: Selection = field(default_factory=Selection)
    prune: bool = False
    """Remove movies from the dataset that are no longer in the corpus, nor in another that listed them."""
    prune_all: bool = False
    """… also where they are more than `corpus.shrunk` allows."""
    wait: bool = False
    """Where another run is at work on the dataset, wait for its end."""
    config_file: str = "corpus.yaml"
    """Named where the user is told what to run again."""

    def takes(self, stage: Stage) -> bool:
        return self.only in (None, stage)


@dataclass(frozen=True)
class RunReport:
    """The figures of a run and the file that holds them."""

    figures: dict[str, Any]
    file: Path


def run_corpus(config: Config, choice: Choice, address: str | None = None) -> tuple[CorpusSummary, RunReport]:
    """Do every stage whose inputs have changed.

    Raises:
        CastmineError: nothing could be begun: no corpus, no models, a dataset that cannot be written, a GPU that is not
            active. What goes wrong with a movie or a later stage is in the summary instead.
    """
    began, harvested, outcomes = time.monotonic(), None, list[StageOutcome]()
    pruned: tuple[str, ...] = ()
    with open_session(config, address, choice.selection.force, choice.wait) as session:
        plan = plan_harvest(session.movies, session.dataset, session.pack, config, choice.selection)
        tell_of_own_pack(session.places.models, session.models, plan, session.pack, session.dataset)
        where = places(session.places.movies, session.models)
        told = (*where, config.run, corpus_again(choice.config_file, config))
        with JournalWriter(session.dataset.store, "corpus", *told) as journal:
            if choice.takes("harvest"):
                harvested, outcome = _harvest(session, plan, journal)
                outcomes.append(outcome)
            missing = gone(session.dataset, session.movies)
            if (choice.prune or choice.prune_all) and may_go(missing):
                outcomes.append(prune_stage(session, missing, 1 if choice.prune_all else config.corpus.shrunk))
                pruned = may_go(missing) if outcomes[-1].state == "done" else ()
            for name, do in _later_stages(session, choice):
                journal.say(stage=name)
                outcomes.append(_done(name, do))
            journal.say(stage="", note="; ".join(outcome.noted for outcome in outcomes))
            journal.failed = anything_failed(outcomes)
            if any(outcome.state == "done" for outcome in outcomes):
                share_records(session.dataset.store)
        seconds = time.monotonic() - began
        summary = CorpusSummary(journal.journal, outcomes, harvested, missing, pruned, plan.later, seconds)
        return summary, _keep(session, summary)


def _keep(session: Session, summary: CorpusSummary) -> RunReport:
    """Write report.json beside the cast sheets, in place of the last run's."""
    report = RunReport(report_json(summary, session), session.places.sheets / REPORT_FILE)
    write_json(report.file, report.figures)
    return report


def _harvest(session: Session, plan: HarvestPlan, journal: JournalWriter) -> tuple[HarvestSummary | None, StageOutcome]:
    """Raises CastmineError where nothing could be begun."""
    began = time.monotonic()
    try:
        known = (session.dataset, session.pack, session.config, journal, session.address, session.start_ray)
        summary = run_harvest(plan, *known)
    except CastmineError:
        raise
    except Exception as error:
        return None, unexpected("harvest", error, time.monotonic() - began)
    return summary, _of_harvest(summary)


def _done(name: str, do: Callable[[], StageOutcome]) -> StageOutcome:
    """A later stage's outcome, however it ends: the other stages, the table and report.json are not lost by it."""
    began = time.monotonic()
    try:
        return do()
    except Exception as error:
        return unexpected(name, error, time.monotonic() - began)


def _later_stages(session: Session, choice: Choice) -> list[tuple[str, Callable[[], StageOutcome]]]:
    """The stages after the harvest, by name: each looks at what the one before it has left."""
    clusterings = session.config.corpus.clusterings
    stages: list[tuple[str, Callable[[], StageOutcome]]] = []
    if not session.dataset.records():
        return stages  # no movie could be harvested yet
    if choice.takes("train"):
        stages.append(("train", partial(_train, session, choice)))
    if choice.takes("cluster"):
        stages += [(stage_name(chosen), partial(cluster_stage, session, chosen)) for chosen in clusterings]
    if choice.takes("report") and clusterings:
        stages.append(("report", partial(report_stage, session, clusterings[0].name)))
    return stages


def _train(session: Session, choice: Choice) -> StageOutcome:
    outcome = train_stage(session)
    goes_on = outcome.state == "refused" and choice.takes("cluster")
    return replace(outcome, said=f"{outcome.said}; going on with the pack itself") if goes_on else outcome


def _of_harvest(summary: HarvestSummary) -> StageOutcome:
    done, unchanged, failed = (summary.count(state) for state in ("done", "skipped", "failed"))
    messages = {state.movie.movie_id: state.message for state in summary.movies if state.state == "failed"}
    counts = {"harvested": done, "unchanged": unchanged, "failed": failed}
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "nothing to do"
    said = "; ".join((said, *(change.not_carried for change in summary.labels if change.not_carried)))
    return StageOutcome("harvest", "done" if done or failed else "unchanged", said, summary.seconds, messages)
