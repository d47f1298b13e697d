"""What `castmine cluster` says of its outcome: Unknown tracks are counted where there are any, and scored both ways."""

import pytest

from cluster.metrics import score_corpus, score_movie
from workflows.cluster.job import ClusteredMovie
from workflows.cluster.printed import clustered
from workflows.cluster.run import ClusterSummary
from workflows.console import out


def printed(*labels: list[int], named: bool = True) -> str:
    """What is said of movies of people a, a, b, clustered so."""
    movies = []
    for number, found in enumerate(labels):
        metrics = score_movie(found, ["a", "a", "b"] if named else [None] * 3, [])
        unknown = found.count(-1)
        movies.append(ClusteredMovie(f"m{number}", 3, max(found) + 1, None, 0.5, 0, 0.1, metrics, unknown=unknown))
    overall = score_corpus([movie.metrics for movie in movies if movie.metrics])
    with out.capture() as said:
        clustered(ClusterSummary("r", "hac", "base", "threshold", "the card", movies, {}, overall, 1.0))
    return " ".join(said.get().split())


@pytest.mark.parametrize("named", [True, False], ids=["named", "nobody named"])
def test_where_every_track_has_a_character_nothing_is_said_of_unknown_ones(named: bool) -> None:
    said = printed([0, 0, 1], named=named)
    assert ("WCP" in said) == named
    assert "unknown" not in said
    assert "assigned" not in said


def test_unknown_tracks_are_counted_and_the_scores_given_without_them_too() -> None:
    said = printed([0, -1, 1], [0, 0, 0])
    heads = "movie tracks characters unknown violations WCP v-measure homogeneity completeness PCR WCP assigned PCR"
    assert said.startswith(f"{heads} assigned coverage")
    assert "m0 3 2 1 0 0.667" in said, "an Unknown track is wrong …"
    assert said.count("1.000 1.000 0.667") == 1, "… or left out of WCP and PCR, at a coverage of 2 of 3"


def test_without_labels_unknown_tracks_are_counted_all_the_same() -> None:
    assert "movie tracks characters unknown violations" in printed([0, -1, -1], named=False)
