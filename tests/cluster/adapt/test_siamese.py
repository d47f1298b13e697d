"""TSiam and SSiam: they part the people of a movie, go on where they were stopped, and say what they cannot do."""

import numpy as np
import pytest

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Keeper
from cluster.adapt.ssiam import RankedRows
from cluster.adapt.threshold import adapted_threshold, carried_threshold
from cluster.adapt.tsiam import TrackPairRows
from cluster.config import ADAPTATION_NAMES, AdaptConfig, SsiamConfig, TsiamConfig
from tests.cluster.adapt.movies import made_up, one_track
from train.config import CalibrationConfig, NetworkConfig, RankedPairsConfig, TrackPairsConfig
from train.fit import FitState
from train.masks import FacePairs
from train.networks import SharedNetwork, build_network

CONFIG = AdaptConfig(
    tsiam=TsiamConfig(epochs=4, batch=64),
    ssiam=SsiamConfig(epochs=8, share=0.5, pairs=RankedPairsConfig(pairs=16)),
    calibration=CalibrationConfig(pairs=5),
)
SIAMESE = pytest.mark.parametrize("name", ["tsiam", "ssiam"])


def area_under_roc(means, who):
    """Share of the (pair of one person's tracks, pair of two persons') whose cosines are in the right order."""
    first, second = np.triu_indices(len(who), 1)
    cosines, same = (means @ means.T)[first, second], who[first] == who[second]
    return (cosines[same][:, None] > cosines[~same]).mean()


@SIAMESE
def test_pairs_of_one_person_are_still_told_from_others(name):
    faces, links, who = made_up(spread=0.6)
    adapted = ADAPTATIONS[name](faces, links, CONFIG, Keeper())
    before = np.stack([track.mean(axis=0) / np.linalg.norm(track.mean(axis=0)) for track in faces])
    assert adapted.student[0].shape == (5, 512)
    assert adapted.teacher is None
    assert not adapted.unknown.any()
    assert adapted.curve[-1] < adapted.curve[0]
    assert area_under_roc(adapted.means(), who) > area_under_roc(before, who) - 0.02


@SIAMESE
def test_it_goes_on_where_it_was_stopped_to_the_same_result(name):
    faces, links, _ = made_up()
    states: list[FitState] = []
    whole = ADAPTATIONS[name](faces, links, CONFIG, Keeper(keep=states.append))
    resumed = ADAPTATIONS[name](faces, links, CONFIG, Keeper(states[1]))
    assert len(states) == len(whole.curve)
    for a, b in zip(whole.student, resumed.student, strict=True):
        np.testing.assert_array_equal(a, b)
    assert whole.curve == resumed.curve


@SIAMESE
def test_a_movie_of_one_track_comes_back_as_it_was_with_the_reason(name):
    adapted = ADAPTATIONS[name](one_track(), np.zeros((0, 2), np.int64), CONFIG, Keeper())
    np.testing.assert_array_equal(adapted.student[0], one_track()[0])
    assert "fewer than two tracks" in adapted.notes["not_adapted"]
    assert adapted_threshold(adapted, np.zeros((0, 2), np.int64), adapted.means(), 0.7, CONFIG)[0] == 0.7


def test_tsiam_needs_a_track_of_two_faces_and_ssiam_does_not():
    faces, links, _ = made_up(faces=1)
    assert "one face" in ADAPTATIONS["tsiam"](faces, links, CONFIG, Keeper()).notes["not_adapted"]
    assert ADAPTATIONS["ssiam"](faces, links, CONFIG, Keeper()).notes == {}


@SIAMESE
def test_no_links_and_constant_embeddings_are_no_error(name):
    faces, _, _ = made_up()
    none = np.zeros((0, 2), np.int64)
    assert np.isfinite(ADAPTATIONS[name](faces, none, CONFIG, Keeper()).means()).all()
    same = tuple(np.tile(np.eye(8)[0], (4, 1)) for _ in range(6))
    means = ADAPTATIONS[name](same, none, CONFIG, Keeper()).means()
    np.testing.assert_allclose(means @ means.T, 1, atol=1e-6)


