"""Whether people are known again, told by links: exact against brute force, and what a mirror does to it."""

from itertools import permutations

import numpy as np
import pytest

from tests.train.tracks import made_up_movie
from train.config import RecognitionConfig
from train.recognition import ThirdTracks, recognition

ALL = RecognitionConfig(false_links=0)


def by_hand(means, links, config):
    """Every pair of a track and one of two that are seen together, one after the other."""
    together = {tuple(pair) for link in links for pair in permutations(link)}
    found = []
    for a, b in links:
        for third in range(len(means)):
            if third not in (a, b) and not {(third, a), (third, b)} & together:
                one, other = 1 - means[third] @ means[a], 1 - means[third] @ means[b]
                found += [(one, max(one, other)), (other, max(one, other))]
    pairs, last = np.array(found), 0.0
    for edge in np.linspace(0, 2, config.bins + 1)[1:]:
        taken, contradicted = (pairs <= edge).sum(axis=0)
        if taken and contradicted <= config.contradicted * taken:
            last = taken / len(pairs)
    return last


@pytest.mark.parametrize("seed", range(3))
def test_the_share_is_what_counting_every_pair_gives(seed):
    config = RecognitionConfig(false_links=0, contradicted=0.1, bins=200)
    movie = made_up_movie(seed, tracks=30)
    found = recognition(ThirdTracks.of(movie.means, movie.links, config), config)
    assert found.share == pytest.approx(by_hand(movie.means, movie.links.tolist(), config), abs=1e-5)
    assert found.share > 0


def test_movies_add_up_exactly_and_one_without_tracks_adds_nothing():
    one, other = (ThirdTracks.of(movie.means, movie.links) for movie in (made_up_movie(0), made_up_movie(1)))
    both = one + other
    np.testing.assert_array_equal(both.nearer, one.nearer + other.nearer)
    np.testing.assert_array_equal(both.farther, one.farther + other.farther)
    empty = ThirdTracks.of(np.zeros((0, 0)), np.zeros((0, 2)))
    assert recognition(both + empty) == recognition(both)
    assert recognition(empty).pairs == 0


def test_who_knows_everybody_is_contradicted_by_nothing_and_who_tells_nobody_apart_by_everything():
    movie = made_up_movie(0, tracks=60)
    who = np.array([int(person) for person in movie.identities])
    perfect = recognition(ThirdTracks.of(np.eye(6)[who], movie.links, ALL), ALL)
    same = [who[third] == who[end] for link in movie.links for end in link for third in thirds(link, movie)]
    assert perfect.share == pytest.approx(np.mean(same), abs=1e-5)
    alike = np.tile([1.0, 0.0], (60, 1))
    assert recognition(ThirdTracks.of(alike, movie.links, ALL), ALL).pairs == 0


def thirds(link, movie):
    """Tracks seen with neither."""
    seen = set(movie.links[np.isin(movie.links, link).any(axis=1)].ravel().tolist())
    return [track for track in range(len(movie.faces)) if track not in seen]


def test_a_person_seen_in_a_mirror_does_not_hide_what_is_known():
    movie = made_up_movie(0, tracks=60)
    who = np.array([int(person) for person in movie.identities])
    first, second = np.flatnonzero(who == who[0])[[0, 2]]
    links = np.concatenate([movie.links, [[first, second]]])
    strict = RecognitionConfig(contradicted=0.01)
    misled = recognition(ThirdTracks.of(np.eye(6)[who], links, ALL), strict)
    spared = recognition(ThirdTracks.of(np.eye(6)[who], links), strict)
    assert misled.share == 0
    assert spared.share > 0.1
    assert ThirdTracks.of(np.eye(6)[who], links).links == len(links) - 2
