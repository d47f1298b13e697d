"""The curve of scores against K is what clustering at each K and scoring it would give."""

import numpy as np
import pytest

from cluster.config import ClusterConfig
from cluster.constraints import Stop
from cluster.curve import k_curve
from cluster.methods.hac import hac
from cluster.metrics import score_movie
from cluster.tracks import Tracks


def people(seed, tracks=40):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 5, tracks)
    rows = np.eye(5)[who] + 0.4 * rng.normal(size=(tracks, 5))
    return Tracks.of(rows / np.linalg.norm(rows, axis=1, keepdims=True), [[0, 1], [2, 3], [2, 4]]), who.tolist()


@pytest.mark.parametrize("linkage", ["average", "complete", "ward"])
def test_every_point_is_the_score_of_that_k(linkage):
    tracks, who = people(0)
    curve = k_curve(tracks, who, linkage)
    assert curve.clusters[0] == len(who)
    assert (np.diff(curve.clusters) == -1).all()
    for k, wcp, nmi in zip(curve.clusters, curve.wcp, curve.nmi, strict=True):
        labels = hac(tracks, Stop(clusters=int(k)), ClusterConfig(), linkage=linkage)
        scored = score_movie(labels, who, tracks.cannot_link)
        assert (wcp, nmi) == pytest.approx((scored.wcp, scored.nmi))


def test_tracks_that_nobody_named_cluster_and_count_for_nothing():
    tracks, who = people(1)
    who[:10] = [None] * 10
    curve = k_curve(tracks, who, "average")
    assert curve.clusters[0] == 30
    for k in range(4, 40):
        scored = score_movie(hac(tracks, Stop(clusters=k), ClusterConfig()), who, [])
        (at,) = np.flatnonzero(curve.clusters == scored.clusters)
        assert curve.wcp[at] == pytest.approx(scored.wcp) or curve.nmi[at] == pytest.approx(scored.nmi)


def test_thinning_keeps_the_small_ks_and_the_ends():
    tracks, who = people(2)
    thin = k_curve(tracks, who, "average").thinned(12)
    assert len(thin.clusters) <= 12
    assert {2, 3, 4, 40} <= set(thin.clusters.tolist())


@pytest.mark.parametrize("who", [[], ["a"], [None]], ids=["no track", "one track", "nobody named"])
def test_the_edges_have_a_curve(who):
    curve = k_curve(Tracks.of(np.ones((len(who), 1)), []), who, "average")
    assert len(curve.clusters) == 1
    assert curve.nmi.tolist() == [1]
