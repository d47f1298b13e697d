"""Closed-form MvCorr: one linear map, found from sums that add up movie by movie.

Multi-Face eq. 1–3 with one V for all views (methods.md §1). One pass over the tracklets, memory d², no GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from harvest.errors import DatasetError, TooLittleDataError
from train.centring import FaceCentring
from train.config import SubspaceConfig
from train.normalise import Floats, l2_normalised

CENTRING = "centring."
"""What names of its tensors begin with."""


@dataclass(frozen=True)
class SubspaceSums:
    """What the closed form needs of some tracklets; the sums of two movies add with `+`, exactly."""

    tracks: int
    """N: mined tracks."""
    movies: int
    """Movies that gave at least one of them."""
    views: Floats
    """(M, d): Σ x_l of each view."""
    within: Floats
    """(d, d): Σ_l X_l X_lᵀ, not centred."""
    total: Floats
    """(d, d): Y Yᵀ with Y = Σ_l X_l, not centred; the cross terms are Y Yᵀ − Σ_l X_l X_lᵀ."""

    @classmethod
    def of(cls, tracklets: npt.ArrayLike) -> "SubspaceSums":
        """The sums of one movie's tracklets (N, M, d). Raises DatasetError where one is not finite."""
        tracklets = np.asarray(tracklets, dtype=np.float64)
        if not np.isfinite(tracklets).all():
            raise DatasetError("a tracklet holds NaN or infinity; mine this movie again")
        tracks, views, size = tracklets.shape
        rows, summed = tracklets.reshape(tracks * views, size), tracklets.sum(axis=1)
        return cls(
            tracks=tracks,
            movies=int(tracks > 0),
            views=tracklets.sum(axis=0),
            within=rows.T @ rows,
            total=summed.T @ summed,
        )

    def __add__(self, other: "SubspaceSums") -> "SubspaceSums":
        # A movie without any track does not know its embedding size.
        if not (self.tracks and other.tracks):
            return self if self.tracks else other
        if self.views.shape != other.views.shape:
            raise DatasetError(
                f"tracklets of shape (views, size) {self.views.shape} and {other.views.shape} do not add up; "
                "harvest the whole corpus with one pack of models"
            )
        return SubspaceSums(
            self.tracks + other.tracks,
            self.movies + other.movies,
            self.views + other.views,
            self.within + other.within,
            self.total + other.total,
        )

    @property
    def mean(self) -> Floats:
        """μ (d,): the mean of all tracklets of all views."""
        mean: Floats = self.views.sum(axis=0) / (self.tracks * len(self.views))
        return mean

    @cached_property
    def centred(self) -> tuple[Floats, Floats]:
        """R_B and R_W (d, d), each view centred by its own mean."""
        summed: Floats = self.views.sum(axis=0)
        R_W: Floats = self.within - self.views.T @ self.views / self.tracks
        R_B: Floats = self.total - np.outer(summed, summed) / self.tracks - R_W
        return (R_B + R_B.T) / 2, (R_W + R_W.T) / 2


