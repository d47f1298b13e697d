"""`castmine card`: every figure from the records, every name of the corpus as text."""

import re
from pathlib import Path

from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.schema import COUNTED_AS
from tests.workflows.conftest import Castmine, Harvested
from workflows.card.facts import gather
from workflows.card.markdown import card


def test_a_card_says_what_was_harvested_with_what_and_what_is_owed(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    castmine("card", "-d", harvested.dataset, "--out", tmp_path / "CARD.md")
    text = (tmp_path / "CARD.md").read_text()
    record = Dataset.open(harvested.dataset).record("hamilton")
    assert record
    for table, told in COUNTED_AS.items():
        assert f"| {told} | {record.rows(table):,} |" in text
    assert f"| scrfd25\\_mbf | `{record.models_hash}` | 128 | `{record.config_hash}` | 1 |" in text
    assert f"| track: short | {record.drops['track: short']} |" in text
    assert "Licence of scrfd25\\_mbf: not known to castmine" in text
    assert "biometric data" in text
    assert "castmine forget MOVIE" in text


def test_splits_failures_and_clusterings_are_counted(harvested: Harvested, tmp_path: Path) -> None:
    dataset = Dataset.open(harvested.copy(tmp_path))
    record = dataset.record("hamilton")
    assert record
    put_movie_record(
        dataset.store, record.model_copy(update={"facts": record.facts.model_copy(update={"split": "train"})})
    )
    note_failure(dataset.store, "bad", "bad.mp4", "probe", "VideoDecodeError", "bad.mp4: not a video", 3)
    facts = gather(dataset)
    assert facts.splits == {"train": (1, facts.hours, record.rows("tracks"))}
    assert "| bad | probe | 3 |" in card(facts)
    assert "## Clusterings\n\nNone." in card(facts)


def test_names_of_a_corpus_are_text_on_a_card_whatever_they_hold(harvested: Harvested, tmp_path: Path) -> None:
    dataset = Dataset.open(harvested.copy(tmp_path))
    record = dataset.record("hamilton")
    assert record
    title = "*Bold* | <script>alert(1)</script>\n# [a](b)"
    put_movie_record(
        dataset.store, record.model_copy(update={"facts": record.facts.model_copy(update={"title": title})})
    )
    text = card(gather(dataset))
    (row,) = (line for line in text.splitlines() if line.startswith("| hamilton |"))
    assert not re.search(r"(?<!\\)[<>*\[\]#]", row)
    assert len(re.findall(r"(?<!\\)\|", row)) == 7, "six cells"


def test_the_card_of_an_empty_dataset_says_that_there_is_nothing(tmp_path: Path) -> None:
    text = card(gather(Dataset.create(tmp_path / "films")))
    assert "Face tracks of 0 movies" in text
    assert text.count("None.") == 6
