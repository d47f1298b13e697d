"""What a corpus lists, under which ids, and what it refuses before a single movie is opened."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.corpus import Movie, list_corpus, movie_slug
from harvest.errors import CorpusError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def ids(corpus: Path | str) -> list[str]:
    return [movie.movie_id for movie in list_corpus(str(corpus))]


def listing(folder: Path, text: str) -> Path:
    path = folder / "corpus.csv"
    path.write_text(text)
    return path


def test_a_file_is_a_corpus_of_one_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "film.dat")
    assert list_corpus(str(tmp_path / "film.dat")) == [Movie("film", str(tmp_path / "film.dat"))]


def test_a_folder_is_searched_to_any_depth_and_only_for_videos(tmp_path: Path) -> None:
    touch(tmp_path, "b.mkv", "a.MP4", "notes.txt", "season/1/e.ts", "cover.jpg")
    (tmp_path / "folder.mp4").mkdir()
    found = ids(tmp_path)
    assert found[:2] == ["a", "b"]
    assert found[2].startswith("season-1-e-")
    assert len(found) == 3


def test_a_link_to_a_folder_is_followed_once_and_no_cycle_is(tmp_path: Path) -> None:
    films, store = touch(tmp_path / "films", "z/a.mp4"), touch(tmp_path / "store", "b.mp4", "deep/c.mp4")
    alone = ids(films)
    (films / "linked").symlink_to(store)
    (films / "again").symlink_to(films / "z")
    (films / "round").symlink_to(tmp_path)
    (store / "back").symlink_to(films)
    found = list_corpus(str(films))
    assert [Path(movie.uri).name for movie in found] == ["b.mp4", "c.mp4", "a.mp4"]
    assert [movie.movie_id.rpartition("-")[0] for movie in found] == ["linked-b", "linked-deep-c", "z-a"]
    assert found[2].movie_id == alone[0], "a link beside it changes no id"


def test_a_glob_takes_what_it_matches_and_has_the_ids_of_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "x1.mp4", "x2.mp4", "y1.mp4", "deep/x3.mp4")
    assert ids(tmp_path / "x*.mp4") == ["x1", "x2"]
    assert set(ids(tmp_path / "**" / "x*.mp4")) == set(ids(tmp_path)) - {"y1"}


def test_a_glob_over_folders_may_begin_like_the_name_of_one(tmp_path: Path) -> None:
    touch(tmp_path, "a/y.mp4", "ab/x.mp4", "ac/x.mp4")
    assert [name[:4] for name in ids(tmp_path / "a*" / "x.mp4")] == ["ab-x", "ac-x"]


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


def test_a_listing_says_what_the_user_knows_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    path = listing(tmp_path, "movie_id,uri,title,year,split,cast_size\n007,f/a.mp4,1917,2019,train,6\nb,/x/b.mp4,,,,\n")
    assert list_corpus(str(path)) == [
        Movie("007", str(tmp_path / "f/a.mp4"), "1917", 2019, "train", 6),
        Movie("b", "/x/b.mp4"),
    ]


def test_ids_of_digits_keep_their_zeros(tmp_path: Path) -> None:
    assert ids(listing(tmp_path, "movie_id,uri\n001,a.mp4\n01,b.mp4\n1,c.mp4\n")) == ["001", "01", "1"]


def test_ids_of_the_user_may_be_anything(tmp_path: Path) -> None:
    odd = ["../../etc", "it's", "ü/1", "a b", ".."]
    assert ids(listing(tmp_path, "movie_id,uri\n" + "".join(f'"{name}",a.mp4\n' for name in odd))) == sorted(odd)


def test_a_parquet_listing_is_read_as_the_csv_is(tmp_path: Path) -> None:
    table = pa.table(
        {"movie_id": ["a", "b"], "uri": ["a.mp4", "s3://x/b.mp4"], "cast_size": pa.array([4, None], pa.int64())}
    )
    pq.write_table(table, tmp_path / "corpus.parquet")
    assert list_corpus(str(tmp_path / "corpus.parquet")) == [
        Movie("a", str(tmp_path / "a.mp4"), cast_size=4),
        Movie("b", "s3://x/b.mp4"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("movie_id,uri\na,x.mp4\na,y.mp4\n", "two movies with one id 'a'.*x.mp4.*y.mp4"),
        ("movie_id,path\na,x.mp4\n", "has no column uri; a listing needs movie_id and uri"),
        ("movie_id;uri\na;x.mp4\n", "has no column movie_id and uri"),
        ("movie_id,uri\n,x.mp4\n", "a row without movie_id or uri"),
        ("movie_id,uri\na,\n", "a row without movie_id or uri"),
        ("movie_id,uri,cast_size\na,x.mp4,many\n", "cast_size of 'a' is not a number: 'many'"),
        ("movie_id,uri\na,x.mp4,1,2,3\n", "cannot be read as a listing of movies"),
        ("", "cannot be read as a listing of movies"),
        ("movie_id,uri\n", "no movie found"),
    ],
)
def test_a_bad_listing_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        list_corpus(str(listing(tmp_path, text)))


def test_two_files_that_would_have_one_id_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "film.mp4", "film.mkv")
    with pytest.raises(CorpusError, match=r"one id 'film': .*film\.mkv, .*film\.mp4; rename a file, or give ids"):
        list_corpus(str(tmp_path))


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/*.mp4", "nothing.csv"])
def test_a_corpus_that_is_not_there_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(CorpusError, match="no movie found; name a video file"):
        list_corpus(str(tmp_path / missing))


def test_a_folder_without_a_movie_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "readme.txt")
    with pytest.raises(CorpusError, match="no movie found"):
        list_corpus(str(tmp_path))


def test_a_file_name_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")).write_bytes(b"")
    with pytest.raises(CorpusError, match=r"caf.*not UTF-8 text.*rename the file"):
        list_corpus(str(tmp_path))
