"""Each loss against its equation written as plain loops, its gradient against differences, and others' forms."""

import doctest
import importlib
import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning import distances, losses, reducers
from torch import nn
from torch.nn import functional

from harvest.errors import TooLittleDataError
from train.loss_config import BallLossConfig, ImpTripletConfig, LossesConfig, MvCorrConfig, TripletConfig
from train.losses import LOSSES, build_loss
from train.losses.ball import BallLoss
from train.losses.contrastive import ContrastiveLoss
from train.losses.imptriplet import ImpTripletLoss
from train.losses.mvcorr import MvCorrLoss
from train.losses.triplet import TripletLoss
from train.subspace import SubspaceSums, view_correlation

IDENTITIES = torch.tensor([4, 4, 1, 9, 1, 4, 9, 1])
EXAMPLES = sorted({loss.__module__ for loss in LOSSES.values()})


def rows(seed=0, shape=(8, 3), unit=False):
    made = torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
    return functional.normalize(made, dim=-1) if unit else made


def masks(size, must, cannot):
    both = torch.zeros(2, size, size, dtype=torch.bool)
    for kind, pairs in enumerate((must, cannot)):
        for a, b in pairs:
            both[kind, a, b] = True
    return tuple(both)


def arguments(name):
    """Embeddings and what else each loss takes."""
    if name in ("mvcorr", "imptriplet"):
        return (rows(shape=(8, 3, 4)),)
    if name == "contrastive":
        return (rows(), *masks(8, [(0, 1), (2, 4)], [(0, 2), (1, 3), (5, 6)]))
    return (rows(unit=name == "ball"), IDENTITIES % 3 if name == "cross-entropy" else IDENTITIES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name):
    # A small ball, so that both hinges of ball are at work and none is at its corner.
    loss = build_loss(name, LossesConfig(ball=BallLossConfig(start=-2.5)), size=3, classes=3).double()
    embeddings, *targets = arguments(name)
    learned = list(loss.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: loss(x, *targets), (embeddings.requires_grad_(), *learned))


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_example_in_the_docstring_runs(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted >= 2
    assert not outcome.failed


class TestMvCorr:
    def rho(self, views, ridge=1e-12):
        return -float(MvCorrLoss(MvCorrConfig(ridge=ridge))(views))

    def test_is_the_mean_eigenvalue_that_the_closed_form_reports(self):
        views = rows(shape=(40, 1, 5)) + 0.7 * rows(1, (40, 3, 5))
        assert self.rho(views) == pytest.approx(view_correlation(SubspaceSums.of(views.numpy())), rel=1e-9)

    def test_is_one_for_identical_views_and_about_zero_for_unrelated_ones(self):
        assert self.rho(rows(shape=(50, 1, 4)).expand(50, 3, 4)) == pytest.approx(1)
        assert abs(self.rho(rows(shape=(5000, 3, 4)))) < 0.02

    def test_no_linear_map_and_no_shift_of_a_view_changes_it(self):
        views = rows(shape=(30, 1, 4)) + rows(1, (30, 2, 4))
        assert self.rho(views @ rows(2, (4, 4)) + rows(3, (2, 4))) == pytest.approx(self.rho(views))

    def test_equation_3_as_printed_would_be_one_over_d_for_identical_views(self):
        X = rows(shape=(50, 4)) - rows(shape=(50, 4)).mean(0)
        within, between = 3 * X.T @ X, 6 * X.T @ X
        assert float(between.trace() / within.trace()) / (4 * 2) == pytest.approx(1 / 4)

    @pytest.mark.parametrize("value", [0.5, 0.0, math.nan])
    def test_embeddings_that_do_not_vary_are_a_clear_error(self, value):
        with pytest.raises(TooLittleDataError, match="R_W"):
            MvCorrLoss()(torch.full((9, 3, 4), value))


def distance(a, b):
    return float(((a - b) ** 2).sum())


def test_imptriplet_is_its_equation():
    triples = rows(shape=(6, 3, 4), unit=True)
    m, bound, pull = 1.0, 0.1, 0.02
    expected = np.mean([
        max(0, m + distance(a, p) - (distance(a, n) + distance(p, n)) / 2) + pull * max(0, distance(a, p) - bound)
        for a, p, n in triples
    ])  # fmt: skip
    assert float(ImpTripletLoss()(triples)) == pytest.approx(expected)


def test_imptriplet_is_not_torchs_triplet_loss_with_or_without_swap():
    triples = rows(shape=(50, 3, 4), unit=True)
    ours = float(ImpTripletLoss(ImpTripletConfig(pull=0))(triples))
    for swap in (False, True):
        theirs = nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: (a - b).square().sum(1), margin=1.0, swap=swap
        )(*triples.unbind(1))
        assert abs(float(theirs) - ours) > 0.01


