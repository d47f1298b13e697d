"""Every number of training, named and documented: mining, the closed form, the split and the threshold's calibration.

`--set train.subspace.ridge=0.02` overrides one. † marks a choice of ours where the papers give none.
"""

from typing import Annotated, Literal

from pydantic import Field

from harvest.config import Section
from train.loss_config import LossesConfig


class MiningConfig(Section):
    """Hard-positive tracklets (Multi-Face §3)."""

    views: int = Field(default=3, ge=2)
    """M: tracklets mined from a track; a track with fewer faces is not mined (Multi-Face: 3)."""


class TrackPairsConfig(Section):
    """TSiam's pairs of faces, from tracks."""

    positives: int = Field(default=2, ge=0)
    """Faces of its own track that a face is paired with (TSiam: 2)."""
    negatives: int = Field(default=4, ge=0)
    """Faces of tracks seen with it that a face is paired with (TSiam: 4)."""
    farthest: int = Field(default=25, ge=1)
    """F: a track seen with no other takes its negatives from so many tracks farthest from it (TSiam: 25)."""


class RankedPairsConfig(Section):
    """SSiam's pairs of faces, from a ranking; the subset also of pseudo-RF."""

    subset: int = Field(default=3000, ge=3)
    """B: faces drawn for one step (SSiam: 3000; more did not help). B² distances of 8 bytes: 72 MB."""
    pairs: int = Field(default=64, ge=1)
    """K: positive pairs, and as many negative ones, of a step (SSiam: 64)."""


class SplitConfig(Section):
    """Which movies train and which validate, where the corpus has no `split` column."""

    validation_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the movies, drawn by a hash of movie_id, that validate (Multi-Face: 60 of 240)."""
    identity_share: float = Field(default=0.05, gt=0, lt=1)
    """Share of the training movies' identities, drawn by a hash of the name, at least two, that methods which learn
    from identities keep back to validate (BCL: 5 %)."""


class CentringConfig(Section):
    """What is done to faces before the closed form: the mean face of each quality is taken off."""

    degree: int | None = Field(default=3, ge=1, le=5)
    """Degree p of the polynomial in the log length of a face's raw embedding that the mean face is; null: faces stay as
    they are. In a 6-fold cross-validation over 24 movies of photographed faces, no person on both sides, the closed
    form removes 41 % of the base's V-measure error without it and 55 % with it (K known; 43 % and 57 % by its own
    threshold); degrees 2 to 5 differ by less than 2 % †."""
    spread: float = Field(default=2.5, gt=0)
    """The polynomial is believed within so many standard deviations of the mean log length †."""
    weight: float = Field(default=3.0, ge=0)
    """w: a face weighs as much as the w-th power of its length in its track; 0: all the same, 2 % less V-measure error
    removed †."""


class SubspaceConfig(Section):
    """Closed-form MvCorr."""

    ridge: float = Field(default=1e-2, gt=0)
    """ε: R_W + ε·tr(R_W)/d·I is inverted instead of R_W †."""
    power: float = Field(default=0.5, ge=0)
    """Each eigenvector is scaled by this power of its eigenvalue; ½ is the root. In the six-fold cross-validation
    (train.centring.degree) powers of ½, ¾ and 1 find casts alike, V-measure 0.957 each where K is known, 0.961, 0.962
    and 0.963 by their own thresholds, with 6 %, 10 % and 14 % too many characters. The ridge matters as little: from
    0.003 to 0.1, V-measure 0.956 to 0.958 †."""
    refit: bool = True
    """Whether the closed form, once it has been checked on the validation movies, is fitted anew to all movies; its
    figures and its threshold stay those of the model that had not seen them. Networks are not: the epoch at which they
    stop is found on those movies, and nothing would tell when to stop a second time †."""
    on_top: bool = False
    """Whether the closed form is solved once more on what a network gives, as its last, linear layer †. The loss of
    MvCorr is the same under every invertible map of its output, so distances there mean nothing until one is chosen."""
    tracks_per_dimension: float = Field(default=4.0, ge=1)
    """Fewest mined tracks of the training movies, as a multiple of the embedding size. The fit estimates d(d+1)
    numbers from N tracks of M·d each. On photographed faces in simulated movies, 128-d, the equal error of links held
    out falls below the base's from about 3 d tracks on; 4 d leaves a margin †."""
    movies: int = Field(default=2, ge=1)
    """Fewest training movies: one movie's cast and light are not a corpus †."""
    chance: float = Field(default=2.0, ge=0)
    """A model is refused that on the validation movies knows people again less often than the base does, by more than
    this many standard errors; or, where it does not know them again more often, whose equal error is so far above †."""


