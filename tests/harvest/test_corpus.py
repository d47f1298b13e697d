"""What a corpus lists, under which ids, and what it refuses before a single movie is opened."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.corpus import Movie, list_corpus
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
        ("movie_id,uri,split\na,x.mp4,validaton\n", "split of 'a' is 'validaton'; it may be train, validation, test"),
        ("movie_id,uri\na,x.mp4,1,2,3\n", "cannot be read as a listing of movies"),
        ("", "cannot be read as a listing of movies"),
        ("movie_id,uri\n", "no movie found"),
    ],
)
def test_a_bad_listing_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        list_corpus(str(listing(tmp_path, text)))


def test_files_that_differ_in_their_suffix_alone_are_movies_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, "film.mp4", "film.mkv", "other.mp4")
    found = {Path(movie.uri).name: movie.movie_id for movie in list_corpus(str(tmp_path))}
    marked = found["film.mp4"]
    assert marked.startswith("film-")
    assert found == {"film.mkv": "film", "film.mp4": marked, "other.mp4": "other"}


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/film.mp4", "nothing.csv"])
def test_a_corpus_that_is_not_there_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(CorpusError, match=f"{missing}: no such file or folder"):
        list_corpus(str(tmp_path / missing))


def test_a_glob_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no movie found; name a video file"):
        list_corpus(str(tmp_path / "nowhere" / "*.mp4"))


def test_a_folder_without_a_movie_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "readme.txt")
    with pytest.raises(CorpusError, match="no movie found"):
        list_corpus(str(tmp_path))


def test_a_file_name_that_is_no_text_is_refused_by_name_and_no_other_is(tmp_path: Path) -> None:
    touch(tmp_path, "good.mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")).write_bytes(b"")
    bad, good = list_corpus(str(tmp_path))
    assert (good.movie_id, good.refused) == ("good", "")
    assert bad.uri == f"{tmp_path}/caf\\xe9.mp4"
    assert bad.refused == f"{bad.uri}: its name is not UTF-8 text, which no record can hold; rename it"
    assert bad.movie_id.isascii()


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    touch(folder, "film.mp4")
    with pytest.raises(CorpusError, match=r"caf\\xe9: its name is not UTF-8 text"):
        list_corpus(str(folder))
