"""Configuration: defaults, a YAML file over them, `--set` over that; whatever is wrong is named with the remedy."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from harvest.errors import ConfigError
from workflows.cli import app
from workflows.config import Config, keys, load_config


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_without_a_file_every_key_has_its_default() -> None:
    assert load_config() == Config()


def test_the_file_fills_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "harvest:\n  stride: 5\nrun:\n  workers: 2\n"))
    assert (config.harvest.stride, config.run.workers) == (5, 2)
    assert config.harvest.detect == Config().harvest.detect


def test_an_override_wins_over_the_file_and_a_later_one_over_an_earlier_one(tmp_path: Path) -> None:
    file = written(tmp_path, "harvest:\n  stride: 5\n  detect:\n    side: 320\n")
    config = load_config(file, ["harvest.stride=2", "harvest.stride=4"])
    assert (config.harvest.stride, config.harvest.detect.side) == (4, 320)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "")) == Config()


def test_an_override_can_take_a_value_back(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "run:\n  workers: 2\n"), ["run.workers=null"]).run.workers is None


HOME = Path("~").expanduser()

PLACED = {
    "a relative place of the file lies in its folder": ("movies: films", "movies", "{here}/config/films"),
    "… whatever is found there": ("movies: ../films/**/*.mp4", "movies", "{here}/films/**/*.mp4"),
    "… and a pack by the slash in its name": ("models: packs/mine", "models", "{here}/config/packs/mine"),
    "… or by being a folder": ("models: pack", "models", "{here}/config/pack"),
    "the home folder is one's own": ("dataset: ~/films", "dataset", f"{HOME}/films"),
    "a full path stays": ("model: /models/films", "model", "/models/films"),
    "a URL stays": ("dataset: s3://bucket/films", "dataset", "s3://bucket/films"),
    "the bundled pack stays": ("models: bundled", "models", "bundled"),
    "a pack that is fetched by its name stays": ("models: buffalo_l", "models", "buffalo_l"),
}


@pytest.mark.parametrize("case", PLACED)
def test_a_place_of_the_corpus_in_a_file_is_the_same_from_any_folder(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, key, place = PLACED[case]
    (tmp_path / "config" / "pack").mkdir(parents=True)
    file = written(tmp_path / "config", f"corpus: {{{said}}}")
    monkeypatch.chdir(tmp_path)
    assert getattr(load_config(file).corpus, key) == place.format(here=tmp_path)
    assert getattr(load_config(Path("config/config.yaml")).corpus, key) == place.format(here=tmp_path)


def test_a_place_of_the_corpus_given_by_an_override_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    file = written(tmp_path / "config", "corpus: {movies: films, dataset: ds}")
    monkeypatch.chdir(tmp_path)
    corpus = load_config(file, ["corpus.movies=clips", "corpus.report=~/sheets"]).corpus
    assert (corpus.movies, corpus.report) == (f"{tmp_path}/clips", f"{HOME}/sheets")
    assert corpus.dataset == f"{tmp_path}/config/ds"


WRONG = {
    "a misspelt key names the nearest": (
        ["harvest.strid=3"],
        r"harvest\.strid: no such key; did you mean harvest\.stride\?",
    ),
    "a misspelt section names the nearest": (["harvset.stride=3"], r"did you mean harvest"),
    "a key that resembles none points at the list": (["zzz.qqq=3"], r"castmine config"),
    "a value of the wrong kind is shown": (["harvest.stride=fast"], r"harvest\.stride: .*'fast'"),
    "a value out of its range is shown": (["harvest.stride=0"], r"harvest\.stride: .*0"),
    "a word that says nowhere to take K from is shown with those that do": (
        ["corpus.clusterings=[{k_from: lables}]"],
        r"corpus\.clusterings\.0\.k_from.*'threshold', 'labels' or 'corpus' \(given: 'lables'\)",
    ),
    "nobody is no cast": (["corpus.clusterings=[{k_from: 0}]"], r"k_from.*greater than 0 \(given: 0\)"),
    "a value that is no YAML is named": (["harvest.stride=["], r"--set harvest\.stride=\["),
    "an override without a value says how to write it": (["harvest.stride"], r"section\.key=value"),
    "a value cannot hold a key": (["harvest.stride=3", "harvest.stride.more=1"], r"stride is a value, not a section"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_override(case: str) -> None:
    overrides, message = WRONG[case]
    with pytest.raises(ConfigError, match=message):
        load_config(None, overrides)


WRONG_FILES = {
    "an unknown key names the file and the nearest key": (
        "harvest: {strid: 3}",
        r"config\.yaml.*did you mean harvest\.stride",
    ),
    "what is no YAML": ("harvest: [", r"config\.yaml: not YAML: line 1: [^\n]*$"),
    "what is no YAML further down": ("harvest:\n  stride: 2\n stride: 3\n", r"config\.yaml: not YAML: line 3: [^\n]*$"),
    "what is no mapping": ("- harvest", r"must hold sections"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file(case: str, tmp_path: Path) -> None:
    text, message = WRONG_FILES[case]
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_config(tmp_path / "none.yaml")


def test_every_key_says_what_it_means() -> None:
    assert [key for key, _, meaning in keys() if not meaning.strip()] == []


def test_what_castmine_config_prints_is_a_config_file_of_the_defaults(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["config"])
    assert printed.exit_code == 0
    assert {"harvest", "train", "cluster", "decode", "run"} <= set(yaml.safe_load(printed.output))
    assert load_config(written(tmp_path, printed.output)) == Config()
