"""`castmine harvest`: plan what is new, harvest it on Ray, commit movie by movie, name what failed.

Planning imports neither Ray nor torch nor a decoder: a run with nothing to do takes about a second.
"""

import time
from collections import Counter
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from harvest.dataset.index import share_records
from harvest.dataset.read import Dataset
from harvest.errors import DatasetError
from harvest.faces import Pack
from harvest.local_copy import sweep
from workflows.config import Config
from workflows.console import counted, err
from workflows.harvest.gone import gone
from workflows.harvest.gone import prune as prune_gone
from workflows.harvest.inputs import find_inputs
from workflows.harvest.packs import FIRST
from workflows.harvest.plan import HarvestPlan, MovieState, Selection, plan_harvest
from workflows.journal.harvesting import HarvestWatch
from workflows.journal.records import Journal, Usage, latest_journal, read_journals
from workflows.journal.retry import harvest_again, places
from workflows.journal.writer import JournalWriter
from workflows.labels import LabelChange, attach_labels
from workflows.on_demand import Cores


@dataclass
class HarvestSummary:
    """What a harvest did, as the command prints it and `--json` writes it."""

    movies: list[MovieState]
    labels: list[LabelChange]
    seconds: float
    usage: Usage = field(default_factory=Usage)
    """What the workers held."""
    gone: dict[str, str] = field(default_factory=dict)
    """Movies of the dataset that the corpus has no more, with the other corpus that has; "": none."""
    pruned: bool = False
    """Those of none were removed."""
    not_pruned: str = ""
    """Why they were not, although that was asked for."""

    def count(self, state: str) -> int:
        return sum(movie.state == state for movie in self.movies)

    def stages(self) -> dict[str, float]:
        """Worker seconds by stage, over all movies, the longest first."""
        total: Counter[str] = Counter()
        for movie in self.movies:
            total.update(movie.seconds)
        return {stage: round(seconds, 3) for stage, seconds in total.most_common()}


def harvest(
    corpus: str,
    dataset: str,
    models: str | None,
    config: Config,
    address: str | None = None,
    retry_failed: bool = False,
    prune: float | None = None,
    wait: bool = False,
) -> HarvestSummary:
    """Harvest a corpus into a dataset: what is new or changed, and nothing else.

    Args:
        corpus: see `harvest.corpus.list_corpus`. address: of a Ray cluster.
        models: a pack's name or folder; None: the one that the dataset was harvested with last, `bundled` in a new one.
        retry_failed: only the movies that failed before.
        prune: remove movies that are no longer in the corpus, where they are at most this share of those that were
            harvested from it; None: keep them.
        wait: where another run is at work on the dataset, wait for its end.

    Raises:
        CastmineError: nothing could be begun: no corpus, no models, a dataset that cannot be written, a GPU that is not
            active. What goes wrong with one movie is in the summary and in the dataset's `failures` instead.
    """
    began = time.monotonic()
    with find_inputs(corpus, dataset, models, wait) as found:
        opened, named, pack = found.dataset, found.models, found.pack
        plan = plan_harvest(found.movies, opened, pack, config, Selection(retry_failed=retry_failed))
        tell_of_own_pack(models, named, plan, pack, opened)
        told = (*places(corpus, named), config.run, harvest_again(corpus, named, config))
        own = JournalWriter(opened.store, "harvest", *told)
        tells = plan.todo or (not retry_failed and _ends_otherwise(plan, opened, own.journal))
        with own if tells else nullcontext(own) as journal:
            summary = run_harvest(plan, opened, pack, config, journal, address)
            missing = gone(opened, found.movies)
            refused = prune_gone(opened, found.movies, missing, prune) if prune is not None else ""
            journal.failed = bool(refused)
            if plan.todo:
                share_records(opened.store)
    pruned = prune is not None and not refused
    return replace(summary, seconds=time.monotonic() - began, gone=missing, pruned=pruned, not_pruned=refused)


def _ends_otherwise(plan: HarvestPlan, dataset: Dataset, own: Journal) -> bool:
    """Whether the latest journal tells of this corpus what is no longer so: a run that was cut short although all is
    done, a failure that is gone; or there is none, and a failure. A run with nothing to do keeps one only then."""
    with suppress(DatasetError):
        last = latest_journal(dataset.store)
        outcome = "failed" if any(state.state == "failed" for state in plan.states.values()) else "done"
        if last and (last.command, last.corpus) == (own.command, own.corpus):
            return last.outcome != outcome
        return last is None and outcome == "failed"
    return False


def tell_of_own_pack(models: str | None, named: str, plan: HarvestPlan, pack: Pack, dataset: Dataset) -> None:
    """Where there is work and no pack was named: which one `pack_for` has found, and that a run that was cut short had
    another: of what that one has staged nothing is used."""
    if models is not None or not plan.todo:
        return
    why = ", with which this dataset was harvested last" if named != FIRST else ""
    before = next(read_journals(dataset.store), None)
    if before and before.outcome != "done" and before.models not in ("", named):
        why += f"; the run before, which did not end well, had {before.models}: name that to go on with it"
    err.print(f"models: {pack.name}{why}", markup=False, soft_wrap=True)


def _tell_of_other_packs(plan: HarvestPlan, pack: Pack) -> None:
    """Another pack is a new harvest of everything, and leaves no clustering: nobody shall find that out afterwards."""
    others = [state.other_pack for state in plan.todo if state.other_pack]
    if others:
        packs = ", ".join(sorted(set(others)))
        err.print(
            f"{counted(len(others), 'movie')} of this dataset harvested with {packs}: all over again with {pack.name}, "
            "which ends their clusterings: cluster them again",
            markup=False,
        )


def run_harvest(
    plan: HarvestPlan,
    dataset: Dataset,
    pack: Pack,
    config: Config,
    journal: JournalWriter,
    address: str | None = None,
    start: Cores | None = None,
) -> HarvestSummary:
    """Do what was planned. `start`: starts a Ray that outlives this harvest. Raises as `harvest` does."""
    began = time.monotonic()
    _tell_of_other_packs(plan, pack)
    watch = HarvestWatch(plan.states)
    journal.follow(watch.fields)
    try:
        if plan.todo:
            if start:
                start()
            from workflows.harvest.jobs import HarvestRun  # Ray, torch and the decoders: only where there is work

            try:
                HarvestRun(dataset, pack, config, plan, watch).run(address)
            finally:
                sweep()  # copies of a bucket's movies, which the last workers of this machine held
    finally:
        journal.unfollow()
        labels = attach_labels(dataset)  # also of what an interrupted run has committed
    return HarvestSummary(list(plan.states.values()), labels, time.monotonic() - began, watch.usage)
