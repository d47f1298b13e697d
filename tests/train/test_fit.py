"""The loop: it learns, stops, keeps the best weights, goes on from any epoch to the same end, and refuses bad rows."""

import json
import math
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from harvest.errors import ConfigError, DatasetError, TooLittleDataError
from tests.train.pair_rows import PairRows
from train.batches import ArrayRows, FaceRows, TrainingRows, epoch_parts, validation_parts
from train.config import FitConfig, NetworkConfig, OptimiserConfig
from train.fit import EpochMetrics, Fit, FitState, fit
from train.loss_config import LossesConfig
from train.losses import build_loss
from train.masks import FacePairs
from train.networks import Network, build_network
from train.optimiser import build_optimiser, set_rates

SIZE = 8
NOBODY, SOMEBODY = np.zeros(0, int), np.zeros(1, int)
"""Identities of no track, and of one."""
Untrained = tuple[Network, nn.Module]
"""A network and its loss."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tracklets(seed=0, tracks=600):
    """Three noisy views of each track."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(tracks, 1, SIZE)) + 0.5 * rng.normal(size=(tracks, 3, SIZE))


def people(seed=0, tracks=60, who=6):
    """Tracks of 1–4 faces of a few people, and their identities."""
    rng = np.random.default_rng(seed)
    identities = rng.integers(0, who, tracks)
    centres = rng.normal(size=(who, SIZE))
    return [centres[k] + 0.3 * rng.normal(size=(rng.integers(1, 5), SIZE)) for k in identities], identities


def small(**changes):
    return FitConfig(**({"batch": 200, "epochs": 4} | changes))


def mvcorr() -> Untrained:
    return build_network(NetworkConfig(), SIZE, branches=3), build_loss("mvcorr", LossesConfig())


def ball() -> Untrained:
    return build_network(NetworkConfig(name="bcl", unit=True), SIZE), build_loss("ball", LossesConfig())


def siamese() -> Untrained:
    return build_network(NetworkConfig(name="ssiam"), SIZE), build_loss("contrastive", LossesConfig())


def fallen(history: list[EpochMetrics]) -> float:
    """By how much the validation loss fell."""
    first, *_, last = (metrics.validation_loss for metrics in history)
    assert first is not None
    assert last is not None
    return first - last


def mvcorr_rows():
    return ArrayRows(tracklets())


def ball_rows():
    tracks, identities = people()
    return FaceRows(tracks, identities, seed=0)


def pair_rows():
    tracks, identities = people()
    faces = np.stack([track[0] for track in tracks])
    pairs = np.array([(a, b) for a in range(60) for b in range(a + 1, 60)])
    return PairRows(faces, FacePairs(pairs, identities[pairs[:, 0]] == identities[pairs[:, 1]]))


RECIPES: dict[str, tuple[Callable[[], Untrained], Callable[[], TrainingRows], FitConfig]] = {
    "MvCorr, SGD": (mvcorr, mvcorr_rows, small()),
    "ball, its radius frozen at first": (
        ball, ball_rows, small(batch=20, optimiser=OptimiserConfig(threshold_frozen=2, epoch_factor=0.9, epoch_every=2))
    ),
    "siamese pairs, Adam": (siamese, pair_rows, small(optimiser=OptimiserConfig(name="adam", rate=1e-3))),
}  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_validation_loss_falls(recipe):
    make, rows, config = RECIPES[recipe]
    history = fit(*make(), rows(), config, validation=rows())
    assert fallen(history) > 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_from_any_epochs_state_it_comes_to_the_same_weights(recipe):
    make, rows, config = RECIPES[recipe]
    saved = []

    def keep(metrics, training):
        state = training.state_dict()
        saved.append((save(state.tensors), json.dumps(state.numbers)))

    network, loss = make()
    history = fit(network, loss, rows(), config, validation=rows(), on_epoch=keep)
    wanted = save(network.state_dict() | loss.state_dict())
    assert len(saved) == config.epochs
    for tensors, numbers in saved:
        again, loss_again = make()
        resumed = fit(
            again, loss_again, rows(), config, validation=rows(), resume=FitState(load(tensors), json.loads(numbers))
        )
        assert resumed == history
        assert save(again.state_dict() | loss_again.state_dict()) == wanted


