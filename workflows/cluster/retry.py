"""The command that clusters again what could not be clustered: with every choice that was made, however it was made."""

from shlex import quote

from workflows.cluster.job import ClusterJob
from workflows.config import settings_as_flags

SECTIONS = ("cluster.", "train.mining.", "train.calibration.", "run.workers")
"""Keys that a clustering depends on."""


def retry_command(job: ClusterJob) -> str:
    """`castmine cluster …` for what any movie's job was asked, to which the movies are still to be added."""
    k_from = str(job.k_from)
    chosen = {"dataset": job.root, "method": job.method, "model": job.model, "adapt": job.adapt, "k-from": k_from}
    chosen["run"] = job.run
    flags = [f"--{name} {quote(value)}" for name, value in chosen.items() if value]
    return " ".join(["castmine cluster", *flags, *settings_as_flags(job.config, SECTIONS)])
