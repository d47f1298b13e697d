"""The whole configuration: a YAML file fills it, `--set section.key=value` overrides it, an unknown key is an error."""

import json
import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from cluster.config import ClusterConfig, ComparisonConfig
from harvest.config import HarvestConfig, Section
from harvest.errors import ConfigError
from train.config import TrainConfig, VerificationConfig
from workflows.corpus.config import PLACES, CorpusConfig
from workflows.report.config import ReportConfig


class DecodeConfig(Section):
    """Where video is decoded. On a GPU colours may differ in their last bits, so the device enters no harvest_id."""

    device: Literal["cpu", "cuda"] = "cpu"
    """cuda: NVDEC through a decord that was built with CUDA; checked at start."""
    longest_pause_s: float = Field(1.0, gt=0)
    """A longer hole in a movie of constant frame rate is damage. Raise it for recordings that were paused."""


class RunConfig(Section):
    """How the work is spread. Nothing here changes what comes out."""

    workers: int | None = Field(None, ge=1)
    """Ray workers; unset: one for each core of this machine, or of the cluster."""
    segment_minutes: float = Field(10, gt=0)
    """Movies are harvested in segments of at most this length, on any free worker; of a few movies, in shorter ones."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the face models run. cuda that is not active is an error at start, never a slow run on the CPU."""
    gpus_per_worker: float = Field(1.0, gt=0)
    """Share of a GPU that each worker holds, where device is cuda."""
    batch: int = Field(1, ge=1)
    """Frames or chips that the models take at once. More than 1 gains nothing on a CPU."""
    memory_gb: float = Field(2.0, gt=0)
    """Memory that a worker declares to Ray, in GiB. What it shares with nobody is 0.5 of it for a movie of 640 px, 0.7
    for 1080p, 1.3 for 4K, whatever the length (resident, with libraries: 0.8, 1.0, 1.7) …"""
    memory_excess: float = Field(1.5, ge=1)
    """… and it is killed, and its work tried again, when that is more than so many times what it declared."""
    segments_per_worker: int = Field(200, ge=1)
    """A worker makes room for a new one after so many pieces of work: what native libraries leak goes with it."""
    attempts: int = Field(3, ge=1)
    """How often work is tried over which a worker crashes, hangs or takes too much memory."""
    losses: int = Field(10, ge=0)
    """How often work is tried again whose machine was lost or had no memory left: that is not the movie's fault."""
    stall_s: float = Field(120, gt=0)
    """A worker without progress for so many seconds is killed."""
    start_s: float = Field(120, gt=0)
    """A run that gets no worker at all for so many seconds ends; a cluster that starts machines on demand needs 900."""
    heartbeat_s: float = Field(5, gt=0)
    """A run writes so often into its journal, which `castmine status` reads, how far it is."""
    journals: int = Field(50, ge=1)
    """Journals of earlier runs that a dataset keeps."""


class Config(Section):
    """Every number of castmine."""

    harvest: HarvestConfig = HarvestConfig()
    train: TrainConfig = TrainConfig()
    verification: VerificationConfig = VerificationConfig()
    cluster: ClusterConfig = ClusterConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    report: ReportConfig = ReportConfig()
    decode: DecodeConfig = DecodeConfig()
    run: RunConfig = RunConfig()
    corpus: CorpusConfig = CorpusConfig()


def load_config(file: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """The defaults, then the YAML file, then the overrides (`harvest.stride=3`, the value in YAML).

    Places of the section `corpus` come out absolute: relative ones of the file lie in its folder, those of an override
    in the working directory.

    Raises:
        ConfigError: a file that cannot be read, an unknown key (the nearest one is named), a value of the wrong kind.
    """
    values = _from_file(file) if file else {}
    if file:
        _place(values, file.parent)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: write it as section.key=value, for example --set harvest.stride=3")
        _put(values, key.strip(), _value(override, text))
    _place(values, Path.cwd())
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(problem, file) for problem in error.errors())) from error


def keys(section: Section | None = None, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every key with its default and its meaning, in the order of the classes; by default of the whole `Config`."""
    section = section or Config()
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)  # a section may have other defaults in one place than in another
        if isinstance(value, Section):
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field.description or ""


def settings_as_flags(config: Config, sections: tuple[str, ...] = ("",), base: Config | None = None) -> list[str]:
    """`--set K=V`, quoted for a shell, for each key of `sections` (prefixes) that is not as in `base`, the defaults."""
    usual, plain = {key: value for key, value, _ in keys(base)}, TypeAdapter(Any)
    other = {
        key: plain.dump_python(value, mode="json")
        for key, value, _ in keys(config)
        if key.startswith(sections) and value != usual[key]
    }
    return [f"--set {quote(f'{key}={json.dumps(value)}')}" for key, value in other.items()]


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        lines = len(file.read_text(encoding="utf-8").splitlines())  # a missing end is told of the line after
        line = min(error.problem_mark.line + 1, lines) if error.problem_mark else 1
        raise ConfigError(f"{file}: not YAML: line {line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{file}: must hold sections such as harvest: or train:, not {type(values).__name__}")
    return values or {}


def _place(values: dict[str, Any], folder: Path) -> None:
    """Make the relative places of the section `corpus` ones in `folder`."""
    corpus = values.get("corpus")
    if isinstance(corpus, dict):
        given = {key: corpus[key] for key in PLACES if isinstance(corpus.get(key), str)}
        corpus |= {key: _absolute(key, place, folder) for key, place in given.items() if place}


def _absolute(key: str, place: str, folder: Path) -> str:
    """A place as it is found from any folder; URLs stay, and packs of face models that are no folder."""
    path = os.path.abspath(os.path.join(folder, os.path.expanduser(place)))
    named = key == "models" and (place == "bundled" or (os.sep not in place and not os.path.isdir(path)))
    return place if named or "://" in place else path


def _value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {text!r} is not a value as YAML writes it; quote a text") from error


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {key}: {section} is a value, not a section")
    values[name] = value


def _explain(problem: Any, file: Path | None) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']} (given: {problem['input']!r})"
    known = [name for name, _, _ in keys()]
    sections = sorted({name.rsplit(".", 1)[0] for name in known})
    near = get_close_matches(key, known + sections, n=1, cutoff=0.4)
    advice = f"; did you mean {near[0]}?" if near else "; castmine config prints every key"
    return f"{key}: no such key{f' in {file} or --set' if file else ''}{advice}"
