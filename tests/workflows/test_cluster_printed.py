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
    heads = "movie tracks characters unknown violations WCP v-measure PCR homogeneity completeness WCP assigned PCR"
    assert said.startswith(f"{heads} assigned coverage")
    assert "m0 3 2 1 0 0.667" in said, "an Unknown track is wrong …"
    assert said.count("1.000 1.000 0.667") == 1, "… or left out of WCP and PCR, at a coverage of 2 of 3"


def test_without_labels_unknown_tracks_are_counted_all_the_same() -> None:
    assert "movie tracks characters unknown violations" in printed([0, -1, -1], named=False)


def test_of_one_movie_with_one_labelled_track_it_is_told_in_the_singular() -> None:
    metrics = score_movie([0, 1], ["a", None], [])
    assert metrics
    movie = ClusteredMovie("m", 2, 2, None, 0.5, 0, 0.1, metrics)
    with out.capture() as said:
        clustered(ClusterSummary("r", "hac", "base", "threshold", "the card", [movie], {}, score_corpus([metrics]), 1))
    assert "scores count the 1 labelled track of 2" in said.get()
    assert "run r · 1 movie · " in said.get()


def test_80_columns_hold_the_scores_that_are_gone_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 80)
    said = printed([0, 0, 1], [0, 1, 1])
    assert said.startswith("movie tracks characters violations WCP v-measure PCR")
    assert "no room for" not in said.split("PCR")[0]


def test_thresholds_of_their_own_are_told_with_their_movies() -> None:
    found = {"a": 0.25, "b": 0.5, "c": 0.25}
    movies = [ClusteredMovie(name, 3, 2, None, value, 0, 0.1, None) for name, value in found.items()]
    with out.capture() as said:
        clustered(ClusterSummary("r", "hac", "base", "threshold", "each movie's own", movies, {}, None, 1.0))
    assert "threshold 0.2500 (a, c), 0.5000 (b): each movie's own" in said.get()


def test_the_line_of_all_movies_counts_what_the_lines_above_it_count() -> None:
    """Not the labelled tracks alone: what the scores are of is said below."""
    metrics = score_movie([0, 1, 1], ["a", None, None], [])
    assert metrics
    movies = [ClusteredMovie(name, 3, 2, None, 0.5, 0, 0.1, metrics) for name in "mn"]
    overall = score_corpus([metrics] * 2)
    with out.capture() as said:
        clustered(ClusterSummary("r", "hac", "base", "threshold", "the card", movies, {}, overall, 1.0))
    text = " ".join(said.get().split())
    assert "overall 6 4 0 1.000" in text
    assert "scores count the 2 labelled tracks of 6" in text


def test_another_number_of_characters_than_was_asked_for_is_told_with_the_reason() -> None:
    found = {"crowd": (9, 7), "couple": (2, 2), "right": (9, 3), "alone": (1, 1), "nobody": (0, 0)}
    movies = [
        ClusteredMovie(name, tracks, clusters, 3 if tracks > 1 else 1, None, 0, 0.1, None)
        for name, (tracks, clusters) in found.items()
    ]
    with out.capture() as said:
        clustered(ClusterSummary("r", "hac", "base", "3", "", movies, {}, None, 1.0))
    assert [line for line in said.get().splitlines() if "instead of" in line] == [
        "crowd: 7 characters instead of 3: tracks of every two of them are seen together",
        "couple: 2 characters instead of 3: it has no more tracks to tell apart",
    ]
