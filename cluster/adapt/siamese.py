"""What TSiam and SSiam share: an MLP d → 512 → 2 under the contrastive loss on pairs of one movie's faces.

Sharma et al., Self-Supervised Learning of Face Representations for Video Face Clustering (2019); methods.md §3.
"""

from collections.abc import Callable

import numpy as np

from cluster.adapt.adapted import NO_PATIENCE, Adapted, Keeper, as_they_came, by_track
from cluster.tracks import Faces
from train.batches import TrainingRows
from train.config import FitConfig, NetworkConfig, OptimiserConfig
from train.fit import fit
from train.loss_config import ContrastiveConfig
from train.losses.contrastive import ContrastiveLoss
from train.networks import SharedNetwork, build_network, embed_rows


def fit_siamese(
    faces: Faces,
    rows: Callable[[SharedNetwork], TrainingRows],
    loss: ContrastiveConfig,
    keeper: Keeper,
    *,
    batch: int,
    epochs: int,
    rate: float,
    seed: int,
) -> Adapted:
    """Train on `rows` (made for the network to be trained) and return the faces as its 512-d layer has them.

    Inputs are unit faces times √d, so that a coordinate varies by about 1, as first weights expect †.
    """
    network = build_network(NetworkConfig(name="ssiam", scaled=True), faces[0].shape[1], seed=seed)
    assert isinstance(network, SharedNetwork)
    optimiser = OptimiserConfig(name="adam", rate=rate, step_decay=0)
    config = FitConfig(batch=batch, epochs=epochs, patience=NO_PATIENCE, seed=seed, optimiser=optimiser)

    history = fit(
        network, ContrastiveLoss(loss), rows(network), config, on_epoch=keeper.after_epoch, resume=keeper.state
    )  # fmt: skip
    outputs = embed_rows(network, np.concatenate(faces), unit=False)
    if not np.linalg.norm(outputs, axis=1).all():
        return as_they_came(faces, "a face is zero in all 512 dimensions of the fitted network")
    return Adapted(
        by_track(outputs, faces),
        None,
        np.zeros(len(faces), dtype=np.bool_),
        tuple(metrics.train_loss for metrics in history),
        weights=network.state_dict(),
    )
