"""The command that clusters again what could not be clustered: with every choice that was made, however it was made."""

import json
from shlex import quote

from workflows.cluster.job import ClusterJob
from workflows.config import keys

SECTIONS = ("cluster.", "train.mining.", "train.calibration.", "run.workers")
"""Keys that a clustering depends on."""


def retry_command(job: ClusterJob) -> str:
    """`castmine cluster …` for what any movie's job was asked, to which the movies are still to be added."""
    k_from = str(job.k_from)
    chosen = {"dataset": job.root, "method": job.method, "model": job.model, "adapt": job.adapt, "k-from": k_from}
    chosen["run"] = job.run
    flags = [f"--{name} {quote(value)}" for name, value in chosen.items() if value]
    defaults = {key: value for key, value, _ in keys()}
    flags += [
        f"--set {quote(f'{key}={json.dumps(value, default=str)}')}"
        for key, value, _ in keys(job.config)
        if key.startswith(SECTIONS) and value != defaults[key]
    ]
    return " ".join(["castmine cluster", *flags])
