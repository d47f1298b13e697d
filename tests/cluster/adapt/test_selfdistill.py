"""Self-distillation: loss and schedule by their texts, its course, what it does where there is little to see."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Keeper
from cluster.adapt.distil import Distilling
from cluster.adapt.distillation import DistillationLoss
from cluster.adapt.schedule import epochs_of, place_of, rate_at
from cluster.adapt.views import EmbeddingViews
from cluster.config import AdaptConfig, CoarseMatchingConfig, SelfDistillConfig
from tests.cluster.adapt.movies import made_up, one_track
from train.fit import FitState

SHORT = SelfDistillConfig(
    iterations=2,
    first_epochs=4,
    later_epochs=2,
    warmup_epochs=1,
    rate=1e-3,
    matching=CoarseMatchingConfig(dimensions=3),
)
CONFIG = AdaptConfig(selfdistill=SHORT)
NONE = np.zeros((0, 2), np.int64)


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def test_the_loss_is_the_mean_over_all_pairs_of_crops_within_each_group():
    rng = np.random.default_rng(0)
    taught, learned = ([rng.normal(size=(count, 3, 5)) for count in (2, 4)] for _ in range(2))
    loss = DistillationLoss(5, temperature=0.3, momentum=0.9).double()
    loss.observe([torch.from_numpy(rng.normal(size=(2, 3, 5)))])
    centre = loss.centre.numpy()
    groups = [
        np.mean([-softmax((t - centre) / 0.3) @ np.log(softmax(s)) for n in range(3) for t in a[:, n] for s in b[:, n]])
        for a, b in zip(taught, learned, strict=True)
    ]
    found = loss([torch.from_numpy(a) for a in taught], [torch.from_numpy(b) for b in learned])
    assert found.item() == pytest.approx(np.mean(groups))


def test_the_loss_has_the_right_gradient_and_its_centre_runs():
    torch.manual_seed(0)
    loss = DistillationLoss(3, temperature=0.5, momentum=0.9).double()
    taught = torch.randn(2, 4, 3, dtype=torch.float64)
    learned = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss([taught], [x]), (learned,))
    loss.observe([taught])
    torch.testing.assert_close(loss.centre, taught.mean(dim=(0, 1)))
    loss.observe([taught + 1])
    torch.testing.assert_close(loss.centre, taught.mean(dim=(0, 1)) + 0.1)


def test_the_schedule_is_the_papers():
    config = SelfDistillConfig()
    assert epochs_of(config) == 30 + 4 * 10
    assert (place_of(29, config).round, place_of(30, config).round, place_of(69, config).round) == (0, 1, 4)
    rates = [rate_at(place_of(epoch, config), 0.0, config) for epoch in range(70)]
    assert rates[0] == rates[30] == pytest.approx(5e-6)
    assert rates[5] == rates[35] == pytest.approx(1e-4)
    assert rate_at(place_of(29, config), 1.0, config) == pytest.approx(1e-5)
    assert all(a > b for a, b in pairwise(rates[5:30]))


def test_a_crop_of_an_embedding_keeps_its_share_of_the_dimensions_and_its_mean():
    faces, _, _ = made_up(size=64)
    config = SelfDistillConfig(noise=0)
    views, generator = EmbeddingViews(faces, config), torch.Generator().manual_seed(0)
    rows = np.zeros(2000, np.int64)
    crops = views.crops(rows, 2, (0.4, 0.6), generator)
    assert crops.shape == (4000, 64)
    assert (crops != 0).float().mean().item() == pytest.approx(0.5, abs=0.01)
    torch.testing.assert_close(crops.mean(dim=0), views.whole(rows[:1])[0], atol=0.15, rtol=0)
    np.testing.assert_allclose(views.whole(rows[:1])[0].norm(), 8, rtol=1e-6)


def test_the_student_learns_to_answer_alike_on_one_person():
    faces, links, who = made_up(tracks=30, people=3, faces=8)
    adapted = ADAPTATIONS["selfdistill"](faces, links, CONFIG, Keeper())
    assert adapted.teacher is not None
    assert adapted.student[0].shape == adapted.teacher[0].shape == faces[0].shape
    assert adapted.curve[3] < adapted.curve[0]
    assert adapted.notes["on"] == "stored embeddings"
    assert adapted.notes["matched_share"] > 0.5
    means = adapted.means()
    cosines, same = means @ means.T, who[:, None] == who
    assert cosines[same].mean() > cosines[~same].mean() + 0.2


def test_it_goes_on_where_it_was_stopped_to_the_same_result():
    faces, links, _ = made_up()
    states: list[FitState] = []
    whole = ADAPTATIONS["selfdistill"](faces, links, CONFIG, Keeper(keep=states.append))
    for stopped in (0, 4):
        resumed = ADAPTATIONS["selfdistill"](faces, links, CONFIG, Keeper(states[stopped]))
        for branch in ("student", "teacher"):
            for a, b in zip(getattr(whole, branch), getattr(resumed, branch), strict=True):
                np.testing.assert_array_equal(a, b)
        assert whole.curve == resumed.curve
        assert whole.notes == resumed.notes


def test_what_it_cannot_learn_from_comes_back_as_it_was():
    same = tuple(np.tile(np.eye(8)[0], (4, 1)) for _ in range(6))
    for faces, why in ((one_track(), "fewer than two tracks"), (same, "all faces are equal")):
        adapted = ADAPTATIONS["selfdistill"](faces, NONE, CONFIG, Keeper())
        assert why in adapted.notes["not_adapted"]
        np.testing.assert_array_equal(adapted.student[0], faces[0])
        assert not adapted.unknown.any()


def test_tracks_of_one_face_and_no_links_are_no_error():
    faces, _, _ = made_up(faces=1)
    adapted = ADAPTATIONS["selfdistill"](faces, NONE, CONFIG, Keeper())
    assert np.isfinite(adapted.means()).all()


def test_a_step_in_pieces_is_the_step_as_a_whole():
    faces, links, _ = made_up()
    views = EmbeddingViews(faces, SHORT)
    counts = np.array([len(track) for track in faces])
    whole, pieces = (
        Distilling(views, torch.nn.Identity(), 16, counts, links, CONFIG, piece).run(Keeper(), {})
        for piece in (None, 5)
    )
    np.testing.assert_allclose(pieces.curve, whole.curve, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(pieces.student), np.concatenate(whole.student), atol=1e-3)
