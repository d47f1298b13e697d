"""Checks of Ray: that it answers or starts, and how many of the workers find room on the machines of a cluster."""

import time

from workflows.config import Config, RunConfig
from workflows.console import counted
from workflows.doctor.finding import Finding

ON_DEMAND = "as it should be where machines start on demand"


def ray(address: str | None, config: Config) -> list[Finding]:
    """Whether a Ray answers at the address, and has room for the workers; without one, whether Ray starts here."""
    from workflows.ray_cluster import ray_cluster

    began = time.monotonic()
    with ray_cluster(address, config.run.workers) as cores:
        import ray as running

        resources, nodes = running.cluster_resources(), [node for node in running.nodes() if node["Alive"]]
        held = f"{resources.get('CPU', 0):.0f} cores, {resources.get('GPU', 0):.0f} GPUs"
        memory = f"{resources.get('memory', 0) / 2**30:.0f} GiB for workers"
        place = f"at {address}, {counted(len(nodes), 'node')}" if is_elsewhere(address) else "started here"
        said = f"{running.__version__} {place} in {time.monotonic() - began:.1f} s: {held}, {memory}"
        room = [_room(config.run, config.run.workers or cores)] if is_elsewhere(address) else []
        gpus = resources.get("GPU", 0)
    if config.run.device == "cuda" and gpus < config.run.gpus_per_worker and not is_elsewhere(address):
        return [Finding("ray", "broken", f"{said}; cuda was asked for", "give Ray a GPU; or --device cpu")]
    return [Finding("ray", "works", said), *room]


def is_elsewhere(address: str | None) -> bool:
    """Whether the work is done by a Ray that others started, whose machines are not this one, or not it alone."""
    return address not in (None, "", "local")


def _room(run: RunConfig, wanted: int) -> Finding:
    """Whether as many workers as are wanted find room at once. Fewer is no harm: the others wait."""
    from workflows.ray_cluster import largest_node_gb, places

    gpu = run.gpus_per_worker if run.device == "cuda" else 0.0
    now = places(run.memory_gb, gpu)
    needs = f"a core, {run.memory_gb:.1f} GiB" + (f", {gpu:g} GPU" if gpu else "")
    said = f"room for {min(now, wanted)} of {wanted} now ({needs} each)"
    if now >= wanted:
        return Finding("workers", "works", said)
    largest = largest_node_gb() * 1e9 / 2**30
    if largest < run.memory_gb:
        advice = f"--set run.memory_gb={largest:.1f} or less, or larger machines"
        return Finding("workers", "broken", f"{said}: the largest machine gives its tasks {largest:.1f} GiB", advice)
    fewer = f"else --workers {now}" if now else f"{run.start_s:.0f} s are waited for the first (run.start_s)"
    return Finding("workers", "note", said, f"{ON_DEMAND}; {fewer}")
