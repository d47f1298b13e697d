"""`castmine harvest`: plan what is new, harvest it on Ray, commit movie by movie, name what failed.

Planning imports neither Ray nor torch nor a decoder: a run with nothing to do takes about a second.
"""

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.faces import find_pack
from workflows.config import Config
from workflows.harvest.plan import MovieState, plan_movie
from workflows.journal.harvesting import HarvestWatch
from workflows.journal.records import Usage
from workflows.journal.writer import JournalWriter
from workflows.labels import LabelChange, attach_labels


@dataclass
class HarvestSummary:
    """What a harvest did, as the command prints it and `--json` writes it."""

    movies: list[MovieState]
    labels: list[LabelChange]
    seconds: float
    usage: Usage = field(default_factory=Usage)
    """What the workers held."""

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
    models: str,
    config: Config,
    address: str | None = None,
    retry_failed: bool = False,
    journal: JournalWriter | None = None,
) -> HarvestSummary:
    """Harvest a corpus into a dataset: what is new or changed, and nothing else.

    Args:
        corpus: see `harvest.corpus.list_corpus`. models: a pack's name or folder. address: of a Ray cluster.
        retry_failed: only the movies that failed before. journal: of the run that this is a part of.

    Raises:
        CastmineError: nothing could be begun: no corpus, no models, a dataset that cannot be written, a GPU that is not
            active. What goes wrong with one movie is in the summary and in the dataset's `failures` instead.
    """
    began = time.monotonic()
    movies = list_corpus(corpus)
    pack = find_pack(models)
    opened = Dataset.create(dataset)
    if retry_failed:
        failed = {failure.movie_id for failure in opened.failures() if failure.kind == "harvest"}
        movies = [movie for movie in movies if movie.movie_id in failed]
    states = {movie.movie_id: plan_movie(movie, opened, pack, config) for movie in movies}
    watch = HarvestWatch(states)
    try:
        if any(state.state == "todo" for state in states.values()):
            from workflows.harvest.jobs import HarvestRun  # Ray, torch and the decoders: only where there is work

            own = JournalWriter(opened.store, "harvest", corpus, models, config.run)
            with nullcontext(journal) if journal else own as kept:
                kept.follow(watch.fields)
                HarvestRun(opened, pack, config, states, watch).run(address)
    finally:
        labels = attach_labels(opened)  # also of what an interrupted run has committed
    return HarvestSummary(list(states.values()), labels, time.monotonic() - began, watch.usage)
