"""Which movies can be harvested again: those whose file is there, and listed by the corpus they came from."""

from pathlib import Path

import pytest

from harvest.dataset.records import MovieRecord
from tests.harvest.small_dataset import make
from workflows.doctor.sources import without_source


@pytest.fixture
def lonely(tmp_path: Path) -> MovieRecord:
    """Its file is in a folder with another."""
    (tmp_path / "movies").mkdir()
    for name in ("lonely", "another"):
        (tmp_path / "movies" / f"{name}.mp4").touch()
    record = make(tmp_path / "dataset").record("lonely")
    assert record
    return moved(record, uri=str(tmp_path / "movies/lonely.mp4"))


def moved(record: MovieRecord, **facts: str | None) -> MovieRecord:
    return record.model_copy(update={"facts": record.facts.model_copy(update=facts)})


@pytest.mark.parametrize("corpus", [None, "movies"], ids=["of no corpus", "of a corpus that lists it"])
def test_a_movie_whose_file_is_there_can_be_harvested_again(
    lonely: MovieRecord, tmp_path: Path, corpus: str | None
) -> None:
    assert without_source([moved(lonely, corpus=corpus and str(tmp_path / corpus))]) == set()


@pytest.mark.parametrize("why", ["its file is gone", "its corpus has it no more", "its corpus is gone"])
def test_a_movie_cannot_be_harvested_again_where(lonely: MovieRecord, tmp_path: Path, why: str) -> None:
    if why == "its file is gone":
        Path(lonely.facts.uri).unlink()
    elif why == "its corpus has it no more":
        Path(lonely.facts.uri).rename(tmp_path / "elsewhere.mp4")
        lonely = moved(lonely, corpus=str(tmp_path / "movies"))
    else:
        lonely = moved(lonely, corpus=str(tmp_path / "not there"))
    assert without_source([lonely]) == {"lonely"}