class TestBall:
    def plain(self, embeddings, identities, b, linked=lambda own, other: True, alpha=4.0, epsilon=0.1):
        centroids = {}
        for k in set(identities.tolist()):
            mean = embeddings[identities == k].mean(0)
            centroids[k] = mean / mean.norm()
        total = 0.0
        for f, own in zip(embeddings, identities.tolist(), strict=True):
            total += alpha * max(0, distance(f, centroids[own]) - b)
            others = [v for v in centroids if v != own and linked(own, v)]
            total += max([0, *(9 * b + epsilon - distance(f, centroids[v]) for v in others)])
        return total / len(embeddings)

    def loss(self, start=-2.5, **more):
        return BallLoss(BallLossConfig(start=start), **more).double()

    def test_is_equations_5_to_7(self):
        embeddings, loss = rows(unit=True), self.loss()
        expected = self.plain(embeddings, IDENTITIES, math.log1p(math.exp(-2.5)))
        assert float(loss(embeddings, IDENTITIES).detach()) == pytest.approx(expected)

    def test_pushes_only_cannot_link_tracks_apart_where_they_are_given(self):
        embeddings, links = rows(unit=True), torch.zeros(10, 10, dtype=torch.bool)
        links[4, 9] = links[9, 4] = True
        expected = self.plain(embeddings, IDENTITIES, math.log1p(math.exp(-2.5)), lambda a, b: {a, b} == {4, 9})
        loss = self.loss(cannot_link=links)(embeddings, IDENTITIES)
        assert float(loss.detach()) == pytest.approx(expected)

    def test_one_identity_alone_is_pulled_and_never_pushed(self):
        embeddings, one = rows(unit=True), torch.zeros(8, dtype=torch.int64)
        expected = self.plain(embeddings, one, math.log1p(math.exp(-2.5)))
        assert float(self.loss()(embeddings, one).detach()) == pytest.approx(expected)


class TestPairs:
    def pairs(self, embeddings):
        for i, (f, a) in enumerate(zip(embeddings, IDENTITIES, strict=True)):
            for j, (g, b) in enumerate(zip(embeddings, IDENTITIES, strict=True)):
                if i != j:
                    yield bool(a == b), distance(f, g)

    def test_contrastive_is_its_equation_and_not_pytorch_metric_learnings(self):
        embeddings = rows()
        must, cannot = masks(8, [(0, 1), (2, 4)], [(0, 2), (1, 3), (5, 6)])
        near = [distance(embeddings[a], embeddings[b]) for a, b in must.nonzero()]
        far = [max(0, 1 - math.sqrt(distance(embeddings[a], embeddings[b]))) ** 2 for a, b in cannot.nonzero()]
        ours = float(ContrastiveLoss()(embeddings, must, cannot))
        assert ours == pytest.approx(np.mean(near) / 2 + np.mean(far) / 2)
        theirs = losses.ContrastiveLoss(distance=distances.LpDistance(normalize_embeddings=False))
        pairs = (*must.nonzero(as_tuple=True), *cannot.nonzero(as_tuple=True))
        assert abs(float(theirs(embeddings, indices_tuple=pairs)) - ours) > 0.1

    @pytest.mark.parametrize("name", ["learned-contrastive", "ldml"])
    def test_over_identities_each_kind_of_pair_has_its_mean(self, name):
        embeddings = rows(unit=True)
        if name == "ldml":
            terms = [
                (s, -math.log(1 / (1 + math.exp(-(0.5 - d) * (1 if s else -1))))) for s, d in self.pairs(embeddings)
            ]
        else:
            margin = math.log1p(math.e)
            terms = [(s, d / 2 if s else max(0, margin - math.sqrt(d)) ** 2 / 2) for s, d in self.pairs(embeddings)]
        expected = np.mean([t for s, t in terms if s]) + np.mean([t for s, t in terms if not s])
        loss = build_loss(name, LossesConfig()).double()
        assert float(loss(embeddings, IDENTITIES).detach()) == pytest.approx(expected)

    def test_two_rows_at_one_place_still_have_a_gradient(self):
        embeddings = torch.zeros(2, 3, requires_grad=True)
        build_loss("learned-contrastive", LossesConfig())(embeddings, torch.tensor([0, 1])).backward()
        assert embeddings.grad is not None
        assert embeddings.grad.isfinite().all()


def test_prototypical_is_equations_9_and_10():
    embeddings = rows()
    centroids = {k: embeddings[k == IDENTITIES].mean(0) for k in (1, 4, 9)}
    total = 0.0
    for f, own in zip(embeddings, IDENTITIES.tolist(), strict=True):
        weights = {k: math.exp(-distance(f, mu)) for k, mu in centroids.items()}
        total -= math.log(weights[own] / sum(weights.values())) / int((own == IDENTITIES).sum())
    loss = build_loss("prototypical", LossesConfig())(embeddings, IDENTITIES)
    assert float(loss) == pytest.approx(total / 8)


class TestTriplet:
    def theirs(self, embeddings, identities, **settings):
        return float(losses.TripletMarginLoss(margin=0.5, **settings)(embeddings, identities))

    def test_is_pytorch_metric_learnings_with_squared_distances_and_a_plain_mean(self):
        embeddings, identities = rows(shape=(30, 4)), torch.arange(30) % 7
        squared = distances.LpDistance(normalize_embeddings=False, power=2)
        theirs = self.theirs(embeddings, identities, distance=squared, reducer=reducers.MeanReducer())
        assert float(TripletLoss()(embeddings, identities)) == pytest.approx(theirs)

    def test_is_not_its_default_which_normalises_and_leaves_out_met_triplets(self):
        embeddings, identities = rows(shape=(30, 4)), torch.arange(30) % 7
        assert abs(self.theirs(embeddings, identities) - float(TripletLoss()(embeddings, identities))) > 0.1

    @pytest.mark.parametrize("identities", [torch.zeros(8, dtype=torch.int64), torch.arange(8)])
    def test_without_a_triplet_it_is_zero(self, identities):
        assert float(TripletLoss(TripletConfig())(rows(), identities)) == 0
