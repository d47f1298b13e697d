"""`castmine doctor`: each check on what works and on what does not, and the command's exit status."""

import json
import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harvest.dataset.commit import commit_derived, put_movie_record
from harvest.dataset.read import Dataset
from harvest.errors import ConfigError
from harvest.installation import install_command
from tests.harvest import small_dataset
from tests.workflows.conftest import Castmine, Harvested, digests
from tests.workflows.test_status import writer
from tests.workflows.test_tracks_import import tracks
from workflows.cli import app
from workflows.config import RunConfig, load_config
from workflows.corpus.notes import StageNote, put_note
from workflows.doctor import machine
from workflows.doctor.dataset import dataset
from workflows.doctor.finding import Finding, examined
from workflows.doctor.pack import pack, pack_of, packs_here
from workflows.doctor.run import examine
from workflows.journal.records import MovieProgress
from workflows.journal.writer import JournalWriter
from workflows.lease import lease_on
from workflows.tracks_import import import_tracks

CPU, CUDA = load_config(), load_config(None, ["run.device=cuda"])


def states(findings: list[Finding]) -> dict[str, str]:
    return {finding.what: finding.state for finding in findings}


def test_on_a_machine_that_harvests_all_that_is_needed_works(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    out = tmp_path / "doctor.json"
    castmine("doctor", "-d", harvested.dataset, "--models", harvested.models, "--workers", 1, "--json", out)
    found = json.loads(out.read_text())
    assert found["broken"] == []
    works = {finding["what"] for finding in found["findings"] if finding["state"] == "works"}
    assert works >= {"python", "packages", "decoders", "onnxruntime", "torch", "workers", "models", "ray"}
    assert works >= {"dataset", "shards", "writing", "disk for the dataset"}


def test_a_gpu_that_was_asked_for_and_is_not_there_is_broken_and_not_a_slow_run() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has one")
    (found,) = machine.inference(CUDA)
    assert found.state == "broken"
    assert "pip install --no-deps onnxruntime-gpu==" in found.remedy
    assert states(machine.training(CUDA))["GPU"] == "broken"
    assert states(machine.training(CPU))["GPU"] == "absent"


def test_workers_that_do_not_fit_into_memory_are_told_how_many_would() -> None:
    (found,) = machine.memory(load_config(None, ["run.workers=3", "run.memory_gb=100000"]))
    assert found.state == "broken"
    assert "--workers 1" in found.remedy


def test_a_pack_that_cannot_be_had_says_where_to_put_it() -> None:
    (found,) = examined("models", lambda: pack("no/such/pack", CPU))
    assert found.state == "broken"
    assert "no/such/pack" in found.said
    assert packs_here()[0].what == "packs"


def test_a_native_library_that_cannot_be_loaded_is_a_finding_and_no_traceback() -> None:
    def broken() -> list[Finding]:
        raise ImportError("libnvcuvid.so.1: cannot open shared object file")

    (found,) = examined("decoders", broken)
    assert (found.state, found.said) == ("broken", "ImportError: libnvcuvid.so.1: cannot open shared object file")
    assert found.remedy == f"install it again: {install_command()}"


def finding(root: Path, what: str, mend: bool = False) -> Finding:
    (found,) = (finding for finding in dataset(str(root), mend) if finding.what == what)
    return found


def test_lost_shards_are_found_and_made_again_by_the_commands_that_the_doctor_names(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    opened = Dataset.open(root)
    once = ("--workers", 1, "--set", "harvest.stride=5")
    castmine("harvest", harvested.corpus, "-d", root, "--models", harvested.models, *once)
    castmine("cluster", "-d", root, "--run", "it's mine", "--set", "cluster.threshold=0.4")
    record, clustered = opened.record("hamilton"), opened.derived_record("clusters", "it's mine", "hamilton")
    assert record
    assert clustered
    for shard in (record.shards["faces"], clustered.shard):
        (root / shard.path).unlink()
    found = finding(root, "shards")
    assert (found.state, found.said) == (
        "broken",
        "lost or cut short: 2 shards of hamilton: clusters (it's mine), faces",
    )
    assert found.remedy == f"put the files back from a copy; or castmine doctor --dataset {root} --repair"
    mended = finding(root, "repair", mend=True)
    assert opened.record("hamilton") is None
    for command in mended.remedy.split("; "):
        castmine(*shlex.split(command)[1:])
    assert states(dataset(str(root)))["shards"] == "works"
    assert digests(root) == {table: shard.digest for table, shard in record.shards.items()}
    again = opened.derived_record("clusters", "it's mine", "hamilton")
    assert again
    assert again.shard == clustered.shard
    assert finding(root, "repair", mend=True).said == "no record had to be taken back"


def test_lost_labels_are_to_be_given_again(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    opened = small_dataset.make(root)
    (first,) = opened.derived_records("labels")
    rows = [{"movie_id": "lonely", "label_id": 0, "identity": "Ann", "track_id": 0}]
    table = small_dataset.rows_table("labels", rows)
    second = commit_derived(opened.store, "labels", "labels", "lonely", "h2", table)
    for lost in (first, second):
        (root / lost.shard.path).unlink()
        found = finding(root, "shards")
        assert (
            found.remedy == "put the files back from a copy; or castmine labels import, for labels were given by hand"
        )
    said = finding(root, "repair", mend=True).said
    assert said.startswith("no record had to be taken back; left as they are, for nobody can make them again: 2 shards")


def lose(root: Path, movie_id: str, table: str, run: str = "") -> None:
    opened = Dataset.open(root)
    movie, derived = opened.record(movie_id), opened.derived_record(table, run, movie_id) if run else None
    assert movie
    (root / (derived.shard if derived else movie.shards[table]).path).unlink()


def test_a_movie_whose_source_is_gone_is_left_and_the_doctor_says_so(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    small_dataset.make(root)
    lose(root, "lonely", "links")
    expected = "put the files back from a copy; or castmine forget lonely, whose source is not there any more"
    assert finding(root, "shards").remedy == expected
    assert "left as they are" in finding(root, "repair", mend=True).said
    assert Dataset.open(root).record("lonely")


def test_an_imported_movie_is_imported_again(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    import_tracks(tracks(tmp_path, [0, 1, 2], {0: "Ann"}), str(root))
    before = digests(root, "m")
    lose(root, "m", "faces")
    again = finding(root, "repair", mend=True).remedy
    assert again == f"castmine import tracks {tmp_path}/tracks.parquet --dataset {root}"
    assert CliRunner().invoke(app, shlex.split(again)[1:]).exit_code == 0
    assert digests(root, "m") == before
    assert states(dataset(str(root)))["shards"] == "works"


def test_each_lost_shard_is_made_again_by_the_run_that_made_it(tmp_path: Path) -> None:
    root, films = tmp_path / "dataset", tmp_path / "films"
    opened = small_dataset.make(root)
    films.mkdir()
    for movie_id in ("lonely", "empty"):
        (films / f"{movie_id}.mp4").touch()
        record = opened.record(movie_id)
        assert record
        facts = record.facts.model_copy(update={"corpus": str(films)})
        put_movie_record(opened.store, record.model_copy(update={"facts": facts}))
    for command, retry, movie_id in (
        ("harvest", "castmine harvest /a --dataset DIR --models bundled", "lonely"),
        ("corpus", "castmine corpus --config /b.yaml", ""),
        ("harvest", "castmine harvest /c --dataset DIR --models bundled", "other"),
    ):
        with JournalWriter(opened.store, command, "", "bundled", RunConfig(), f"{retry} --retry-failed") as kept:
            kept.say(movies={movie_id: MovieProgress(state="done")} if movie_id else {})
    put_note(opened.store, "cluster hac", StageNote(fingerprint="", movies={}, outcome="done", said="", at=""))
    for movie_id, table, run in (
        *(("lonely", "faces", ""), ("lonely", "clusters", "hac"), ("empty", "shots", "")),
        (small_dataset.MOVIE, "clusters", "known"),
    ):
        lose(root, movie_id, table, run)
    assert set(finding(root, "repair", mend=True).remedy.split("; ")) == {
        f"castmine harvest {films} --dataset {root} --models pack, "
        "with the pack and the settings of then: no journal tells them any more",
        f"castmine harvest /a --dataset {root} --models bundled",
        "castmine corpus --config /b.yaml",
        f"castmine cluster --dataset {root} --run known, with the options of then",
    }


def test_the_pack_that_is_tried_is_the_one_a_dataset_was_harvested_with(harvested: Harvested, tmp_path: Path) -> None:
    root = harvested.copy(tmp_path)
    (found,) = pack_of(str(root), CPU)
    assert (found.state, found.said.split()[0]) == ("works", "scrfd25_mbf"), "from where the journal says it lies"
    for journal in (root / "_runs").glob("*.json"):
        journal.unlink()
    (found,) = pack_of(str(root), CPU)
    assert (found.state, found.said) == (
        "absent",
        "scrfd25_mbf, with which hamilton was harvested, was not found here",
    )
    assert "--models FOLDER" in found.remedy


def test_failures_are_to_be_known_and_nothing_that_is_absent(tmp_path: Path) -> None:
    small_dataset.make(tmp_path / "dataset")
    found = finding(tmp_path / "dataset", "failures")
    assert (found.state, found.said) == ("note", "1 movie could not be done")


def test_a_repair_is_of_a_dataset() -> None:
    with pytest.raises(ConfigError, match="of which dataset"):
        examine(CPU, "bundled", None, None, mend=True)


def test_a_dataset_that_is_not_there_yet_is_absent_and_looking_for_it_makes_nothing(tmp_path: Path) -> None:
    found = dataset(str(tmp_path / "films"))
    assert states(found) == {"dataset": "absent", "writing": "works"}
    assert list(tmp_path.iterdir()) == []


def test_who_is_at_work_on_a_dataset_is_named(harvested: Harvested, tmp_path: Path) -> None:
    root = harvested.copy(tmp_path)
    with writer(root) as kept:
        (found,) = (finding for finding in dataset(str(root)) if finding.what == "at work")
    assert found.state == "works"
    assert kept.journal.run_id in found.said
    assert "at work" not in states(dataset(str(root)))
    with lease_on(Dataset.open(root).store):
        (found,) = (finding for finding in dataset(str(root)) if finding.what == "lease")
    assert found.state == "works"
    assert f"process {os.getpid()}" in found.said