@dataclass(frozen=True)
class Subspace:
    """A linear map of track means; its output is again on the unit sphere."""

    V: Floats
    """(d, d'): columns by falling eigenvalue, each scaled by the root of its eigenvalue."""
    mean: Floats
    """μ (d,)."""
    centring: FaceCentring | None = None
    """What is done to faces before the means that it maps."""

    @property
    def output_size(self) -> int:
        """d'."""
        return len(self.V[0])

    def embed(self, means: npt.ArrayLike) -> Floats:
        """Unit means (…, d) → l2((means − μ) V), (…, d') unit rows."""
        means = np.asarray(means, dtype=np.float64)
        if means.shape[-1] != len(self.mean):
            raise DatasetError(f"a model for {len(self.mean)}-d embeddings on a {means.shape[-1]}-d dataset")
        return l2_normalised((means - self.mean) @ self.V, "embedded tracks")

    def tensors(self) -> dict[str, Floats]:
        """All that is learned, by name."""
        centring = self.centring.tensors() if self.centring else {}
        return {"V": self.V, "mean": self.mean} | {CENTRING + name: tensor for name, tensor in centring.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> "Subspace":
        """What `tensors()` gave. Raises KeyError where one is missing."""
        found = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        centring = None
        if CENTRING + "weight" in found:
            coefficients, lengths = (found[CENTRING + name] for name in ("coefficients", "lengths"))
            centring = FaceCentring(coefficients, lengths, float(found[CENTRING + "weight"][0]))
        return cls(found["V"], found["mean"], centring)


def fit_subspace(sums: SubspaceSums, config: SubspaceConfig | None = None) -> Subspace:
    """Solve R_B/(M−1) v = λ (R_W + ε·tr(R_W)/d·I) v and scale each v by max(λ, 0)^power. All d are kept.

    Raises TooLittleDataError on fewer tracks or movies than `config` asks for, and where the tracklets do not vary.
    """
    config = config or SubspaceConfig()
    refuse_too_little(sums, config)
    R_B, R_W = sums.centred
    d = len(R_W)
    spread = np.trace(R_W) / d
    values, vectors = scipy.linalg.eigh(R_B / (len(sums.views) - 1), R_W + config.ridge * spread * np.eye(d))
    values, vectors = values[::-1], vectors[:, ::-1]
    # An eigenvector's sign is free: its largest coordinate is made positive, so that two fits of the same sums agree.
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(d)])
    if values[0] <= 0:
        raise TooLittleDataError("the views of a track are not correlated in any direction; there is nothing to learn")
    return Subspace(V=vectors * values.clip(min=0) ** config.power, mean=sums.mean)


def view_correlation(sums: SubspaceSums) -> float:
    """ρ = tr(R_W⁻¹ R_B) / (D (M − 1)): 1 for identical views, about 0 for unrelated ones (methods.md §1).

    Any invertible linear map leaves ρ as it is. Directions in which nothing varies are left out, of D too.
    Raises TooLittleDataError where there are not more tracks than dimensions, where ρ would be noise.
    """
    R_B, R_W = sums.centred
    if sums.tracks <= len(R_W):
        raise TooLittleDataError(f"ρ of {len(R_W)} dimensions cannot be had from {sums.tracks} tracks")
    variance, axes = scipy.linalg.eigh(R_W)
    varying = variance > variance[-1] * len(R_W) * np.finfo(float).eps
    if not varying.any():
        raise TooLittleDataError("all tracklets are the same vector; they have no correlation")
    axes = axes[:, varying] / np.sqrt(variance[varying])
    return float(np.einsum("dk,de,ek->", axes, R_B, axes) / (varying.sum() * (len(sums.views) - 1)))


def refuse_too_little(sums: SubspaceSums, config: SubspaceConfig) -> None:
    """Raise TooLittleDataError on fewer tracks or movies than `config` asks for, or where tracklets do not vary."""
    refuse_few_tracks(sums.tracks, sums.movies, sums.views.shape[1], config)
    if np.trace(sums.centred[1]) <= 1e-12 * sums.tracks * len(sums.within):
        raise TooLittleDataError("all tracklets are the same vector; there is nothing to learn from them")


def tracks_needed(size: int, config: SubspaceConfig) -> int:
    """Fewest mined tracks for embeddings of `size` dimensions."""
    return int(np.ceil(config.tracks_per_dimension * size))


def refuse_few_tracks(tracks: int, movies: int, size: int, config: SubspaceConfig) -> None:
    """Raise TooLittleDataError where so many tracks to be mined, of so many movies, are too few for embeddings of
    `size` dimensions."""
    needed = tracks_needed(size, config)
    if tracks < needed or movies < config.movies:
        raise TooLittleDataError(
            f"{tracks} tracks of {movies} training movies are seen together with another, too few to learn from: "
            f"{size}-d embeddings take at least {needed} such tracks, of at least {config.movies} movies; harvest more "
            "movies"
        )
