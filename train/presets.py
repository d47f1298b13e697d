"""The recipes that train a network, by name: which loss, on which rows, with which of the papers' numbers.

A recipe fills the sections network, losses and fit of the TrainConfig where nobody else has.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from harvest.errors import ConfigError
from train.config import TrainConfig

CLOSED_FORM = "mvcorr-linear"
"""The method that needs no network, as `--method` names it; all others are recipes."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How a representation is learned from a corpus by gradient."""

    meaning: str
    """In one line, with its paper."""
    loss: str
    """As `train.losses.LOSSES` names it."""
    rows: Literal["tracklets", "triples", "faces"]
    """tracklets: the M mined views of a track; triples: anchor, first hard positive, hard negative's mean; faces: one
    face of each named track, with its identity."""
    values: Values = field(default_factory=dict)
    """What it sets in the TrainConfig."""
    branches: bool = False
    """Whether each view has a network of its own."""

    @property
    def identities(self) -> bool:
        """Whether it needs labels."""
        return self.rows == "faces"


def _bcl(unit: bool = True, **fit: Any) -> Values:
    """BCL §4: its network and schedule, which its baselines share (§5); no epoch stops it, the best is kept."""
    optimiser = {"rate": 0.003, "step_decay": 0.0, "epoch_factor": 0.9, "epoch_every": 10}
    return {
        "network": {"name": "bcl", "unit": unit, "scaled": True},
        "fit": {"batch": 2000, "epochs": 60, "epoch_steps": 20, "patience": 60, "optimiser": optimiser} | fit,
    }


# start: pack is ours. From random weights both overfit some thousand tracks before they know what the pack does:
# on photographed faces (2,721 tracks) MvCorr's held-out ρ was 0.37, the pack's own is 0.59, and it peaks after 30 steps
# from there, which is why 10 steps are an epoch at least. The papers had 126,000 tracks, 123 steps an epoch.
PRESETS = {
    "multiface-mvcorr": Recipe(
        "Multi-Face §3.3: deep MvCorr, a network C1 for each of the M views; no label is needed",
        "mvcorr",
        "tracklets",
        {"network": {"name": "C1", "start": "pack"}, "fit": {"epoch_steps": 10}, "subspace": {"on_top": True}},
        branches=True,
    ),
    "multiface-imptriplet": Recipe(
        "Multi-Face §4.3: improved triplet loss on hard positives and hard negatives, network C2; no label is needed",
        "imptriplet",
        "triples",
        {
            "network": {"name": "C2", "unit": True, "scaled": True, "start": "pack"},
            "fit": {"epoch_steps": 20, "optimiser": {"rate": 0.001}},
        },
    ),
    "bcl": Recipe(
        "BCL §3: a ball of one learned radius for each identity; needs labels of the training movies",
        "ball",
        "faces",
        _bcl(),
    ),
}
"""The papers' own, as `--preset` names them."""

BASELINES = {
    "triplet": Recipe("triplet loss over all triplets of a batch (BCL §5)", "triplet", "faces", _bcl()),
    "contrastive": Recipe(
        "contrastive loss with a learned margin (BCL §5)", "learned-contrastive", "faces", _bcl()
    ),
    "ldml": Recipe("logistic discriminant metric learning (BCL §5)", "ldml", "faces", _bcl()),
    "prototypical": Recipe(
        "prototypical networks, not on the unit sphere (BCL §5)", "prototypical", "faces", _bcl(unit=False)
    ),
    "cross-entropy": Recipe(
        "cross-entropy over the identities, the classifier thrown away (BCL §5)", "cross-entropy", "faces",
        _bcl(unit=False),
    ),
}  # fmt: skip
"""BCL's baselines, as `--method` names them; all need labels.

Two things are ours †. What they embed is put on the unit sphere, of prototypical and cross-entropy too, which learn off
it (`network.unit` is the training's alone): all that clusters here takes cosine distances. And the threshold is
calibrated on the links of the training movies, as every representation's is, where the paper picks it on validation
such that K matches."""

RECIPES = PRESETS | BASELINES


def recipe(name: str) -> Recipe:
    """Raises ConfigError on a name that no recipe has."""
    if name not in RECIPES:
        raise ConfigError(f"no training method or preset {name!r}; there are: {CLOSED_FORM}, {', '.join(RECIPES)}")
    return RECIPES[name]


def filled(chosen: Recipe, config: TrainConfig) -> TrainConfig:
    """The config with the recipe's values where the user has set none."""
    return TrainConfig.model_validate(_merged(chosen.values, config.model_dump(exclude_unset=True)))


def _merged(under: Values, over: Values) -> Values:
    """`over` laid on `under`, section by section."""
    both = {name: _merged(under[name], value) for name, value in over.items() if isinstance(under.get(name), dict)}
    return under | over | both
