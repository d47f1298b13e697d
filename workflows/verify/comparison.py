"""Representations side by side on one dataset: a row each, the base first; what a reader must know beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harvest.dataset.records import MovieRecord
from harvest.errors import DatasetError, TooLittleDataError
from train.calibration import Threshold, equal_error_threshold
from train.recognition import Recognition, recognition
from train.registry import ModelCard
from train.verification import MovieVerification, verify_corpus
from workflows.cluster.job import BASE
from workflows.config import Config
from workflows.console import counted


@dataclass(frozen=True)
class VerifiedMovie:
    """One movie in every representation."""

    movie_id: str
    tracks: int
    named: int
    """Tracks with a label."""
    measures: tuple[MovieVerification, ...]
    """In the order of the rows of the comparison."""


@dataclass(frozen=True)
class ComparedRow:
    """One representation on the whole dataset."""

    name: str
    method: str | None
    """How the model was trained; None: the base."""
    notes: tuple[str, ...]
    """What a reader must know before believing the figures."""
    overall: MovieVerification
    links: Threshold | None
    """Equal error of the base's hard positives and all cannot-links, as held out in training; None: too few pairs."""
    known: Recognition | None
    """How often people are known again in other scenes, as training asks of it; None: too few are."""


@dataclass(frozen=True)
class ModelComparison:
    """All that the page shows and the command prints."""

    dataset: str
    rows: tuple[ComparedRow, ...]
    movies: tuple[VerifiedMovie, ...]
    failed: dict[str, str]
    """Message by movie_id."""
    unnamed: str
    """Why verification, or the verification of some movies, is absent; empty: it is not."""
    unlinked: str
    """Why the equal error of links is absent; empty: it is not."""
    unrecognised: str
    """Why it is not told how often people are known again; empty: it is."""
    config: Config

    @property
    def verified(self) -> list[VerifiedMovie]:
        """Movies with pairs of named tracks."""
        return [movie for movie in self.movies if movie.measures[0].named]


def compare(
    root: str,
    models: Sequence[tuple[str, ModelCard]],
    records: Sequence[MovieRecord],
    movies: Sequence[VerifiedMovie],
    failed: dict[str, str],
    config: Config,
) -> ModelComparison:
    """Put what was measured of the movies into rows: the base, then each model, by folder and card, in that order.

    Raises DatasetError where every movie failed, or where none has a named pair or a mined one.
    """
    if not movies:
        movie_id, message = min(failed.items())
        raise DatasetError(f"no movie of {root} could be verified; {movie_id}: {message}")
    unnamed = _unnamed(movies)
    if not any(movie.measures[0].named or movie.measures[0].hard.tracks for movie in movies):
        raise DatasetError(
            f"{root}: {unnamed}, and none has a track of at least {config.train.mining.views} faces that is seen "
            "together with another; there is nothing to verify on: import labels (castmine labels import FILE.csv), "
            "or harvest movies in which people are seen together"
        )
    cards: list[ModelCard | None] = [None, *(card for _, card in models)]
    names = [BASE, *_names([folder for folder, _ in models])]
    overall = [verify_corpus([movie.measures[number] for movie in movies]) for number in range(len(cards))]
    links, unlinked = _links(overall, config)
    known, unrecognised = _known(overall, config)
    rows = [
        ComparedRow(name, card.method if card else None, _notes(card, records) if card else (), measured, error, again)
        for name, card, measured, error, again in zip(names, cards, overall, links, known, strict=True)
    ]
    return ModelComparison(root, tuple(rows), tuple(movies), failed, unnamed, unlinked, unrecognised, config)


def _links(overall: Sequence[MovieVerification], config: Config) -> tuple[list[Threshold | None], str]:
    """The equal error of each representation's links, or the reason why none can be had: all have the same pairs."""
    try:
        return [equal_error_threshold(measured.links, config.train.calibration) for measured in overall], ""
    except TooLittleDataError as error:
        return [None] * len(overall), str(error).split(";")[0]


def _known(overall: Sequence[MovieVerification], config: Config) -> tuple[list[Recognition | None], str]:
    """How often people are known again in each representation, or the reason why it cannot be told of any."""
    asked = config.train.recognition
    found = [recognition(measured.thirds, asked) for measured in overall]
    most = max(known.pairs for known in found)
    if most >= asked.pairs:
        return list(found), ""
    return [None] * len(found), (
        f"{counted(most, 'pair')} of tracks can be taken for one person before links contradict it, "
        f"and it takes {asked.pairs:,} (train.recognition.pairs)"
    )


def _names(models: Sequence[str]) -> list[str]:
    """Each model's folder name; the path as it was given where two rows would have one name."""
    names = [Path(model).absolute().name for model in models]
    return [model if [BASE, *names].count(name) > 1 else name for model, name in zip(models, names, strict=True)]


def _notes(card: ModelCard, records: Sequence[MovieRecord]) -> tuple[str, ...]:
    notes = []
    if seen := {record.movie_id for record in records} & set(card.fitted_movies):
        movies = counted(len(records), "movie")
        notes.append(f"was fitted to {len(seen)} of the {movies}: on them its figures are not held out")
    if other := sorted({record.models for record in records if record.models_hash != card.pack_hash}):
        notes.append(f"was trained on embeddings of {card.pack}, and these are of {', '.join(other)}")
    return tuple(notes)


def _unnamed(movies: Sequence[VerifiedMovie]) -> str:
    without = [movie for movie in movies if not movie.measures[0].named]
    if not without:
        return ""
    which = "no movie has" if len(without) == len(movies) else f"{len(without)} of {len(movies)} movies have not"
    return f"{which} two named tracks of one person and two of different people"
