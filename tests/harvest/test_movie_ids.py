"""Ids from paths: plain names stay, no two files share one, and what is in a dataset keeps its own."""

import pytest

from harvest.movie_ids import movie_ids, movie_slug

MKV, MP4, AVI = ("film.mkv", "/f/film.mkv"), ("film.mp4", "/f/film.mp4"), ("film.avi", "/f/film.avi")
File = tuple[str, str]


@pytest.mark.parametrize(
    ("path", "slug"),
    [("film.mp4", "film"), ("Film_2.part-1.mkv", "Film_2.part-1"), ("a.b.c.mp4", "a.b.c")],
)
def test_a_plain_name_is_its_own_id(path: str, slug: str) -> None:
    assert movie_slug(path) == slug


def test_names_that_lose_a_character_never_share_an_id() -> None:
    names = [
        "a b",
        "a-b",
        "a/b",
        "a\\b",
        "ä b",
        "a  b",
        "a-b-",
        "..",
        "...",
        ".",
        "a'b",
        'a"b',
        "日本",
        "中国",
        "-",
        "a%2Fb",
    ]
    slugs = [movie_slug(f"{name}.mp4") for name in names]
    assert len(set(slugs)) == len(names)
    assert all(slug and not slug.startswith(".") and slug.isascii() and "/" not in slug for slug in slugs)


@pytest.mark.parametrize(
    ("case", "found", "held", "plain"),
    [
        ("the first in order, where none is held", [MKV, MP4], {}, MKV),
        ("the one that is held by it, whatever comes", [AVI, MKV, MP4], {MP4: "film"}, MP4),
        ("nobody, where its file has left and the other has an id already", [MKV], {MP4: "film", MKV: "marked"}, None),
        ("a file in the place of the one that has left, as before", [MKV], {MP4: "film"}, MKV),
        ("the newcomer, where the other has an id already", [AVI, MKV], {MP4: "film", MKV: "marked"}, AVI),
    ],
)
def test_of_files_with_one_slug_it_belongs_to(
    case: str, found: list[File], held: dict[File, str], plain: File | None
) -> None:
    marked = dict(zip((AVI, MKV, MP4), movie_ids([("film.aaa", ""), AVI, MKV, MP4])[1:], strict=True))
    names = {(marked[file] if name == "marked" else name, file[1]) for file, name in held.items()}
    expected = ["film" if file == plain else marked[file] for file in found]
    assert movie_ids(found, names) == expected, case
    assert len(set(expected)) == len(found)
