"""`castmine corpus` on real clips: every stage by one config, each done again only where its inputs have changed."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml

from harvest.dataset.read import Dataset
from tests.s3.bucket import Bucket
from tests.workflows.conftest import Castmine, Harvested, digests
from tests.workflows.test_harvest import run_lightly
from workflows.journal.records import latest_journal

NO_RAY = """
import sys
from workflows.cli import main
try:
    main()
finally:
    print("loaded:", *(name for name in ("ray", "torch", "onnxruntime", "boxmot", "sklearn") if name in sys.modules))
"""


@dataclass(frozen=True)
class Kept:
    """A corpus that is kept up to date."""

    folder: Path
    config: Path

    @property
    def movies(self) -> Path:
        return self.folder / "movies"

    @property
    def dataset(self) -> Path:
        return self.folder / "films"

    def report(self) -> dict[str, Any]:
        """The last run's."""
        found: dict[str, Any] = json.loads((self.folder / "films-sheets" / "report.json").read_text())
        return found

    def stages(self) -> dict[str, str]:
        return {stage["stage"]: stage["state"] for stage in self.report()["stages"]}


@pytest.fixture(scope="module")
def kept(castmine: Castmine, harvested: Harvested, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """hamilton.mp4, harvested before, learned from in vain, clustered and shown by a first run."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(harvested.dataset, folder / "films")
    shutil.copytree(harvested.corpus, folder / "movies")
    config = folder / "corpus.yaml"
    section = {"movies": "movies", "dataset": "films", "models": str(harvested.models)}  # beside the file
    config.write_text(yaml.safe_dump({"corpus": section, "run": {"workers": 1}}))
    made = Kept(folder, config)
    said = castmine("corpus", "--config", config).out
    assert "refused" in said, "a corpus too small to learn from says so"
    return made


def test_the_first_run_goes_on_with_the_pack_where_there_is_too_little_to_learn_from(kept: Kept) -> None:
    report = kept.report()
    assert kept.stages() == {"harvest": "unchanged", "train": "refused", "cluster cast": "done", "report": "done"}
    assert report["stages"][2]["clustered"] == ["hamilton"]
    assert report["movies"] | {"gone": 0} == {
        **{"in_corpus": 1, "done": 0, "unchanged": 1, "failed": 0},
        **{"left_for_later": [], "gone": 0, "kept_by": {}, "pruned": []},
    }
    assert report["config"]["run"]["workers"] == 1
    assert report["packages"]["ray"]
    assert (kept.folder / "films-sheets" / "hamilton.html").exists()
    assert not (kept.folder / "films-model").exists()


def test_a_second_run_finds_nothing_to_do_and_loads_nothing_heavy(kept: Kept) -> None:
    said = run_lightly("corpus", "--config", kept.config)
    assert re.search(r"harvest +unchanged +1 unchanged *\n", said), "nothing is told that is nothing"
    assert "of film" not in said
    assert kept.stages() == {
        "harvest": "unchanged",
        "train": "refused",
        "cluster cast": "unchanged",
        "report": "unchanged",
    }
    assert kept.report()["seconds"] < 5


def test_training_alone_that_is_refused_ends_as_castmine_train_does_and_nothing_goes_on(
    castmine: Castmine, kept: Kept
) -> None:
    ran = castmine("corpus", "--config", kept.config, "--only", "train", status=2)
    assert "refused" in ran.out
    assert "going on" not in ran.out
    assert kept.stages() == {"train": "refused"}


def test_a_dry_run_starts_no_ray_and_writes_nothing(kept: Kept, clips: Path, tmp_path: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in kept.folder.rglob("*"))
    corpus, out = tmp_path / "movies", tmp_path / "plan.json"
    shutil.copytree(kept.movies, corpus)
    shutil.copyfile(clips / "street.mp4", corpus / "street.mp4")
    more = ("--set", f"corpus.movies={corpus}", "--set", "harvest.stride=5", "--limit", "1", "--json", str(out))
    command = [sys.executable, "-c", NO_RAY, "corpus", "--config", str(kept.config), "--dry-run", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded:\n"), done.stdout
    plan = json.loads(out.read_text())
    assert (plan["harvest"]["movies"], plan["harvest"]["later"], plan["harvest"]["shards"]) == (1, 1, 4)
    assert plan["harvest"]["hours"] * 3600 == pytest.approx(10.02, abs=0.01), "of its longest stream, the sound"
    assert plan["harvest"]["rate"] > 0, "measured by the run that harvested the clip"
    assert plan["harvest"]["start_s"] > 1
    assert set(plan["stages"].values()) == {"movies are harvested before it"}
    assert sorted((path, path.stat().st_mtime_ns) for path in kept.folder.rglob("*")) == before


def test_a_new_movie_alone_is_harvested_and_clustered_and_a_bad_one_is_named_and_stops_nothing(
    castmine: Castmine, kept: Kept, clips: Path
) -> None:
    shutil.copyfile(clips / "street.mp4", kept.movies / "street.mp4")
    (kept.movies / "bad.mp4").write_bytes(b"no film at all")
    ran = castmine("corpus", "--config", kept.config, status=1)
    assert "failed: bad:" in ran.err
    assert " after Ray's start: " in ran.out, "which the rate leaves out"
    report = kept.report()
    assert [report["movies"][name] for name in ("done", "unchanged", "failed")] == [1, 1, 1]
    harvest, train, cluster, sheets = report["stages"]
    assert set(harvest["failed"]) == {"bad"}
    assert train["state"] == "refused"
    assert cluster["clustered"] == ["street"], "the other movie's tracks are the same, and so is its model"
    assert sheets["state"] == "done"
    shares = {row["stage"]: row["share"] for row in report["harvest"]["stages"]}
    assert {"decode", "detect", "embed", "track", "write", "waiting"} <= set(shares)
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert report["harvest"]["peak_bytes"] > 2**28
    assert report["harvest"]["driver_peak_bytes"] > 2**26
    assert report["harvest"]["movie_hours_per_wall_hour"] > 0

    found = castmine("failures", "--dataset", kept.dataset).out
    assert "bad" in found
    assert f"castmine corpus --config {kept.config} --retry-failed" in found
    assert "bad" in castmine("status", "--dataset", kept.dataset).out
    again = run_lightly("corpus", "--config", kept.config, status=1)
    assert "2 unchanged, 1 failed" in again
    assert "of film" not in again, "what is left out costs nothing"
    assert kept.report()["harvest"] == {}
    (kept.movies / "bad.mp4").unlink()


def test_a_stage_that_failed_makes_the_run_one_that_failed(castmine: Castmine, kept: Kept) -> None:
    wrong = ("--only", "cluster", "--set", "corpus.clusterings=[{k_from: labels}]")
    assert "no movie has labels" in castmine("corpus", "--config", kept.config, *wrong, status=1).err
    assert kept.report()["outcome"] == "failed"
    journal = latest_journal(Dataset.open(kept.dataset).store)
    assert journal
    assert (journal.outcome, journal.note) == ("failed", "cluster cast-labels: failed")


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--only", "harvest")])
def test_a_method_that_there_is_not_is_refused_before_the_harvest(kept: Kept, more: tuple[str, ...]) -> None:
    wrong = ("--set", "corpus.clusterings=[{method: spectral}]", *more)
    before = (kept.folder / "films-sheets" / "report.json").stat().st_mtime_ns
    assert not run_lightly("corpus", "--config", kept.config, *wrong, status=2, besides={"scipy"})
    assert (kept.folder / "films-sheets" / "report.json").stat().st_mtime_ns == before


@pytest.fixture
def kept_two(castmine: Castmine, kept: Kept, clips: Path) -> Kept:
    """With street.mp4 kept too, and a bad movie that has failed and left, whichever tests were run before."""
    if Dataset.open(kept.dataset).record("street") is None:
        shutil.copyfile(clips / "street.mp4", kept.movies / "street.mp4")
        (kept.movies / "bad.mp4").write_bytes(b"no film at all")
        castmine("corpus", "--config", kept.config, status=1)
        (kept.movies / "bad.mp4").unlink()
    return kept


@pytest.mark.slow
def test_a_changed_setting_of_clustering_redoes_what_depends_on_it_and_no_more(
    castmine: Castmine, kept_two: Kept
) -> None:
    kept = kept_two
    castmine("corpus", "--config", kept.config, "--set", "cluster.threshold=0.2")
    assert kept.stages() == {"harvest": "unchanged", "train": "refused", "cluster cast": "done", "report": "done"}
    assert kept.report()["stages"][2]["clustered"] == ["hamilton", "street"]


@pytest.mark.slow
def test_a_movie_that_left_the_corpus_is_reported_and_goes_only_when_asked(
    castmine: Castmine, kept_two: Kept, tmp_path: Path
) -> None:
    kept = kept_two
    (kept.movies / "street.mp4").rename(tmp_path / "street.mp4")
    try:
        said = castmine("corpus", "--config", kept.config, "--only", "report").out
        assert "no longer in the corpus: bad, street" in said, "one failed and never was in the dataset"
        assert Dataset.open(kept.dataset).record("street")
        asked = ("corpus", "--config", kept.config, "--only", "report", "--prune")
        refused = castmine(*asked, "--set", "corpus.shrunk=0.4", status=1).err
        assert "is all of the corpus mounted?" in refused
        assert "removed, no longer in the corpus: bad, street" in castmine(*asked).out
        assert Dataset.open(kept.dataset).record("street") is None
        assert not (kept.folder / "films-sheets" / "street.html").exists(), "its cast sheet is gone too"
        assert (kept.folder / "films-sheets" / "hamilton.html").exists()
        assert "street" not in "".join(path.read_text() for path in (kept.dataset / "_runs").rglob("*.json"))
    finally:
        (tmp_path / "street.mp4").rename(kept.movies / "street.mp4")


@pytest.mark.slow
def test_by_force_a_shard_that_was_lost_comes_back_to_the_byte(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset = harvested.copy(tmp_path)
    config = tmp_path / "corpus.yaml"
    section = {"movies": str(harvested.corpus), "dataset": str(dataset), "models": str(harvested.models)}
    config.write_text(yaml.safe_dump({"corpus": section, "run": {"workers": 1}}))
    before = digests(dataset)
    record = Dataset.open(dataset).record("hamilton")
    assert record
    (dataset / record.shards["faces"].path).unlink()
    only = ("corpus", "--config", config, "--only", "harvest")
    assert "1 unchanged" in castmine(*only).out
    assert "1 harvested" in castmine(*only, "--force").out
    assert digests(dataset) == before
    assert (dataset / record.shards["faces"].path).exists()


@pytest.mark.slow
def test_a_corpus_whose_dataset_lies_in_a_bucket_is_kept_as_on_a_disk(
    castmine: Castmine, harvested: Harvested, bucket: Bucket, tmp_path: Path
) -> None:
    root = f"{bucket.url}/films"
    fsspec.filesystem("s3").put(str(harvested.dataset), root, recursive=True)
    section = {"movies": str(harvested.corpus), "dataset": root, "models": str(harvested.models), "train": None}
    config = tmp_path / "corpus.yaml"
    config.write_text(yaml.safe_dump({"corpus": {**section, "report": str(tmp_path / "sheets")}}))
    assert "1 clustered anew" in castmine("corpus", "--config", config).out
    assert (tmp_path / "sheets" / "hamilton.html").exists()
    run_lightly("corpus", "--config", config)
    report = json.loads((tmp_path / "sheets" / "report.json").read_text())
    assert [stage["state"] for stage in report["stages"]] == ["unchanged", "left out", "unchanged", "unchanged"]
    assert "1 movie committed" in castmine("status", "--dataset", root).out
    assert castmine("card", "--dataset", root).out.count("hamilton") >= 1


def test_a_config_that_does_not_say_what_to_harvest_is_refused(castmine: Castmine, tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_text("corpus: {dataset: films}\n")
    assert "corpus.movies is not set" in castmine("corpus", "-c", tmp_path / "corpus.yaml", status=2).err