class TestStopping:
    def run(self, scores):
        """Epochs run, and the epochs called best, where the scores are as given."""
        given = iter(scores)
        network, loss = mvcorr()
        history = fit(network, loss, mvcorr_rows(), small(epochs=12), score=lambda _: next(given))
        return len(history), [metrics.epoch for metrics in history if metrics.best]

    @pytest.mark.parametrize(
        ("scores", "epochs", "best"),
        [
            pytest.param([1, 2, 3] + [3] * 40, 8, [0, 1, 2], id="five epochs without a rise end it"),
            pytest.param(
                [1] + [1.0005] * 40, 6, [0, 1], id="a rise of less than 1e-3 is none, but its weights are best"
            ),
            pytest.param([1, 0, 0, 0, 0, 2] + [0] * 40, 11, [0, 5], id="a rise in the fifth epoch starts anew"),
            pytest.param(range(60), 12, list(range(12)), id="it never runs longer than asked for"),
        ],
    )
    def test_is_by_patience(self, scores, epochs, best):
        assert self.run(scores) == (epochs, best)

    def test_the_weights_end_as_the_best_epoch_left_them(self):
        states, scores = [], iter([0, 5, 1, 1])
        network, loss = mvcorr()
        fit(
            network, loss, mvcorr_rows(), small(), score=lambda _: next(scores),
            on_epoch=lambda _, training: states.append(training.state_dict().tensors),
        )  # fmt: skip
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, states[1][f"network.{name}"])

    def test_without_validation_it_runs_to_the_end_and_keeps_the_last(self):
        history = fit(*mvcorr(), mvcorr_rows(), small())
        assert [metrics.best for metrics in history] == [True] * 4
        assert {metrics.validation_loss for metrics in history} == {None}


class TestRates:
    @pytest.mark.parametrize(
        ("step", "epoch", "rate", "threshold"),
        [
            pytest.param(0, 0, 0.01, None, id="at first the threshold is frozen"),
            pytest.param(0, 5, 0.01, 0.001, id="then it moves at a tenth"),
            pytest.param(10**6, 5, 0.005, 0.0005, id="after a million steps half is left"),
            pytest.param(0, 25, 0.0081, 0.00081, id="every ten epochs nine tenths are left"),
        ],
    )
    def test_follow_from_step_and_epoch(self, step, epoch, rate, threshold):
        config = OptimiserConfig(epoch_factor=0.9) if epoch == 25 else OptimiserConfig()
        weight, learned = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(()))
        weight.grad, learned.grad = torch.ones(2), torch.ones(())
        optimiser = build_optimiser(config, [weight], [learned])
        set_rates(optimiser, config, step, epoch)
        optimiser.step()
        assert 1 - weight.tolist()[0] == pytest.approx(rate, rel=1e-4)
        assert 1 - float(learned.detach()) == pytest.approx(threshold or 0, rel=1e-3)

    def test_the_radius_stays_while_it_is_frozen(self):
        network, loss = ball()
        radii = []
        fit(
            network, loss, ball_rows(), RECIPES["ball, its radius frozen at first"][2],
            on_epoch=lambda *_: radii.append(float(loss.state_dict()["b_hat"])),
        )  # fmt: skip
        assert radii[0] == radii[1] == pytest.approx(0.1)
        assert radii[2] != radii[1]

    def test_a_rate_of_zero_keeps_a_threshold_for_good(self):
        network, loss = ball()
        fit(network, loss, ball_rows(), small(batch=20, optimiser=OptimiserConfig(threshold_rate=0)))
        assert float(loss.state_dict()["b_hat"]) == pytest.approx(0.1)


