"""Seconds on screen, and characters numbered by them."""

import numpy as np
import pytest

from cluster.screen_time import numbered_by_screen_time, seconds_covered


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        pytest.param([], 0, id="nobody is seen for no time"),
        pytest.param([(0, 2), (5, 6)], 3, id="apart, spans add"),
        pytest.param([(0, 4), (2, 6)], 6, id="two tracks at one time count once"),
        pytest.param([(0, 9), (2, 3), (4, 5)], 9, id="a span within another adds nothing"),
        pytest.param([(5, 6), (0, 5)], 6, id="the order does not matter"),
    ],
)
def test_seconds_on_screen_are_the_union(spans: list[tuple[float, float]], seconds: float) -> None:
    assert seconds_covered(spans) == seconds


@pytest.mark.parametrize(
    ("case", "labels", "spans", "ids"),
    [
        ("one long track before two short ones", [0, 0, 1], [(0, 1), (2, 3), (0, 9)], [2, 2, 1]),
        ("time seen twice counts once", [0, 0, 1], [(0, 4), (0, 4), (5, 10)], [2, 2, 1]),
        ("equals by their label", [1, 0, 2], [(0, 2), (3, 5), (6, 8)], [2, 1, 3]),
        ("unknown tracks have no number", [-1, 1, 0], [(0, 90), (0, 5), (5, 6)], [-1, 1, 2]),
        ("unknown tracks only", [-1, -1], [(0, 1), (0, 1)], [-1, -1]),
        ("nobody", [], [], []),
    ],
)
def test_the_character_that_is_on_screen_longest_is_number_1(
    case: str, labels: list[int], spans: list[tuple[float, float]], ids: list[int]
) -> None:
    found = numbered_by_screen_time(np.array(labels, np.int64), np.array(spans, np.float64).reshape(-1, 2))
    assert found.tolist() == ids, case
