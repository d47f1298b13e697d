"""`castmine verify`: what it compares, what it says where it cannot, its files, and its page in a browser."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, DatasetError
from harvest.tracks import count_embedded, read_face_embeddings, read_track_set
from tests.train.tracks import Movie, made_up_movie
from tests.workflows.conftest import Castmine
from tests.workflows.test_report import chromium
from train.centring import CentringSums, fit_centring
from train.config import CalibrationConfig, RecognitionConfig, TrainConfig
from train.mining import mine_movie
from train.recognition import recognition
from train.registry import ModelCard, load_model, save_model
from train.subspace import Subspace
from train.validation import total
from train.verification import verify_movie
from workflows import console
from workflows.config import Config
from workflows.tracks_import import import_tracks
from workflows.train.movies import MovieJob, measure_one
from workflows.verify.columns import columns
from workflows.verify.comparison import ModelComparison, VerifiedMovie, compare
from workflows.verify.figures import comparison_json
from workflows.verify.page import verification_page
from workflows.verify.printed import verified
from workflows.verify.run import VerifyJob, VerifySummary, verify, verify_one
from workflows.verify.write import CURVES, MOVIE_CURVES, PAGE, write_comparison

HOSTILE = "<script>alert('x')</script>"
FEW = {"calibration": CalibrationConfig(pairs=20), "recognition": RecognitionConfig(pairs=20)}
CONFIG = Config(train=TrainConfig.model_validate(FEW))


def dataset(folder: Path, movies: dict[str, Movie], named: bool = True, together: bool = True) -> str:
    """Movies of made-up tracks; neighbours in number are seen together where they are `together`."""
    rows = []
    for movie_id, movie in movies.items():
        for track, faces in enumerate(movie.faces):
            shot, start = (track // 2, 100 * (track // 2)) if together else (track, 100 * track)
            row = {"movie_id": movie_id, "track_id": track, "shot_id": shot, "start_frame": start}
            row |= {"end_frame": start + 50, "embeddings": faces.tolist()}
            rows.append(row | ({"identity": f"{movie.identities[track]}"} if named else {}))
    pq.write_table(pa.Table.from_pylist(rows), folder / "tracks.parquet")
    import_tracks(folder / "tracks.parquet", str(folder / "dataset"))
    return str(folder / "dataset")


def model(folder: Path, size: int = 8, kept: int = 8, pack: str = "imported-8", movies: tuple[str, ...] = (),
          checked_on: tuple[str, ...] = ()) -> str:  # fmt: skip
    """A model that keeps the first `kept` of `size` directions; where it was checked on movies, fitted anew to all."""
    card = ModelCard(
        method="mvcorr-linear", pack=pack, pack_hash=pack, embedding_size=size, output_size=kept, train_movies=movies,
        validation_movies=checked_on, refit=bool(checked_on), train_tracks=1, validation_tracks=0, threshold=None,
        calibration="", held_out={}, config={}, castmine_version="0", created="",
    )  # fmt: skip
    save_model(folder, Subspace(V=np.eye(size)[:, :kept], mean=np.zeros(size)), card)
    return str(folder)


def test_training_compares_the_pairs_that_verification_compares(tmp_path: Path) -> None:
    """A model that centres faces mines others; what it gains is told on those of the base."""
    root = dataset(tmp_path, {"film": made_up_movie(3)})
    opened = Dataset.open(root)
    record = opened.records()[0]
    faces, tracks = read_face_embeddings(opened, record), read_track_set(opened, record)
    embedding = Subspace(np.eye(8), np.zeros(8), fit_centring(CentringSums.of(faces, 3)))
    trained = measure_one(MovieJob(root, "film", CONFIG.train, embedding=embedding)).same_pairs
    saved = replace(load_model(model(tmp_path / "model")), embedding=embedding)
    mined = mine_movie(faces, tracks.cannot_link)
    verified = verify_movie(tracks.means.astype(float), mined, tracks.cannot_link, [None] * 40, saved, faces=faces)
    assert trained is not None
    np.testing.assert_array_equal(trained.distances.positive, verified.links.positive)
    np.testing.assert_array_equal(trained.distances.negative, verified.links.negative)


def two_movies() -> dict[str, Movie]:
    return {name: made_up_movie(seed, tracks=60) for seed, name in enumerate(["a", "b"])}


def compared(root: str, *models: str, failed: dict[str, str] | None = None, config: Config = CONFIG) -> ModelComparison:
    """What the command makes of a dataset, without Ray."""
    records = Dataset.open(root).records()
    movies = [verify_one(VerifyJob(root, record.movie_id, models, config)) for record in records]
    cards = [(folder, load_model(folder).card) for folder in models]
    return compare(root, cards, records, movies, failed or {}, config)


@pytest.fixture
def labelled(tmp_path: Path) -> ModelComparison:
    root = dataset(tmp_path, two_movies())
    return compared(root, model(tmp_path / "whole"), model(tmp_path / "half", kept=4))


def test_the_base_comes_first_and_a_model_that_changes_nothing_has_its_figures(labelled: ModelComparison) -> None:
    assert [row.name for row in labelled.rows] == ["base", "whole", "half"]
    by_key = {column.key: [column.of(row) for row in labelled.rows] for column in columns(labelled)}
    for values in by_key.values():
        assert values[0] == pytest.approx(values[1], abs=1e-6)
    base, _, half = by_key["auc"]
    assert base is not None
    assert half is not None
    assert base > half
    assert by_key["known_again"][0] == pytest.approx(by_key["known_again"][1])
    assert labelled.unnamed == labelled.unlinked == labelled.unrecognised == ""


def test_people_are_known_again_as_training_counts_it(tmp_path: Path) -> None:
    root, half = dataset(tmp_path, two_movies()), model(tmp_path / "half", kept=4)
    found = compared(root, half)
    for row, embedding in zip(found.rows, (None, load_model(half).embedding), strict=True):
        jobs = [MovieJob(root, name, CONFIG.train, embedding=embedding, held_out=True) for name in ("a", "b")]
        trained = total(map(measure_one, jobs)).thirds
        assert trained is not None
        assert row.known == recognition(trained, CONFIG.train.recognition)
    shares = [row["known_again"] for row in comparison_json(found)["representations"]]
    assert shares == [row.known.share for row in found.rows if row.known]


def test_where_few_people_come_back_it_is_said_that_nobody_can_be_known_again(tmp_path: Path) -> None:
    few = RecognitionConfig(pairs=1000)
    found = compared(dataset(tmp_path, two_movies()), config=Config(train=TrainConfig(recognition=few)))
    assert "known_again" not in [column.key for column in columns(found)]
    told = comparison_json(found)["known_again_absent"]
    assert re.fullmatch(r"\d+ pairs of tracks can be taken for one person .*, and it takes 1,000 .*", told)
    assert f"How often people are known again is absent: {told}" in verification_page(found, CURVES)


def test_bold_is_the_best_of_a_column_and_every_row_that_ties_with_it(labelled: ModelComparison) -> None:
    auc = next(column for column in columns(labelled) if column.key == "auc")
    assert auc.best(labelled.rows) == [True, True, False]
    assert replace(auc, better=-1).best(labelled.rows) == [False, False, True]
    assert auc.best(labelled.rows[:2]) == [False, False], "where all are alike none is best"
    assert not any(column.best(labelled.rows[:1])[0] for column in columns(labelled))


def test_80_columns_hold_the_figures_that_need_no_label_and_the_rates(
    labelled: ModelComparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "width", 80)
    with console.out.capture() as said:
        verified(VerifySummary(labelled, "page.html", 1.0))
    head = next(line for line in said.get().splitlines() if line.strip())
    for figure in ("known again↑", "links' error↓", "TPR@0.001↑"):
        assert figure in head


def test_where_nobody_is_named_no_mean_over_movies_is_told(labelled: ModelComparison) -> None:
    def said(comparison: ModelComparison) -> str:
        with console.out.capture() as printed:
            verified(VerifySummary(comparison, "page.html", 1.0))
        return printed.get()

    assert "120 labelled tracks, mean over 2 of 2 movies · " in said(labelled)
    unnamed = [replace(movie.measures[0], named=None) for movie in labelled.movies]
    movies = [replace(movie, measures=(own,)) for movie, own in zip(labelled.movies, unnamed, strict=True)]
    assert "mean over" not in said(replace(labelled, movies=tuple(movies)))


def test_means_give_each_movie_the_same_weight(labelled: ModelComparison) -> None:
    figures = comparison_json(labelled)
    for number, row in enumerate(figures["representations"]):
        rates = [movie["representations"][row["name"]]["true_positive_rates"]["0.1"] for movie in figures["movies"]]
        assert row["tpr_at_0.1"] == pytest.approx(np.mean(rates)), number
    assert len(figures["representations"][0]["roc"]) == len(figures["roc_false_positive_rates"])
    assert json.loads(json.dumps(figures)) == figures


def test_without_labels_hard_pairs_and_links_are_shown_and_the_reason_is_given(tmp_path: Path) -> None:
    found = compared(dataset(tmp_path, two_movies(), named=False), model(tmp_path / "whole"))
    assert [column.key for column in columns(found)] == [
        *("known_again", "link_equal_error", "hard_in_order", "hard_positive_median", "hard_negative_median")
    ]
    page = verification_page(found, CURVES)
    assert "Verification is absent: no movie has two named tracks of one person" in page
    assert "<h2>ROC</h2>" not in page
    assert "Hard pairs, before and after" in page
    assert comparison_json(found)["verification_absent"]


def test_without_links_verification_is_shown_alone(tmp_path: Path) -> None:
    found = compared(dataset(tmp_path, two_movies(), together=False))
    assert [column.key for column in columns(found)][-1] == "equal_error"
    page = verification_page(found, CURVES)
    assert "The equal error of links is absent: 0 pairs" in page
    assert "Hard pairs, before and after" not in page
    assert "<h2>ROC</h2>" in page


def test_one_movie_without_labels_is_left_out_of_the_mean_and_named_as_a_count(tmp_path: Path) -> None:
    movies = two_movies()
    movies["b"] = replace(movies["b"], identities=["x"] * 60)
    found = compared(dataset(tmp_path, movies))
    assert found.unnamed.startswith("1 of 2 movies have not")
    assert [movie.movie_id for movie in found.verified] == ["a"]
    assert "Some movies are not verified" in verification_page(found, CURVES)


def test_neither_labels_nor_links_is_nothing_to_verify(tmp_path: Path) -> None:
    root = dataset(tmp_path, two_movies(), named=False, together=False)
    with pytest.raises(CastmineError, match=r"nothing to verify on: import labels \(castmine labels import"):
        compared(root)


def test_notes_say_what_a_model_has_seen_and_that_it_is_of_another_pack(tmp_path: Path) -> None:
    root = dataset(tmp_path, two_movies())
    found = compared(root, model(tmp_path / "seen", movies=("a", "z")), model(tmp_path / "other", pack="buffalo"))
    assert found.rows[1].notes == ("was fitted to 1 of the 2 movies: on them its figures are not held out",)
    anew = compared(root, model(tmp_path / "anew", movies=("a",), checked_on=("b",)))
    assert anew.rows[1].notes == ("was fitted to 2 of the 2 movies: on them its figures are not held out",)
    assert found.rows[2].notes == ("was trained on embeddings of buffalo, and these are of imported-8",)
    assert "fitted to 1 of the 2 movies" in verification_page(found, CURVES)


def test_models_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [model(tmp_path / "one/model"), model(tmp_path / "two/model"), model(tmp_path / "base")]
    found = compared(dataset(tmp_path, two_movies()), *paths)
    assert [row.name for row in found.rows] == ["base", *paths]


BEFORE = {
    "an empty dataset": ("empty", [], "holds no movie yet; harvest or import some"),
    "no dataset": ("nowhere", [], "no castmine dataset here"),
    "a folder that is not a model": ("dataset", ["tracks"], "is not a model folder"),
    "a model for other embeddings": ("dataset", ["wide"], "is for 512-d embeddings .* 'a' has 8-d ones"),
    "one model twice": ("dataset", ["whole", "whole"], "was given twice"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_what_cannot_be_begun_is_one_clear_error(tmp_path: Path, case: str) -> None:
    root, models, message = BEFORE[case]
    dataset(tmp_path, two_movies())
    Dataset.create(tmp_path / "empty")
    (tmp_path / "tracks").mkdir()
    model(tmp_path / "wide", size=512)
    model(tmp_path / "whole")
    with pytest.raises(CastmineError, match=message):
        verify(str(tmp_path / root), [str(tmp_path / name) for name in models], tmp_path / "out", CONFIG)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error_before_any_work(tmp_path: Path) -> None:
    root = dataset(tmp_path, two_movies())
    with pytest.raises(CastmineError, match="cannot be written"):
        verify(root, [], tmp_path / "tracks.parquet/out", CONFIG)


def test_every_movie_failing_is_an_error_that_names_one(tmp_path: Path) -> None:
    root = dataset(tmp_path, two_movies())
    with pytest.raises(CastmineError, match=r"no movie of .* could be verified; a: NaN"):
        compare(root, [], Dataset.open(root).records(), [], {"b": "gone", "a": "NaN"}, CONFIG)


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_curves_stand_in_csv_files_and_two_writings_are_the_same_bytes(
    labelled: ModelComparison, tmp_path: Path
) -> None:
    for out in (tmp_path / "one", tmp_path / "two"):
        out.mkdir()
        write_comparison(labelled, out)
    for name in (PAGE, CURVES, MOVIE_CURVES):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = list(csv.DictReader((tmp_path / "one" / CURVES).open()))
    assert [row["tpr"] for row in rows if float(row["fpr"]) == 1] == ["1"] * 3
    by_movie = list(csv.DictReader((tmp_path / "one" / MOVIE_CURVES).open()))
    assert {row["movie_id"] for row in by_movie} == {"a", "b"}
    assert len(by_movie) == 2 * len(rows)


class Addresses(HTMLParser):
    """All that a page could fetch or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts: list[str] = []
        self.in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_script = tag == "script"
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, text: str) -> None:
        self.scripts += [text] if self.in_script and text.strip() else []