class TestRows:
    def test_an_epoch_is_a_permutation_of_its_own_without_the_remainder(self):
        batches = [[part.rows for part in epoch_parts(50, 8, 3, epoch, 0, 1)] for epoch in (0, 1, 0)]
        seen = [np.concatenate(rows) for rows in batches]
        assert [len(rows) for rows in batches] == [6] * 3
        assert len(set(seen[0])) == 48
        assert (seen[0] == seen[2]).all()
        assert (seen[0] != seen[1]).any()

    @pytest.mark.parametrize("workers", [2, 3, 9])
    def test_the_workers_parts_are_the_batch_in_its_order(self, workers):
        for cut in (lambda rank, count: epoch_parts(50, 8, 3, 0, rank, count),
                    lambda rank, count: validation_parts(50, 8, rank, count)):  # fmt: skip
            whole = list(cut(0, 1))
            parts = list(zip(*(cut(rank, workers) for rank in range(workers)), strict=True))
            for batch, cuts in zip(whole, parts, strict=True):
                assert list(chain.from_iterable(part.rows for part in cuts)) == list(batch.rows)
                assert [part.first_row for part in cuts] == list(np.cumsum([0] + [len(p.rows) for p in cuts[:-1]]))
                assert max(len(p.rows) for p in cuts) - min(len(p.rows) for p in cuts) <= 1

    def test_validation_sees_every_row_once(self):
        rows = np.concatenate([part.rows for part in validation_parts(50, 8, 0, 1)])
        assert sorted(rows) == list(range(50))

    def test_a_tracks_face_follows_from_seed_and_epoch_not_from_the_batch(self):
        tracks, identities = people()
        rows = FaceRows(tracks, identities, seed=0)
        faces, (who,) = rows.take(np.arange(60), epoch=2)
        assert (rows.take(np.array([7, 3]), epoch=2)[0] == faces[[7, 3]]).all()
        assert (rows.take(np.arange(60), epoch=3)[0] != faces).any()
        assert all((face == track).all(1).any() for face, track in zip(faces, tracks, strict=True))
        assert (who == identities).all()

    def test_pairs_become_faces_and_masks(self):
        rows = PairRows(np.eye(4), FacePairs(np.array([(0, 3), (3, 1), (0, 2)]), np.array([True, False, True])))
        faces, (must, cannot) = rows.take(np.array([0, 1]), 0)
        assert (faces == np.eye(4)[[0, 1, 3]]).all()
        assert np.argwhere(must).tolist() == [[0, 2]]
        assert np.argwhere(cannot).tolist() == [[2, 1]]


class TestBadInput:
    def test_a_batch_larger_than_the_corpus_names_a_smaller_one(self):
        with pytest.raises(TooLittleDataError, match=r"1024 rows is larger than the 600.*batch=150"):
            fit(*mvcorr(), mvcorr_rows(), FitConfig())

    @pytest.mark.parametrize(
        ("make", "error", "words"),
        [
            pytest.param(lambda: ArrayRows(np.zeros((0, 3, 8))), TooLittleDataError, "no training rows", id="no rows"),
            pytest.param(lambda: FaceRows([], NOBODY, 0), TooLittleDataError, "training tracks", id="no tracks"),
            pytest.param(lambda: FaceRows([np.ones((0, 8))], SOMEBODY, 0), DatasetError, "one face", id="no face"),
            pytest.param(lambda: FaceRows([np.ones((1, 8))], NOBODY, 0), DatasetError, "identity", id="nobody"),
            pytest.param(lambda: ArrayRows(np.ones((2, 8)), np.ones(3)), DatasetError, "targets", id="unequal arrays"),
        ],
    )  # fmt: skip
    def test_is_a_clear_error(self, make, error, words):
        with pytest.raises(error, match=words):
            make()

    def test_nan_is_named_by_its_row(self):
        rows = tracklets(tracks=9000)
        rows[8500, 2, 3] = math.nan
        with pytest.raises(DatasetError, match="row 8500"):
            ArrayRows(rows)

    def test_a_loss_that_leaves_the_numbers_says_what_to_lower(self):
        config = small(batch=20, optimiser=OptimiserConfig(rate=1e30))
        triples = ArrayRows(tracklets(tracks=40))
        network, loss = build_network(NetworkConfig(), SIZE), build_loss("imptriplet", LossesConfig())
        with pytest.raises(ConfigError, match="rate"):
            fit(network, loss, triples, config)


def test_mvcorr_correlates_the_views_of_tracks_it_has_not_seen():
    config = small(epochs=15, optimiser=OptimiserConfig(rate=3.0))
    history = fit(*mvcorr(), ArrayRows(tracklets(0, 1200)), config, validation=ArrayRows(tracklets(1, 400)))
    assert fallen(history) > 0.04


def test_a_training_object_says_when_it_is_done():
    training = Fit(*mvcorr(), small(epochs=1))
    assert not training.finished
    training.run(mvcorr_rows())
    assert training.finished
