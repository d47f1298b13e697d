"""`castmine train`: mine every movie, learn, check on held-out movies, save model and card.

The closed form is solved in closed_form.py, from sums movie by movie; networks are trained by recipe.py; what is said
of either is written in card.py.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from train.centring import FaceCentring
from train.config import TrainConfig
from train.presets import CLOSED_FORM, filled, recipe
from train.registry import ModelCard, refuse_other_folder, save_model
from train.representation import Embedding
from train.split import Split, split_movies
from train.validation import MovieMeasures
from workflows.config import Config, RunConfig
from workflows.console import meter
from workflows.train.card import card_of, refitted
from workflows.train.closed_form import solve, solve_for
from workflows.train.corpus import Corpus, Show
from workflows.train.memory import mining_gb
from workflows.train.movies import MovieJob, measure_movies, of_one_pack
from workflows.train.refusal import refuse_small


@dataclass(frozen=True)
class TrainSummary:
    """What a training did, as the command prints it and `--json` writes it."""

    model: str
    card: ModelCard
    mined: dict[str, int]
    """Mined tracks by movie_id."""
    seconds: float


def train(
    root: str,
    method: str,
    out: Path,
    config: Config,
    address: str | None = None,
    resume: bool = False,
    models_hash: str | None = None,
) -> TrainSummary:
    """Learn a representation from a dataset and write it to the folder `out`.

    `method`: mvcorr-linear, or a recipe of train/presets.py. `resume`: go on with a recipe's training that was
    interrupted, where there is one. `models_hash`: of the movies of this pack alone.

    Raises:
        TooLittleDataError: too few movies, co-occurring tracks or identities to learn anything but noise.
        CastmineError: an empty dataset, movies of different packs, a folder that is not a model's, a training to be
            resumed that had other settings.
    """
    from workflows.ray_cluster import check_gpus, ray_cluster

    began = time.monotonic()
    closed = method == CLOSED_FORM
    settings = config.train if closed else filled(recipe(method), config.train)
    dataset = Dataset.open(root)
    records = of_one_pack(dataset, models_hash)
    refuse_other_folder(out)
    split = split_movies({record.movie_id: record.facts.split for record in records}, settings.split)
    refuse_small(dataset, records, split, settings, named=not closed and recipe(method).identities)
    with meter("train", "movies or epochs") as shown, ray_cluster(address, config.run.workers) as cores:
        if config.run.device == "cuda" and not closed:
            check_gpus(address, config.run.gpus_per_worker)
        corpus = _mined(dataset, records, split, settings, config.run, cores, shown.update)
        embedding, card = _learned(corpus, method, out, config.run, resume, shown.update)
    save_model(out, embedding, card)
    if not closed:
        from workflows.train.recipe import forget

        forget(out)
    mined = {movie_id: measures.sums.tracks for movie_id, measures in corpus.base.items()}
    return TrainSummary(str(out), card, mined, time.monotonic() - began)


def _mined(
    dataset: Dataset,
    records: list[MovieRecord],
    split: Split,
    settings: TrainConfig,
    run: RunConfig,
    cores: int,
    show: Show,
) -> Corpus:
    """The corpus, every movie of both parts mined and measured as the pack embeds it."""
    jobs = _jobs(dataset, records, split, settings)

    def measure(embedding: Embedding | None = None, centring: FaceCentring | None = None) -> dict[str, MovieMeasures]:
        asked = [replace(job, embedding=embedding, centring=centring) for job in jobs]
        note = "checking" if embedding else "mining"
        return measure_movies(asked, run.workers or cores, run, lambda done: show(done, len(jobs), note))

    base = measure()
    return Corpus(dataset.root, records, split, settings, base, measure)


def _learned(
    corpus: Corpus, method: str, out: Path, run: RunConfig, resume: bool, show: Show
) -> tuple[Embedding, ModelCard]:
    """The model to be saved and its card, whose figures are measured before the closed form is fitted anew."""
    if method == CLOSED_FORM:
        learned = solve(corpus)
    else:
        from workflows.train.recipe import learn

        learned = learn(corpus, method, out, run, resume, show)
    card = card_of(method, corpus, learned)
    if not refitted(method, corpus):
        return learned.embedding, card
    return solve_for(corpus, sorted(corpus.split.train + corpus.split.validation)), card


def _jobs(dataset: Dataset, records: list[MovieRecord], split: Split, settings: TrainConfig) -> list[MovieJob]:
    """A task for each movie of both parts, the longest first; a movie for which no machine is large enough has one to
    itself, for what is declared is an upper bound."""
    from workflows.ray_cluster import largest_node_gb

    room, views, taken = largest_node_gb(), settings.mining.views, {*split.train, *split.validation}
    return [
        MovieJob(
            dataset.root,
            movie.movie_id,
            settings,
            held_out=movie.movie_id in split.validation,
            memory_gb=min(mining_gb(dataset, movie, views), room),
        )
        for movie in sorted(records, key=lambda movie: -movie.rows("tracks"))
        if movie.movie_id in taken
    ]
