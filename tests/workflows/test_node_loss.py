"""A machine of the cluster goes in mid-harvest: its work is done by the other one, and no byte differs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from tests.workflows.conftest import Castmine
from tests.workflows.faults import Undisturbed, wait_for, workers

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20}
"""Room for one worker."""


@pytest.fixture
def two_nodes() -> Iterator[Cluster]:
    """A Ray of two machines, as far as Ray can tell."""
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def test_a_machine_that_is_lost_costs_the_segments_it_was_at(
    castmine: Castmine, undisturbed: Undisturbed, two_nodes: Cluster, tmp_path: Path
) -> None:
    second = two_nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    dataset = tmp_path / "dataset"
    command = undisturbed.command(dataset, "--workers", 2, "--segment-minutes", 0.05)
    process = castmine.start(*command, RAY_ADDRESS=two_nodes.address)
    wait_for(lambda: list(workers().values()) == ["harvest", "harvest"] or process.poll() is not None)
    assert len(workers()) == 2, "one on each machine"
    two_nodes.remove_node(second, allow_graceful=False)
    said, wrong = process.communicate(timeout=200)
    assert process.returncode == 0, said + wrong
    assert "Traceback" not in said + wrong
    undisturbed.assert_same(dataset)
