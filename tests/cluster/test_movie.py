"""One movie's tracks to its cast: order, edges, errors."""

import numpy as np
import pytest

from cluster.config import ClusterConfig
from cluster.constraints import Stop
from cluster.movie import cluster_movie, most_tracks_first
from harvest.errors import ConfigError, DatasetError

ALL_PAIRS = np.argwhere(np.triu(np.ones((4, 4)), k=1))
NEAR = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float64)

CASES = {
    "no track gives an empty cast": (np.zeros((0, 128)), [], Stop(clusters=3), [], 0),
    "no track, no threshold reached": ([], [], Stop(threshold=0.5), [], 0),
    "one track is one character": ([[1.0, 0]], [], Stop(threshold=0.5), [0], 1),
    "all co-visible tracks are as many characters": (NEAR, ALL_PAIRS, Stop(threshold=2), [0, 1, 2, 3], 4),
    "K below the largest co-visible group is raised to it": (NEAR, [[0, 1], [1, 2], [0, 2]], Stop(clusters=2), None, 3),
    "K above the number of tracks is lowered to it": (NEAR, [], Stop(clusters=9), [0, 1, 2, 3], 4),
    "K = 1 without constraints is one character": (NEAR, [], Stop(clusters=1), [0, 0, 0, 0], 1),
    "the character with most tracks comes first": (NEAR[[0, 3, 3, 3]], [], Stop(clusters=2), [1, 0, 0, 0], 2),
}


@pytest.mark.parametrize(("rows", "links", "stop", "labels", "clusters"), CASES.values(), ids=CASES.keys())
def test_cast(rows, links, stop, labels, clusters):
    cast = cluster_movie(rows, links, stop)
    assert labels is None or cast.labels.tolist() == labels
    assert cast.clusters == clusters
    assert cast.asked == stop.clusters
    assert cast.violations == 0
    assert cast.seconds >= 0


def test_ties_in_size_go_to_the_lowest_track_and_unknown_stays_unknown():
    assert most_tracks_first(np.array([5, -1, 2, 2, 5, 7, 7, 7])).tolist() == [1, -1, 2, 2, 1, 0, 0, 0]
    assert most_tracks_first(np.array([-1, -1])).tolist() == [-1, -1]


def test_two_runs_give_the_same_bytes():
    rows = np.random.default_rng(0).normal(size=(200, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first, second = (cluster_movie(rows, [[0, 1]], Stop(threshold=0.8)).labels.tobytes() for _ in range(2))
    assert first == second


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="no clustering method 'hack'; there are: hac"):
        cluster_movie(NEAR, [], Stop(clusters=1), method="hack")


@pytest.mark.parametrize("broken", [[np.nan, 0], [2.0, 0]], ids=["NaN", "not of length 1"])
def test_a_broken_embedding_is_named_by_its_track(broken):
    with pytest.raises(DatasetError, match="embedding of track 2"):
        cluster_movie([[1, 0], [0, 1], broken], [], Stop(clusters=1))


CALLS = {
    "K for a method that finds it": ("hdbscan", Stop(clusters=2), "finds the number of characters itself"),
    "neither K nor a threshold for one that needs it": ("ball", Stop(), "ball needs the number of characters or a thr"),
    "no faces for one that compares faces": ("videoclusternet", Stop(), "give it the faces"),
}


@pytest.mark.parametrize(("method", "stop", "words"), CALLS.values(), ids=CALLS.keys())
def test_a_method_is_given_what_it_takes(method, stop, words):
    with pytest.raises(ConfigError, match=words):
        cluster_movie(NEAR, [], stop, method=method)


FACES = {
    "of other tracks": ([[[1.0, 0]]], "faces of 1 tracks were given for 4"),
    "of a track that has none": ([[[1.0, 0]]] * 3 + [np.zeros((0, 2))], "faces of track 3: none"),
    "with a NaN": ([[[1.0, 0]]] * 2 + [[[np.nan, 0]]] * 2, "faces of track 2: none, or NaN"),
}


@pytest.mark.parametrize(("faces", "words"), FACES.values(), ids=FACES.keys())
def test_broken_faces_are_named_by_their_track(faces, words):
    with pytest.raises(DatasetError, match=words):
        cluster_movie(NEAR, [], Stop(), method="videoclusternet", faces=faces)


def test_a_similarity_that_is_not_symmetric_is_refused():
    with pytest.raises(DatasetError, match="symmetric"):
        cluster_movie(NEAR, [], Stop(clusters=2), similarity=np.triu(np.ones((4, 4))))


def test_a_movie_too_large_for_memory_is_refused_with_the_memory_needed():
    config = ClusterConfig(memory_gb=0.05)
    assert cluster_movie(np.eye(50), [], Stop(clusters=2), config).clusters == 2
    with pytest.raises(ConfigError, match=r"2600 tracks need 0.1 GB .* by hac, cluster.memory_gb is 0.05; .* much$"):
        cluster_movie(np.tile([1.0, 0], (2600, 1)), [], Stop(clusters=2), config)


@pytest.mark.parametrize("method", ["hac", "affinity", "hdbscan", "videoclusternet"])
def test_no_method_sees_an_unknown_track(method):
    rng = np.random.default_rng(0)
    faces = [5 * np.eye(8)[track % 2] + 0.3 * rng.normal(size=(4, 8)) for track in range(12)]
    means = np.array([of_track.mean(axis=0) / np.linalg.norm(of_track.mean(axis=0)) for of_track in faces])
    unknown, links = np.arange(12) == 5, np.array([[0, 5], [0, 1], [5, 7]])
    stop = Stop(clusters=2) if method == "hac" else Stop()
    cast = cluster_movie(means, links, stop, method=method, faces=faces, unknown=unknown)
    kept = np.flatnonzero(~unknown)
    without = cluster_movie(means[kept], [[0, 1]], stop, method=method, faces=[faces[track] for track in kept])
    assert cast.labels[5] == -1
    np.testing.assert_array_equal(cast.labels[kept], without.labels)
    assert cluster_movie(means, links, stop, method=method, faces=faces, unknown=np.ones(12)).clusters == 0