class CalibrationConfig(Section):
    """The representation's own clustering threshold, from links alone."""

    bins: int = Field(default=4000, ge=100)
    """Bins of the histograms of cosine distances over [0, 2]: 0.0005 each †."""
    positives: Literal["hardest", "all"] = "hardest"
    """Which pairs of one track's tracklets stand for two tracks of one person: the anchor with the first hard positive,
    the farthest apart that the track has, or every pair. Tracks of one person from two shots differ more than
    tracklets of one shot, so with every pair the threshold is too small and casts come out split: in a 4-fold
    cross-validation over 24 movies mean |PCR − 1| 0.15 (hardest) against 0.23 (all), WCP 0.960 against 0.967, V-measure
    0.947 against 0.946 †."""
    pairs: int = Field(default=200, ge=1)
    """Fewest hard-positive pairs, and fewest cannot-link pairs, from which a threshold is read. At 200 pairs an
    error rate of 5 % is known to ± 1.5 % †."""


class RecognitionConfig(Section):
    """How links tell whether people are known again in other scenes: nobody is two people who are seen together."""

    contradicted: float = Field(default=0.02, gt=0, lt=1)
    """Share of the pairs taken for one person that may contradict each other where the figure is read. Of 31
    representations of photographed faces, good and spoilt, in 16 draws of the movies held out, it gives the order that
    their true positive rate at 0.01 false positives gives: rank correlation 0.95; the links' equal error 0.92 †."""
    false_links: float = Field(default=0.02, ge=0, lt=1)
    """Share of a movie's links, rounded up, that is left out, the nearest first: a mirror, a picture of somebody or a
    face found twice links a person with itself. Where 2 % of the links do, the correlation is 0.97, and 0.78 with none
    left out; where 5 % do, it falls to 0.8 †."""
    pairs: int = Field(default=1000, ge=1)
    """Fewest pairs taken for one person from which the figure is read; 24 of 24 single movies of some 230 tracks, which
    have them, show what the closed form gains †."""
    bins: int = Field(default=4000, ge=100)
    """Bins of the histograms of cosine distances over [0, 2] †."""


class VerificationConfig(Section):
    """How representations are compared on pairs of tracks."""

    false_positive_rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.1, 0.01, 0.001), min_length=1
    )
    """Where the true positive rate is read (Multi-Face: 0.1)."""
    roc_from: float = Field(default=1e-4, gt=0, lt=0.1)
    """Lowest false positive rate of the ROC curve, whose axis is logarithmic: two of the 19,900 pairs
    of 200 tracks †."""
    roc_points: int = Field(default=161, ge=2)
    """Points of the curve from there to 1: 40 a decade †."""
    distance_bins: int = Field(default=80, ge=10)
    """Bins of the histograms of hard pairs over cosine distance [0, 2]: 0.025 each †."""


