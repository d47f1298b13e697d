"""What left the corpus is removed when asked, unless so much is missing that the corpus itself may be."""

from pathlib import Path

import pytest

from harvest.corpus import Movie, list_corpus
from harvest.dataset.commit import put_movie_record
from harvest.dataset.read import Dataset
from harvest.faces import Pack
from harvest.identity import config_hash, harvest_id, source_stamp
from tests.harvest import small_dataset
from workflows.config import Config, RunConfig
from workflows.harvest.gone import gone, prune
from workflows.harvest.plan import Selection, plan_harvest
from workflows.journal.records import MovieProgress
from workflows.journal.writer import JournalWriter

HERE, ELSEWHERE = "/films", "/archive"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four movies of HERE, and three that tests/harvest/small_dataset.py makes, of no corpus."""
    made = small_dataset.make(tmp_path / "dataset")
    copies(made, HERE, "a", "b", "c", "d")
    return made


def copies(dataset: Dataset, corpus: str, *names: str) -> None:
    record = dataset.record("empty")
    assert record
    facts = record.facts.model_copy(update={"corpus": corpus})
    for name in names:
        put_movie_record(dataset.store, record.model_copy(update={"movie_id": name, "facts": facts}))


def listed(*names: str) -> list[Movie]:
    return [Movie(name, f"{HERE}/{name}.mp4", corpus=HERE) for name in names]


@pytest.mark.parametrize("foreign", [0, 20], ids=["alone", "among many of another corpus"])
def test_of_a_corpus_that_is_mounted_in_part_nothing_is_removed_unless_all_is_asked(
    dataset: Dataset, foreign: int
) -> None:
    copies(dataset, ELSEWHERE, *(f"foreign{number}" for number in range(foreign)))
    movies, before = listed("a"), {record.movie_id for record in dataset.records()}
    missing = gone(dataset, movies)
    assert missing == dict.fromkeys(("b", "c", "d", "lost"), "")
    refused = prune(dataset, movies, missing, 0.5)
    assert refused.startswith("3 of the 4 movies harvested from this corpus are no longer in it")
    assert "--prune-all" in refused
    assert {record.movie_id for record in dataset.records()} == before
    assert prune(dataset, movies, missing, 1) == ""
    assert {record.movie_id for record in dataset.records()} == before - {"b", "c", "d"}


def test_a_failure_that_a_run_of_another_corpus_tells_of_is_not_this_ones_to_remove(dataset: Dataset) -> None:
    for corpus, left in ((ELSEWHERE, {}), (f"{HERE}/*.mp4", {"lost": ""})):
        with JournalWriter(dataset.store, "harvest", corpus, "bundled", RunConfig(), "") as kept:
            kept.say(movies={"lost": MovieProgress(state="failed")})
        assert gone(dataset, listed("a", "b", "c", "d")) == left


def test_half_of_a_corpus_may_go(dataset: Dataset) -> None:
    movies = listed("a", "b")
    assert prune(dataset, movies, gone(dataset, movies), 0.5) == ""
    assert not dataset.record("c")
    assert dataset.failures() == []
    assert dataset.record("lonely"), "of no corpus"


PACK, CONFIG = Pack("pack", "insightface", (), "m", 0.5), Config()


class Films:
    """A folder of films and a dataset that holds them, as harvests of it under several names leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.dataset = folder / "films", Dataset.create(folder / "dataset")
        self.folder.mkdir()
        self._made = small_dataset.make(folder / "made").movie("empty")
        for name in ("alien", "brazil", "casablanca"):
            self.add(name)

    def add(self, name: str) -> None:
        (self.folder / f"{name}.mp4").touch()

    def listing(self, name: str, *movies: str) -> str:
        path = self.folder.parent / name
        path.write_text("movie_id,uri\n" + "".join(f"{movie},films/{movie}.mp4\n" for movie in movies))
        return str(path)

    def harvest(self, corpus: str, most: float | None = 0.7) -> dict[str, str]:
        """What is told to be gone; it is pruned."""
        movies = list_corpus(corpus, self.dataset.records())
        for state in plan_harvest(movies, self.dataset, PACK, CONFIG, Selection()).todo:
            self._commit(state.movie)
        missing = gone(self.dataset, movies)
        if most is not None:
            assert prune(self.dataset, movies, missing, most) == ""
        return missing

    def _commit(self, movie: Movie) -> None:
        facts = self._made.facts.model_copy(update={"uri": movie.uri, "corpus": movie.corpus})
        known = harvest_id("c", config_hash(CONFIG.harvest), PACK.hash, PACK.threshold)
        found = {"movie_id": movie.movie_id, "facts": facts, "stamp": source_stamp(movie.uri), "harvest_id": known}
        put_movie_record(self.dataset.store, self._made.model_copy(update=found))

    def names(self) -> list[str]:
        return [record.movie_id for record in self.dataset.records()]


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return Films(tmp_path)


