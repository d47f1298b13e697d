"""Metrics on examples worked by hand."""

import math

import numpy as np
import pytest

from cluster.metrics import score_corpus, score_movie
from tests.cluster.scored import scored, scored_corpus

# Two characters over six tracks: cluster 0 holds a a b, cluster 1 holds b b, cluster 2 holds a.
LABELS, NAMES = [0, 0, 0, 1, 1, 2], ["a", "a", "b", "b", "b", "a"]


def entropy(*counts):
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)


def test_a_movie_worked_by_hand():
    had = scored(LABELS, NAMES, [[0, 1], [0, 3], [3, 4]])
    inner = 3 / 6 * entropy(2, 1)
    homogeneity = 1 - inner / entropy(3, 3)
    assert (had.tracks, had.identities, had.clusters) == (6, 2, 3)
    assert had.wcp == had.wcp_assigned == pytest.approx(5 / 6)
    assert had.pcr == had.pcr_assigned == pytest.approx(3 / 2)
    assert had.homogeneity == pytest.approx(homogeneity)
    mutual = entropy(3, 3) - inner
    assert had.completeness == pytest.approx(mutual / entropy(3, 2, 1))
    assert had.v_measure == had.nmi == pytest.approx(2 * mutual / (entropy(3, 3) + entropy(3, 2, 1)))
    assert had.violations == 2
    assert had.coverage == 1


def test_unknown_tracks_are_wrong_in_one_figure_and_left_out_of_the_other():
    had = scored([0, 0, 1, -1, -1, -1], ["a", "a", "b", "b", "c", "c"], [[3, 4], [0, 1]])
    assert had.coverage == 0.5
    assert had.wcp == pytest.approx(3 / 6)
    assert had.wcp_assigned == 1
    assert had.pcr == pytest.approx(2 / 3)
    assert had.pcr_assigned == 1
    assert had.violations == 1
    # Each of the unknown is a cluster of its own: a a | b | b | c | c.
    assert had.homogeneity == pytest.approx(1)
    assert had.completeness == pytest.approx(entropy(2, 2, 2) / entropy(2, 1, 1, 1, 1))
    merged = scored([0, 0, 1, 2, 2, 2], ["a", "a", "b", "c", "c", "c"], [])
    left_out = scored([0, 0, 1, -1, -1, -1], ["a", "a", "b", "c", "c", "c"], [])
    assert left_out.v_measure < merged.v_measure == 1, "to leave a person out whole gains nothing"


def test_tracks_that_nobody_named_are_ignored_but_for_violations():
    had = scored([0, 1, 0, 2, 2], ["a", "b", "a", None, None], [[3, 4]])
    assert (had.tracks, had.clusters, had.wcp, had.pcr, had.v_measure) == (3, 2, 1, 1, 1)
    assert had.violations == 1


def test_accuracy_and_bcubed_worked_by_hand():
    had = scored(LABELS, NAMES, [])
    # Best one-to-one: cluster 0 is a (2 tracks), cluster 1 is b (2); cluster 2 is nobody's.
    assert had.accuracy == pytest.approx(4 / 6)
    # Tracks in order: a a b of cluster 0, b b of cluster 1, a of cluster 2; three tracks of each identity.
    precision = (2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1) / 6
    recall = (2 / 3 + 2 / 3 + 1 / 3 + 2 / 3 + 2 / 3 + 1 / 3) / 6
    assert had.bcubed_precision == pytest.approx(precision)
    assert had.bcubed_recall == pytest.approx(recall)
    assert had.bcubed_f == had.bcubed_f_frames == pytest.approx(2 * precision * recall / (precision + recall))
    assert (had.wcp_frames, had.accuracy_frames) == pytest.approx((had.wcp, had.accuracy))


def test_by_frames_a_track_counts_as_often_as_it_has_frames():
    had = scored([0, 0, 0, 1, -1], ["a", "a", "b", "b", "b"], [], frames=[1, 1, 4, 2, 2])
    assert (had.wcp, had.accuracy) == pytest.approx((3 / 5, 3 / 5))
    assert had.wcp_frames == pytest.approx((4 + 2) / 10)
    # a in cluster 0 and b in 1: 2 + 2 frames; b in cluster 0: 4.
    assert had.accuracy_frames == pytest.approx(4 / 10)
    copies = np.repeat(np.arange(5), [1, 1, 4, 2, 2])
    alone = scored(np.array([0, 0, 0, 1, -1])[copies], np.array(["a", "a", "b", "b", "b"])[copies].tolist(), [])
    assert (had.wcp_frames, had.accuracy_frames) == pytest.approx((alone.wcp, alone.accuracy))
    assert had.bcubed_f_frames == pytest.approx(alone.bcubed_f)


def test_unknown_tracks_are_wrong_in_accuracy_and_bcubed():
    had = scored([0, -1, -1], ["a", "a", "b"], [])
    assert had.accuracy == pytest.approx(1 / 3)
    assert had.bcubed_precision == pytest.approx(1 / 3)
    assert had.bcubed_recall == pytest.approx(1 / 2 / 3)


CASES = {
    "a perfect cast": ([1, 1, 0], ["a", "a", "b"], 1, 1, 1),
    "one cluster of all": ([0, 0, 0, 0], ["a", "a", "b", "c"], 0.5, 1 / 3, 0),
    "one cluster a track": ([0, 1, 2], ["a", "a", "a"], 1, 3, 0),
    "one track": ([0], ["a"], 1, 1, 1),
    "nothing but unknown": ([-1, -1], ["a", "a"], 0, 0, 0),
}


@pytest.mark.parametrize(("labels", "names", "wcp", "pcr", "v_measure"), CASES.values(), ids=CASES.keys())
def test_edges(labels, names, wcp, pcr, v_measure):
    had = scored(labels, names, [])
    assert (had.wcp, had.pcr, had.v_measure) == pytest.approx((wcp, pcr, v_measure))


def test_a_movie_without_a_named_track_has_no_score():
    assert score_movie([0, 1], [None, None], []) is None
    assert score_movie([], [], []) is None
    assert score_corpus([]) is None


def test_a_corpus_weighs_movies_alike_and_sums_the_counts():
    split = scored([0, 1, 2, 3], ["a", "a", "b", "b"], [[0, 1]])
    merged = scored([0, 0, 0, 0], ["a", "b", "c", "d"], [[0, 1], [2, 3]])
    had = scored_corpus([split, merged])
    assert had.wcp == pytest.approx((1 + 0.25) / 2)
    assert had.pcr == had.pcr_assigned == pytest.approx(5 / 6)
    assert had.pcr_error == pytest.approx((1 + 0.75) / 2)
    assert (had.movies, had.tracks, had.violations) == (2, 8, 2)
    assert had.as_dict()["v_measure"] == pytest.approx((split.v_measure + merged.v_measure) / 2)
    assert split.as_dict()["clusters"] == 4
    partly = scored([0, 1, 2, -1], ["a", "a", "b", "c"], [])
    assert (partly.pcr, partly.pcr_assigned) == pytest.approx((1, 3 / 2))
    assert scored_corpus([split, partly]).pcr_assigned == pytest.approx((4 + 3) / (2 + 2))