def test_the_page_fetches_nothing_runs_nothing_and_takes_no_name_for_markup(labelled: ModelComparison) -> None:
    first, *others = labelled.rows
    movie: VerifiedMovie = replace(labelled.movies[0], movie_id=HOSTILE)
    hostile = replace(
        labelled,
        dataset=HOSTILE,
        rows=(first, *(replace(row, name=HOSTILE, notes=(HOSTILE,)) for row in others)),
        movies=(movie, *labelled.movies[1:]),
        failed={HOSTILE: HOSTILE},
    )
    page = Addresses(verification_page(hostile, CURVES))
    assert page.scripts == []
    assert set(page.found) == {"data:,", CURVES}


@pytest.mark.parametrize("width", [1300, 390])
def test_a_browser_shows_the_page_without_an_error(labelled: ModelComparison, tmp_path: Path, width: int) -> None:
    page = write_comparison(labelled, tmp_path)
    picture = tmp_path / "page.png"
    shot = chromium(tmp_path / "p", f"--window-size={width},1600", f"--screenshot={picture}", page.as_uri())
    assert "CONSOLE" not in shot.stderr
    assert picture.exists()


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_compares_models_on_the_benchmark(castmine: Castmine, bench: Path, tmp_path: Path) -> None:
    castmine("import", "tracks", bench / "phototracks/dev.parquet", "--dataset", tmp_path / "dev")
    narrow = model(tmp_path / "narrow", size=128, kept=32, pack="imported-128")
    ran = castmine(
        *("verify", "--dataset", tmp_path / "dev", "--model", narrow),
        *("--out", tmp_path / "out", "--json", tmp_path / "v.json"),
    )
    assert "mean over 4 of 4 movies" in ran.out
    base, cut = json.loads((tmp_path / "v.json").read_text())["representations"]
    assert round(base["tpr_at_0.1"], 3) == 0.923
    assert round(base["tpr_at_0.01"], 3) == 0.694
    assert cut["tpr_at_0.1"] < base["tpr_at_0.1"]
    assert "0.923" in (tmp_path / "out" / PAGE).read_text()


