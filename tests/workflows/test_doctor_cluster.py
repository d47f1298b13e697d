"""`castmine doctor` on the head of a cluster: it measures the machines that work, not the one on which it is typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest
from ray.cluster_utils import Cluster

from tests.workflows.conftest import Castmine
from tests.workflows.machines import MACHINE, coreless_head
from workflows.config import Config, load_config
from workflows.doctor.cluster import ray
from workflows.doctor.finding import Finding

EXAMPLE = Path(__file__).resolve().parents[2] / "infra/corpus.yaml"


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    with coreless_head() as cluster:
        yield cluster


def without_gpu() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU")


def test_the_cluster_that_infra_describes_is_not_broken_while_nobody_works_on_it(
    castmine: Castmine, head: Cluster, pack_folder: Path, tmp_path: Path
) -> None:
    without_gpu()
    out = tmp_path / "doctor.json"
    command = ("doctor", "-c", EXAMPLE, "--dataset", tmp_path / "films", "--models", pack_folder, "--json", out)
    castmine(*command, "--device", "cuda", "--address", head.address)
    found = {finding["what"]: finding for finding in json.loads(out.read_text())["findings"]}
    notes = {what for what, finding in found.items() if finding["state"] == "note"}
    assert notes == {"onnxruntime", "GPU", "models", "workers"}
    assert "runs on cpu: 128-d" in found["models"]["said"]
    assert found["workers"]["said"] == "room for 0 of 64 now (a core, 2.0 GiB, 1 GPU each)"
    assert found["workers"]["remedy"].endswith("900 s are waited for the first (run.start_s)")
    assert "memory" not in found, "of a machine that does no work"


def room(head: Cluster, *settings: str) -> Finding:
    config: Config = load_config(EXAMPLE, settings)
    (found,) = (finding for finding in ray(head.address, config) if finding.what == "workers")
    return found


def test_the_workers_that_find_room_are_those_of_the_machines_that_there_are(head: Cluster) -> None:
    for memory, gpus in ((9, 1), (5, 0)):
        head.add_node(num_cpus=4, num_gpus=gpus, memory=memory * 2**30, **MACHINE)
    found = room(head)
    assert (found.state, found.said) == ("note", "room for 6 of 64 now (a core, 2.0 GiB each)"), (
        "4 on one, 2 on another"
    )
    assert found.remedy.endswith("else --workers 6")
    assert room(head, "run.workers=6").state == "works"
    for share, workers in ((0.1, 4), (0.5, 2), (1, 1)):
        found = room(head, "run.device=cuda", f"run.gpus_per_worker={share}")
        assert found.said.startswith(f"room for {workers} of 64 now"), share
    found = room(head, "run.memory_gb=10", "run.workers=1")
    assert found.state == "broken", "larger than the largest machine"
    assert found.remedy.startswith("--set run.memory_gb=9.0 or less")
