"""Ball cluster learning's fine-tuning: links are kept to better than before, and its radius stays the model's."""

import numpy as np
import pytest
import torch

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Keeper, Start
from cluster.adapt.ball import ball
from cluster.config import AdaptConfig, BallFittingConfig
from harvest.errors import ConfigError
from tests.cluster.adapt.movies import made_up, one_track
from train.config import NetworkConfig
from train.fit import FitState
from train.networks import SharedNetwork, build_network, embed_rows

CONFIG = AdaptConfig(ball=BallFittingConfig(epochs=20, batch=60, rate=0.01))
NONE = np.zeros((0, 2), np.int64)


def start(size: int = 16, b: float = 0.05) -> Start:
    network = build_network(NetworkConfig(name="bcl", scaled=True, unit=True), size)
    assert isinstance(network, SharedNetwork)
    return Start(network, b)


def test_faces_of_a_track_come_together_and_tracks_seen_together_go_apart() -> None:
    faces, links, _ = made_up(spread=0.6)
    begun = start()
    before = [embed_rows(begun.network, of_track) for of_track in faces]
    adapted = ball(faces, links, CONFIG, Keeper(), start=begun)
    after = adapted.student

    def own(outputs) -> float:
        return float(np.mean([((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean() for rows in outputs]))

    def linked(outputs) -> float:
        means = np.array([rows.mean(axis=0) for rows in outputs])
        return float(((means[links[:, 0]] - means[links[:, 1]]) ** 2).sum(axis=1).mean())

    assert linked(after) / own(after) > 1.5 * linked(before) / own(before)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(after), axis=1), 1, atol=1e-6)
    assert adapted.curve[-1] < adapted.curve[0]
    assert adapted.notes == {"squared_radius": 0.05}
    for weight, same in zip(begun.network.parameters(), start().network.parameters(), strict=True):
        assert torch.equal(weight, same), "the model itself was not to be touched"


def test_it_goes_on_where_it_was_stopped_to_the_same_result() -> None:
    faces, links, _ = made_up()
    states: list[FitState] = []
    whole = ball(faces, links, CONFIG, Keeper(keep=states.append), start=start())
    resumed = ball(faces, links, CONFIG, Keeper(states[3]), start=start())
    np.testing.assert_array_equal(np.concatenate(whole.student), np.concatenate(resumed.student))
    assert states[-1].tensors["loss.b_hat"] == states[0].tensors["loss.b_hat"]


def test_without_a_model_or_links_it_says_so() -> None:
    faces, links, _ = made_up()
    with pytest.raises(ConfigError, match="name one with --model"):
        ADAPTATIONS["ball"](faces, links, CONFIG, Keeper())
    alone = ball(one_track(size=16), NONE, CONFIG, Keeper(), start=start())
    assert "no link" in alone.notes["not_adapted"]
    assert alone.student[0].shape == (3, 64)
