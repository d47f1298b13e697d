"""What the name of a corpus says of its movies, whether or not it is there."""

from pathlib import Path

import pytest

from harvest.corpus_name import id_folder, lies_in, same_place, searched_folder


@pytest.mark.parametrize("there", [True, False], ids=["there", "gone"])
@pytest.mark.parametrize(
    ("name", "searched", "ids_of"),
    [
        ("films", "films", "films"),
        ("films/*.mp4", "films", "films"),
        ("films/a*/**/*.mp4", "films", "films"),
        ("films/alien.mp4", None, "films"),
        ("films/list.csv", None, "films/list.csv"),
    ],
)
def test_a_name_says_where_movies_lie_and_what_their_ids_are_relative_to(
    tmp_path: Path, there: bool, name: str, searched: str | None, ids_of: str
) -> None:
    if there:
        (tmp_path / "films").mkdir()
        for file in ("alien.mp4", "list.csv"):
            (tmp_path / "films" / file).touch()
    for root in (str(tmp_path), "s3://bucket"):
        assert searched_folder(f"{root}/{name}") == (searched and f"{root}/{searched}")
        assert id_folder(f"{root}/{name}") == f"{root}/{ids_of}"


def test_links_lead_to_one_place_and_what_only_begins_alike_is_another(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "link").symlink_to("films")
    assert same_place(str(tmp_path / "link"), str(tmp_path / "films"))
    assert lies_in(str(tmp_path / "films/deep/gone.mp4"), str(tmp_path / "link"))
    assert not lies_in(str(tmp_path / "films2/a.mp4"), str(tmp_path / "films"))
    assert not same_place("s3://bucket/a", "s3://bucket/b")
    assert lies_in("s3://bucket/films/a.mp4", "s3://bucket/films")
