"""A cluster of several machines on this one, as far as Ray can tell."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.cluster_utils import Cluster

MACHINE = {"object_store_memory": 100 * 2**20}
"""What each gives Ray's object store."""


@contextmanager
def coreless_head() -> Iterator[Cluster]:
    """A head that gives away no core, as those of infra/ do; `add_node` adds machines that work."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False} | MACHINE)
    try:
        yield cluster
    finally:
        cluster.shutdown()