@pytest.mark.parametrize("other", ["films/alien.mp4", "films/*.mp4", "films/**/*.mp4", "link", "list.csv"])
def test_a_movie_whose_file_has_left_is_gone_whatever_its_corpus_was_called_in_between(
    films: Films, tmp_path: Path, other: str
) -> None:
    (tmp_path / "link").symlink_to("films")
    films.listing("list.csv", "alien")
    for corpus in ("films", other):
        assert films.harvest(str(tmp_path / corpus)) == {}
    (films.folder / "alien.mp4").unlink()
    assert films.harvest(str(films.folder)) == {"alien": ""}
    assert films.names() == ["brazil", "casablanca"]


def test_a_corpus_that_has_got_another_name_misses_what_has_left_with_the_old_one(films: Films) -> None:
    films.harvest(str(films.folder))
    (films.folder / "alien.mp4").unlink()
    assert films.harvest(f"{films.folder}/**/*.mp4") == {"alien": ""}
    assert films.names() == ["brazil", "casablanca"]


def test_a_movie_that_another_corpus_still_lists_is_kept_and_told(films: Films, tmp_path: Path) -> None:
    films.harvest(str(films.folder))
    films.harvest(films.listing("list.csv", "alien", "brazil"))
    listing = films.listing("list.csv", "brazil")
    assert films.harvest(listing) == {"alien": str(films.folder)}
    assert films.names() == ["alien", "brazil", "casablanca"]
    elsewhere = films.listing("others.csv", "brazil")
    films.harvest(elsewhere)
    (films.folder / "alien.mp4").unlink()
    assert films.harvest(listing) == {"alien": ""}
    assert films.names() == ["brazil", "casablanca"]


def test_a_movie_of_another_corpus_that_cannot_be_listed_just_now_is_kept(films: Films) -> None:
    listing, other = films.listing("list.csv", "alien", "brazil"), films.listing("other.csv", "alien")
    for corpus in (listing, other):
        films.harvest(corpus)
    Path(other).write_text("half a lis")
    assert films.harvest(films.listing("list.csv", "brazil")) == {"alien": other}
    assert films.names() == ["alien", "brazil"]


def test_a_row_that_was_taken_out_of_a_listing_is_gone_though_its_file_is_there(films: Films) -> None:
    films.harvest(films.listing("list.csv", "alien", "brazil"))
    assert films.harvest(films.listing("list.csv", "brazil")) == {"alien": ""}
    assert films.names() == ["brazil"]


def test_movies_of_a_corpus_elsewhere_are_nobodys_to_miss_though_their_disk_is_not_there(
    films: Films, tmp_path: Path
) -> None:
    disk = tmp_path / "films" / "disk"
    disk.mkdir()
    (disk / "dune.mp4").touch()
    films.harvest(str(disk))
    (disk / "dune.mp4").rename(tmp_path / "dune.mp4")
    assert films.harvest(str(films.folder)) == {}
    assert "dune" in films.names()
