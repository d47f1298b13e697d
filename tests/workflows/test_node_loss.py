"""A cluster of several machines, as far as Ray can tell: a head without cores, and one that goes in mid-harvest."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from harvest.dataset.read import Dataset
from tests.workflows.conftest import Castmine
from tests.workflows.faults import Undisturbed, staged, wait_for, workers
from tests.workflows.machines import MACHINE, coreless_head


@pytest.fixture
def head() -> Iterator[Cluster]:
    with coreless_head() as cluster:
        yield cluster


@pytest.mark.slow
def test_a_head_alone_says_what_is_missing_and_a_machine_that_is_lost_costs_only_its_segments(
    castmine: Castmine, undisturbed: Undisturbed, head: Cluster, tmp_path: Path
) -> None:
    dataset = tmp_path / "dataset"
    command = undisturbed.command(dataset, "--segment-minutes", 0.05)
    ran = castmine(*command, "--set", "run.start_s=3", status=2, RAY_ADDRESS=head.address)
    assert "no room for one (machines: 1, cores: 0, GPUs: 0, memory: " in ran.err
    assert "run.start_s where machines start on demand" in ran.err

    for _ in range(2):  # one core each: one worker each
        last = head.add_node(num_cpus=1, **MACHINE)
    process = castmine.start(*command, RAY_ADDRESS=head.address)
    wait_for(lambda: staged(dataset) or Dataset.open(dataset).records())  # both are at work, for they began together
    at_work = workers()
    assert len(at_work) == 2, "one on each machine"
    head.remove_node(last, allow_graceful=False)
    wait_for(lambda: len(set(workers()) & set(at_work)) == 1)
    assert process.poll() is None, "it is in mid-harvest"
    said, wrong = process.communicate(timeout=200)
    assert process.returncode == 0, said + wrong
    assert "Traceback" not in said + wrong
    undisturbed.assert_same(dataset)
