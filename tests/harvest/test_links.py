"""Cannot-link: seen together, apart from each other, long enough."""

import numpy as np
import pytest

from harvest.config import LinksConfig
from harvest.links import CannotLink, cannot_links
from harvest.track import Floats, Ints

Spans = dict[str, tuple[range, int]]


def tracks(spans: Spans) -> list[tuple[Ints, Floats]]:
    """Tracks of faces 10 px wide that stand still at their left edge, detected at the frames of a range."""
    return [
        (np.array(frames, np.int64), np.array([[x, 0, x + 10, 10]] * len(frames), np.float32).reshape(-1, 4))
        for frames, x in spans.values()
    ]


@pytest.mark.parametrize(
    ("case", "spans", "links"),
    [
        ("two together", {"a": (range(0, 30, 3), 0), "b": (range(12, 40, 3), 50)}, [CannotLink(0, 1, 6, 12, 27)]),
        ("one after the other", {"a": (range(0, 10), 0), "b": (range(10, 20), 50)}, []),
        ("at the same time but never in one frame", {"a": (range(0, 10, 2), 0), "b": (range(1, 11, 2), 50)}, []),
        ("one face found twice", {"a": (range(10), 0), "b": (range(10), 3)}, []),
        ("side by side, hardly overlapping", {"a": (range(10), 0), "b": (range(10), 7)}, [CannotLink(0, 1, 10, 0, 9)]),
        (
            "three together are three pairs",
            {"a": (range(2), 0), "b": (range(2), 50), "c": (range(2), 90)},
            [CannotLink(0, 1, 2, 0, 1), CannotLink(0, 2, 2, 0, 1), CannotLink(1, 2, 2, 0, 1)],
        ),
        ("a track within a dissolve, of which nothing counts", {"a": (range(5), 0), "b": (range(0), 50)}, []),
        ("nobody", {}, []),
    ],
)
def test_links(case: str, spans: Spans, links: list[CannotLink]) -> None:
    assert cannot_links(tracks(spans), LinksConfig()) == links, case


def test_people_who_cross_are_linked_by_the_frames_before_and_after() -> None:
    frames = np.arange(5, dtype=np.int64)
    walker = np.array([[x, 0, x + 10, 10] for x in (0, 10, 20, 30, 40)], np.float32)
    stander = np.array([[20, 0, 30, 10]] * 5, np.float32)
    assert cannot_links([(frames, walker), (frames, stander)], LinksConfig()) == [CannotLink(0, 1, 4, 0, 4)]


def test_fewer_frames_than_asked_for_are_no_link() -> None:
    together = tracks({"a": (range(4), 0), "b": (range(4), 50)})
    assert cannot_links(together, LinksConfig(frames=4))
    assert not cannot_links(together, LinksConfig(frames=5))
