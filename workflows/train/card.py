"""What is said of a model once it is learned: its gain on movies held out, its threshold, what its weights are of."""

from datetime import UTC, datetime
from importlib.metadata import version

from harvest.errors import TooLittleDataError
from train.calibration import equal_error_threshold
from train.presets import CLOSED_FORM
from train.registry import ModelCard
from train.validation import Gain, held_out_gains, refused_gains
from workflows.console import counted
from workflows.train.corpus import Corpus, Learned


def card_of(method: str, corpus: Corpus, learned: Learned) -> ModelCard:
    """The card of what was learned. Raises TooLittleDataError where the closed form learned noise."""
    split, config, movie = corpus.split, corpus.config, corpus.movie
    again = refitted(method, corpus)
    gains, notes = _gains(corpus, learned, refuse=method == CLOSED_FORM)
    threshold, how = _threshold(corpus, learned, unseen=again)
    return ModelCard(
        method=method,
        pack=movie.models,
        pack_hash=movie.models_hash,
        embedding_size=movie.embedding_size,
        output_size=learned.embedding.output_size,
        train_movies=split.train,
        validation_movies=split.validation,
        train_tracks=corpus.total(learned.adapted, split.train).sums.tracks,
        validation_tracks=sum(corpus.base[movie_id].sums.tracks for movie_id in split.validation),
        refit=again,
        threshold=threshold,
        calibration=how,
        held_out=gains,
        config=config.model_dump(mode="json"),
        notes=learned.notes + notes + ((_fitted_anew(corpus),) if again else ()),
        castmine_version=version("castmine"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        **learned.facts,
    )


def refitted(method: str, corpus: Corpus) -> bool:
    """Whether the weights that are saved are fitted to all movies, after the card's figures were measured."""
    return method == CLOSED_FORM and corpus.config.subspace.refit and bool(corpus.split.validation)


def _fitted_anew(corpus: Corpus) -> str:
    train, held_out = len(corpus.split.train), len(corpus.split.validation)
    return (
        f"the weights are of all {train + held_out} movies, fitted anew after the check; what was measured on the "
        f"{held_out} held out is of the same method fitted to the other {train}"
    )


def _gains(corpus: Corpus, learned: Learned, refuse: bool) -> tuple[dict[str, Gain], tuple[str, ...]]:
    """The closed form is refused where it learned noise; what somebody asked for by name is saved and says so."""
    validation = corpus.split.validation
    if not validation:
        return {}, ()
    before, after = corpus.total(corpus.base, validation), corpus.total(learned.adapted, validation)
    if refuse:
        return refused_gains(before, after, corpus.config), ()
    gains, worse = held_out_gains(before, after, corpus.config)
    return gains, (worse,) if worse else ()


def _threshold(corpus: Corpus, learned: Learned, unseen: bool) -> tuple[float | None, str]:
    """The threshold and how it came about: of the links of the training movies; `unseen`: of those held out, where
    they have enough."""
    sides = [(corpus.split.train, "training movie", "")]
    if unseen:
        sides.insert(0, (corpus.split.validation, "movie", " held out, by the model that had not seen them"))
    refusal = ""
    for movies, what, how in sides:
        try:
            found = equal_error_threshold(corpus.total(learned.adapted, movies).distances, corpus.config.calibration)
        except TooLittleDataError as error:
            refusal = str(error)
            continue
        return found.value, (
            f"equal error {found.equal_error:.4f} between {counted(found.positive_pairs, 'hard-positive pair')} and "
            f"{counted(found.negative_pairs, 'cannot-link pair')} of the {counted(len(movies), what)}{how}"
        )
    return None, refusal