def test_a_movie_that_fails_is_named_and_the_others_are_compared(castmine: Castmine, tmp_path: Path) -> None:
    root = dataset(tmp_path, two_movies())
    Path(root, Dataset.open(root).records()[1].shards["faces"].path).unlink()
    ran = castmine("verify", "--dataset", root, "--out", tmp_path / "out", status=1)
    assert "mean over 1 of 1 movie · " in ran.out
    assert "failed: b: " in ran.err
    assert "failed and is left out" in (tmp_path / "out" / PAGE).read_text()


@pytest.mark.parametrize("left", [None, 0, 1000], ids=["lost", "empty", "cut short"])
def test_faces_that_cannot_be_read_fail_their_own_movie_and_not_what_is_declared_for_it(
    tmp_path: Path, left: int | None
) -> None:
    opened = Dataset.open(dataset(tmp_path, two_movies()))
    movie = opened.records()[0]
    path = Path(opened.root, movie.shards["faces"].path)
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(content[:left])
    assert count_embedded(opened, movie) == movie.rows("faces")
    with pytest.raises(DatasetError, match=rf"{path.name}: is .*castmine doctor"):
        verify_one(VerifyJob(opened.root, movie.movie_id, (), CONFIG))


def test_an_error_is_one_line_and_exit_status_2(castmine: Castmine, tmp_path: Path) -> None:
    ran = castmine("verify", "--dataset", tmp_path / "none", "--out", tmp_path / "out", status=2)
    assert ran.err.startswith("error: ")