def test_tsiam_trains_on_the_pairs_of_the_rule_drawn_anew_each_epoch():
    faces, links, _ = made_up()
    rows = TrackPairRows(faces, links, TrackPairsConfig(), seed=3)
    track = np.repeat(np.arange(24), 5)
    every = np.arange(len(rows))
    batch, (must, cannot) = rows.take(every, 0)
    place = {tuple(face): track[i] for i, face in enumerate(np.concatenate(faces).astype(np.float32))}
    owner = np.array([place[tuple(face)] for face in batch])
    seen = {tuple(pair) for pair in np.concatenate([links, links[:, ::-1]]).tolist()}
    assert all(owner[i] == owner[j] for i, j in np.argwhere(must))
    linked = [(owner[i], owner[j]) for i, j in np.argwhere(cannot) if owner[i] in links]
    assert all((a, b) in seen for a, b in linked)
    assert not np.array_equal(must, rows.take(every, 1)[1][0])
    np.testing.assert_array_equal(must, rows.take(every, 0)[1][0])


@pytest.mark.parametrize("ranking", ["base", "current"])
def test_ssiam_ranks_a_steps_faces_among_themselves(ranking):
    faces, _, _ = made_up()
    network = build_network(NetworkConfig(name="ssiam"), 16)
    assert isinstance(network, SharedNetwork)
    config = SsiamConfig(ranking=ranking, pairs=RankedPairsConfig(pairs=4))
    chosen = np.arange(0, 120, 3)
    batch, (must, cannot) = RankedRows(faces, config, 0, network).take(chosen, 0)
    allowed = {tuple(face) for face in np.concatenate(faces).astype(np.float32)[chosen]}
    assert all(tuple(face) in allowed for face in batch)
    assert must.sum() == cannot.sum() == 4


def test_a_batch_of_pairs_holds_each_face_once():
    faces = np.arange(10.0).reshape(5, 2)
    batch, (must, cannot) = FacePairs(np.array([[3, 1], [1, 4]]), np.array([True, False])).batch(faces)
    np.testing.assert_array_equal(batch, faces[[1, 3, 4]])
    assert np.argwhere(must).tolist() == [[1, 0]]
    assert np.argwhere(cannot).tolist() == [[0, 2]]


def test_a_carried_threshold_holds_the_same_share_of_pairs():
    faces, _, _ = made_up()
    base = np.stack([track.mean(axis=0) / np.linalg.norm(track.mean(axis=0)) for track in faces])
    assert carried_threshold(base, base, 0.5)[1] == pytest.approx(0.5, abs=0.1)
    share, value = carried_threshold(base, base[::-1] * 1.0, 0.5)
    distances = 1 - (base @ base.T)[np.triu_indices(24, 1)]
    assert (distances <= value + 1e-4).mean() == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("threshold", [0.0, 1e-6, 0.5, 2.0])
def test_a_carried_threshold_has_neither_a_pair_more_nor_less_on_its_near_side(threshold):
    rng = np.random.default_rng(1)
    rows, others = (rng.normal(size=(9, 4)) for _ in range(2))
    rows, others = (made / np.linalg.norm(made, axis=1, keepdims=True) for made in (rows, others))
    upper = np.triu_indices(9, 1)
    _, value = carried_threshold(rows, others, threshold)
    assert ((1 - (others @ others.T)[upper]) <= value).sum() == ((1 - (rows @ rows.T)[upper]) <= threshold).sum()
    assert carried_threshold(rows, np.tile(np.eye(4)[0], (9, 1)), 0.0) == (0, 0)


def test_a_threshold_comes_from_the_links_where_asked_for_and_is_carried_where_they_are_too_few():
    faces, links, _ = made_up(spread=0.5)
    adapted = ADAPTATIONS["ssiam"](faces, links, CONFIG, Keeper())
    base = np.stack([track.mean(axis=0) / np.linalg.norm(track.mean(axis=0)) for track in faces])
    by_links = CONFIG.model_copy(update={"threshold": "links"})
    assert "equal error" in adapted_threshold(adapted, links, base, 0.5, by_links)[1]
    assert "carried over" in adapted_threshold(adapted, links[:2], base, 0.5, by_links)[1]
    assert "carried over" in adapted_threshold(adapted, links, base, 0.5, CONFIG)[1]


def test_every_name_that_may_be_asked_for_has_a_way_to_fit():
    assert tuple(ADAPTATIONS) == ADAPTATION_NAMES
    assert all(name.partition("-")[0] in AdaptConfig.model_fields for name in ADAPTATION_NAMES)
