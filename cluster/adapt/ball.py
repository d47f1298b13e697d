"""Ball cluster learning's second step: a trained network goes on learning from the links of one movie, no label.

Tapaswi et al., Video Face Clustering with Unknown Number of Clusters (2019), §3.4; methods.md §2.
"""

import copy

import numpy as np
import torch

from cluster.adapt.adapted import NO_PATIENCE, Adapted, Chips, Keeper, Start, as_they_came, by_track
from cluster.config import AdaptConfig
from cluster.constraints import Integers
from cluster.tracks import Faces
from harvest.errors import ConfigError
from train.batches import ArrayRows
from train.config import FitConfig, OptimiserConfig
from train.fit import fit
from train.losses.ball import BallLoss
from train.networks import embed_rows


def ball(
    faces: Faces,
    cannot_link: Integers,
    config: AdaptConfig,
    keeper: Keeper,
    chips: Chips | None = None,
    start: Start | None = None,
) -> Adapted:
    """Unit faces (n_i, d) of n tracks, as the pack gave them, and index pairs (m, 2) → their unit outputs of the
    model's network after it has learned from them.

    Each track is a class of its faces (must-link); only centroids of tracks that it cannot be one person with push a
    face away; b stays the model's, so that τ = 4b still ends clusters †. A movie without a cannot-link, and without a
    track of two faces, has nothing to learn from: it is returned as the model has it. Raises ConfigError without a
    model of ball cluster learning.
    """
    if start is None:
        raise ConfigError("ball fine-tunes a model of ball cluster learning: name one with --model (train: bcl)")
    network, counts = copy.deepcopy(start.network), [len(of_track) for of_track in faces]
    rows = np.concatenate(faces) if faces else np.zeros((0, 0))
    if len(faces) < 2 or (not len(cannot_link) and max(counts) < 2):
        outputs = by_track(embed_rows(network, rows), faces) if faces else ()
        return as_they_came(outputs, "no link to learn from: no two faces are known to be one person's or two persons'")
    settings = config.ball
    optimiser = OptimiserConfig(rate=settings.rate, step_decay=0, threshold_rate=0)
    batch = min(settings.batch, len(rows))
    training = FitConfig(
        batch=batch, epochs=settings.epochs, patience=NO_PATIENCE, seed=config.seed, optimiser=optimiser
    )

    history = fit(
        network,
        _loss(start.squared_radius, len(faces), cannot_link, config),
        ArrayRows(rows.astype(np.float32), np.repeat(np.arange(len(faces)), counts)),
        training,
        on_epoch=keeper.after_epoch,
        resume=keeper.state,
    )
    return Adapted(
        by_track(embed_rows(network, rows), faces),
        None,
        np.zeros(len(faces), dtype=np.bool_),
        tuple(metrics.train_loss for metrics in history),
        {"squared_radius": start.squared_radius},
        network.state_dict(),
    )


def _loss(squared_radius: float, tracks: int, cannot_link: Integers, config: AdaptConfig) -> BallLoss:
    """The loss whose classes are the tracks, at the model's b."""
    together = torch.zeros((tracks, tracks), dtype=torch.bool)
    together[cannot_link[:, 0], cannot_link[:, 1]] = together[cannot_link[:, 1], cannot_link[:, 0]] = True
    start = float(np.log(np.expm1(squared_radius)))  # b = softplus(b̂)
    loss = BallLoss(config.ball.loss.model_copy(update={"start": start}), together)
    loss.b_hat.requires_grad_(False)
    return loss
