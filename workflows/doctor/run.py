"""All checks, one after another, printed as they come in."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from harvest.errors import ConfigError
from workflows.config import Config
from workflows.console import out
from workflows.doctor import cluster, dataset, machine, pack
from workflows.doctor.finding import Check, Finding, examined

COLOURS = {"works": "green", "note": "yellow", "absent": "yellow", "broken": "red"}


def examine(
    config: Config, models: str | None, root: str | None, address: str | None, mend: bool = False
) -> list[Finding]:
    """Every check, printed at once: some take seconds. `mend`: repair the dataset before it is looked at.

    `models`: None: those that the dataset was harvested with. Raises ConfigError where there is no dataset to repair.
    """
    if mend and not root:
        raise ConfigError("--repair: of which dataset? give --dataset DIR")
    elsewhere = cluster.is_elsewhere(address)
    checks: list[tuple[str, Check]] = [
        ("packages", machine.packages),
        ("decoders", machine.decoders),
        ("onnxruntime", lambda: machine.inference(config, elsewhere)),
        ("torch", lambda: machine.training(config, elsewhere)),
        ("memory", lambda: [] if elsewhere else machine.memory(config)),
        ("disk for Ray", machine.disk),
        ("packs", pack.packs_here),
        ("models", lambda: pack.pack(models, config, elsewhere) if models else pack.pack_of(root, config, elsewhere)),
        ("ray", lambda: cluster.ray(address, config)),
    ]
    if root:
        checks.append(("dataset", lambda: dataset.dataset(root, mend)))
    findings = []
    for what, check in checks:
        for finding in examined(what, check):
            _print(finding)
            findings.append(finding)
    broken = [finding.what for finding in findings if finding.state == "broken"]
    out.print(f"needs care: {', '.join(broken)}" if broken else "all that is needed works", markup=False)
    return findings


def findings_json(findings: list[Finding]) -> dict[str, Any]:
    broken = [finding.what for finding in findings if finding.state == "broken"]
    return {"findings": [asdict(finding) for finding in findings], "broken": broken}


def _print(finding: Finding) -> None:
    line = Text(f"{finding.state:<7}", COLOURS[finding.state])
    out.print(line.append(f" {finding.what}: {finding.said}", "default"), soft_wrap=True)
    if finding.remedy:
        out.print(f"        → {finding.remedy}", markup=False, soft_wrap=True)
