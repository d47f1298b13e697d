"""`castmine doctor`: each check on what works and on what does not, and the command's exit status."""

import json
import os
import shlex
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from tests.harvest import small_dataset
from tests.workflows.conftest import Castmine, Harvested, digests
from tests.workflows.test_status import writer
from workflows.config import load_config
from workflows.doctor import machine
from workflows.doctor.dataset import dataset
from workflows.doctor.finding import Finding, examined
from workflows.doctor.pack import pack, packs_here
from workflows.lease import lease_on

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
    assert works >= {"python", "packages", "decoders", "onnxruntime", "torch", "memory", "models", "ray"}
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
    found = machine.memory_and_disk(load_config(None, ["run.workers=3", "run.memory_gb=100000"]))[0]
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
    assert "pip install" in found.remedy


def finding(root: Path, what: str, mend: bool = False) -> Finding:
    (found,) = (finding for finding in dataset(str(root), mend) if finding.what == what)
    return found


def test_lost_shards_are_found_and_made_again_by_the_commands_that_the_doctor_names(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    castmine("cluster", "-d", root)
    opened = Dataset.open(root)
    record, clustered = opened.record("hamilton"), opened.derived_record("clusters", "hac", "hamilton")
    assert record
    assert clustered
    for shard in (record.shards["faces"], clustered.shard):
        (root / shard.path).unlink()
    found = finding(root, "shards")
    assert (found.state, found.said) == ("broken", "lost or cut short: 2 shards of hamilton: clusters (hac), faces")
    assert found.remedy == f"put the files back from a copy; or castmine doctor --dataset {root} --repair"
    mended = finding(root, "repair", mend=True)
    harvest, cluster = mended.remedy.split("; ")
    castmine(*shlex.split(harvest)[1:])
    castmine(*shlex.split(cluster.partition(", as it made")[0])[1:])
    assert states(dataset(str(root)))["shards"] == "works"
    assert digests(root) == digests(harvested.dataset)
    again = opened.derived_record("clusters", "hac", "hamilton")
    assert again
    assert again.shard == clustered.shard
    assert finding(root, "repair", mend=True).said == "no record had to be taken back"


def test_lost_labels_are_to_be_given_again(harvested: Harvested, tmp_path: Path) -> None:
    dataset_of_labels = small_dataset.make(tmp_path / "dataset")
    (record,) = dataset_of_labels.derived_records("labels")
    (tmp_path / "dataset" / record.shard.path).unlink()
    found = finding(tmp_path / "dataset", "shards")
    assert found.remedy == "put the files back from a copy; or castmine labels import, for labels were given by hand"


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
