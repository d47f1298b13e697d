"""The curve of scores against K is what clustering at each K and scoring it would give."""

import numpy as np
import pytest

from cluster.config import ClusterConfig
from cluster.constraints import Stop
from cluster.curve import k_curve
from cluster.methods import METHODS
from cluster.methods.hac import hac, hac_merges
from cluster.tracks import Tracks
from tests.cluster.scored import scored

CONFIG = ClusterConfig()


def people(seed, tracks=40):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 5, tracks)
    rows = np.eye(5)[who] + 0.4 * rng.normal(size=(tracks, 5))
    return Tracks.of(rows / np.linalg.norm(rows, axis=1, keepdims=True), [[0, 1], [2, 3], [2, 4]]), who.tolist()


def curve_of(tracks, who, *unknown):
    return k_curve(hac_merges(tracks, Stop(), CONFIG), who, *unknown)


@pytest.mark.parametrize("linkage", ["average", "complete", "ward"])
def test_every_point_is_the_score_of_that_k(linkage):
    tracks, who = people(0)
    curve = k_curve(hac_merges(tracks, Stop(), CONFIG, linkage), who)
    assert curve.clusters[0] == len(who)
    assert (np.diff(curve.clusters) == -1).all()
    for k, wcp, nmi in zip(curve.clusters, curve.wcp, curve.nmi, strict=True):
        scores = scored(hac(tracks, Stop(clusters=int(k)), CONFIG, linkage=linkage), who, tracks.cannot_link)
        assert (wcp, nmi) == pytest.approx((scores.wcp, scores.nmi))


@pytest.mark.parametrize("stop", [Stop(threshold=0.6), Stop(clusters=5)], ids=str)
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.merges])
def test_what_a_method_came_to_lies_on_its_own_curve(name, stop):
    tracks, who = people(3)
    method = METHODS[name]
    assert method.merges
    scores = scored(method.cluster(tracks, stop, CONFIG), who, tracks.cannot_link)
    curve = k_curve(method.merges(tracks, stop, CONFIG), who)
    (at,) = np.flatnonzero(curve.clusters == scores.clusters)
    assert (curve.wcp[at], curve.nmi[at]) == pytest.approx((scores.wcp, scores.nmi))


def test_tracks_that_nobody_named_cluster_and_count_for_nothing():
    tracks, who = people(1)
    who[:10] = [None] * 10
    curve = curve_of(tracks, who)
    assert curve.clusters[0] == 30
    for k in range(4, 40):
        scores = scored(hac(tracks, Stop(clusters=k), CONFIG), who, [])
        (at,) = np.flatnonzero(curve.clusters == scores.clusters)
        assert curve.wcp[at] == pytest.approx(scores.wcp) or curve.nmi[at] == pytest.approx(scores.nmi)


def test_unknown_tracks_count_as_in_the_scores_of_a_clustering():
    tracks, who = people(2)
    seen = np.arange(4, 40)
    curve = curve_of(tracks.take(seen), who[4:], who[:4])
    for k in (36, 12, 5):
        labels = np.full(40, -1)
        labels[seen] = hac(tracks.take(seen), Stop(clusters=k), CONFIG)
        scores = scored(labels, who, [])
        (at,) = np.flatnonzero(curve.clusters == scores.clusters)
        assert (curve.wcp[at], curve.nmi[at]) == pytest.approx((scores.wcp, scores.nmi))


def test_thinning_keeps_the_small_ks_and_the_ends():
    thin = curve_of(*people(2)).thinned(12)
    assert len(thin.clusters) <= 12
    assert {2, 3, 4, 40} <= set(thin.clusters.tolist())


@pytest.mark.parametrize("who", [[], ["a"], [None]], ids=["no track", "one track", "nobody named"])
def test_the_edges_have_a_curve(who):
    curve = curve_of(Tracks.of(np.ones((len(who), 1)), []), who)
    assert len(curve.clusters) == 1
    assert curve.nmi.tolist() == [1]