class NetworkConfig(Section):
    """Which network maps the pack's embeddings."""

    name: Literal["C1", "C2", "C3", "bcl", "ssiam"] = "C1"
    """C1 = FC512, FC256; C2 = FC1024, FC512; C3 = FC1024, FC512, FC256, each FC linear, activation, batch norm, with
    dropout between (Multi-Face §4.3; best: C1 for MvCorr, C2 for ImpTriplet). bcl = 256, 128, 64, 64. ssiam = 512, 2,
    of which the 512 are the embedding, after their activation †."""
    activation: Literal["relu", "sigmoid"] = "relu"
    """Of C1–C3 (Multi-Face: ReLU slightly better)."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Of C1–C3 (Multi-Face: 0.2)."""
    scaled: bool = False
    """Whether unit rows are multiplied by √d, so that a coordinate varies by about 1, as a linear layer's first weights
    expect; without it its biases drown them, and BCL's network takes several times the steps to begin to learn †. C1–C3
    have a batch norm behind the first layer."""
    start: Literal["random", "pack"] = "random"
    """First weights of C1–C3: random, or such that the first nodes of each layer hand the pack's own embedding on, so
    that training begins where the pack is †."""
    unit: bool = False
    """Whether outputs are put on the unit sphere: for every loss of distances but the prototypical one (BCL §4), not
    for MvCorr, which no linear map changes."""


class OptimiserConfig(Section):
    """How a step changes the weights."""

    name: Literal["sgd", "adam"] = "sgd"
    """SGD (Multi-Face, BCL) or Adam (TSiam and SSiam †); no weight decay."""
    rate: float = Field(default=0.01, gt=0)
    """Learning rate (MvCorr 0.01, ImpTriplet 0.001, BCL 0.003, siamese 0.001)."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of SGD."""
    step_decay: float = Field(default=1e-6, ge=0)
    """The rate of a step is rate / (1 + step_decay · step) (Multi-Face: 1e-6; BCL: 0)."""
    epoch_factor: float = Field(default=1.0, gt=0, le=1)
    """The rate is multiplied by this … (BCL: 0.9)"""
    epoch_every: int = Field(default=10, ge=1)
    """… every so many epochs (BCL: 10)."""
    threshold_rate: float = Field(default=0.1, ge=0)
    """The rate of a loss's learned threshold (ball's b̂, the learned margin, LDML's β), as a share of the rate; 0 keeps
    it as it is (BCL: 0.1)."""
    threshold_frozen: int = Field(default=5, ge=0)
    """Epochs for which it is frozen (BCL: 5)."""


class FitConfig(Section):
    """The training loop."""

    batch: int = Field(default=1024, ge=2)
    """Rows of a step on all workers together (Multi-Face: 1024; BCL: 2000; SSiam's subset: 3000)."""
    epochs: int = Field(default=200, ge=1)
    """Most epochs †."""
    epoch_steps: int = Field(default=1, ge=1)
    """Fewest steps of an epoch: a corpus with fewer batches is gone through several times. Patience, frozen epochs and
    falling rates are counted in epochs, and running means of batch norm need some 20 steps to follow (Multi-Face:
    126,000 tracks, so 123 steps) †."""
    patience: int = Field(default=5, ge=1)
    """Training stops after so many epochs in which the validation loss has not fallen … (Multi-Face: 5)"""
    least_fall: float = Field(default=1e-3, ge=0)
    """… by this much below the lowest so far (Multi-Face: 1e-3)."""
    seed: int = Field(default=0, ge=0)
    """Of the first weights, the order of the rows, the faces drawn and the dropout."""
    optimiser: OptimiserConfig = OptimiserConfig()


class TrainConfig(Section):
    """From harvested tracks to a model. A preset fills network, losses and fit where nobody else has."""

    mining: MiningConfig = MiningConfig()
    split: SplitConfig = SplitConfig()
    centring: CentringConfig = CentringConfig()
    subspace: SubspaceConfig = SubspaceConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    recognition: RecognitionConfig = RecognitionConfig()
    network: NetworkConfig = NetworkConfig()
    losses: LossesConfig = LossesConfig()
    fit: FitConfig = FitConfig()
