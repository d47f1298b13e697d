"""The command that clusters again what could not be clustered: with every choice that was made, however it was made."""

import json
from shlex import quote

from workflows.cluster.job import KFrom
from workflows.config import Config, keys

SECTIONS = ("cluster.", "train.mining.", "train.calibration.", "run.workers")
"""Keys that a clustering depends on."""


def retry_command(
    root: str, method: str, config: Config, model: str | None, k_from: KFrom, run: str, adapt: str | None
) -> str:
    """`castmine cluster …`, to which the movies are still to be added."""
    chosen = {"dataset": root, "method": method, "model": model, "adapt": adapt, "k-from": str(k_from), "run": run}
    flags = [f"--{name} {quote(value)}" for name, value in chosen.items() if value]
    defaults = {key: value for key, value, _ in keys()}
    flags += [
        f"--set {quote(f'{key}={json.dumps(value, default=str)}')}"
        for key, value, _ in keys(config)
        if key.startswith(SECTIONS) and value != defaults[key]
    ]
    return " ".join(["castmine cluster", *flags])
