"""The castmine commands that stand in files: found as a shell would see them, parsed by the real command line."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.core import TyperGroup

from workflows.cli import app
from workflows.config import Config, load_config

COMMAND = re.compile(r"(?:^|(?<=[\s;(]))(?:(?:[\w./]*bin/)?castmine|python -m workflows|(?:infra/ray/)?submit\.sh)\s.*")
END = re.compile(r"&&|\|\|?|;|&|[12]?>.*")
"""A word at which a shell ends a command or its arguments."""

SPAN = re.compile(r"`(castmine \w[^`]* --[^`]*)`")
"""A command with its options within a line of text."""


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every castmine command in lines of shell."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        code = line.strip().removeprefix("$ ")
        if code.startswith(("#", "--")):
            continue
        for found in COMMAND.findall(code):
            yield from _split(found)


def _split(line: str) -> Iterator[list[str]]:
    words, current = shlex.split(line, comments=True), []
    for word in [*words, "&&"]:
        if not END.fullmatch(word):
            current.append(word.strip("[]"))
            continue
        arguments = _arguments(current)
        if arguments:
            yield arguments
        current = []


def _arguments(words: list[str]) -> list[str] | None:
    if any("$" in word for word in words):  # a script hands on what it was given
        return None
    if words[:3] == ["python", "-m", "workflows"]:
        return words[3:]
    return words[1:] if words and words[0].endswith(("castmine", "submit.sh")) else None


def of_yaml(path: Path) -> Iterator[list[str]]:
    """Those in any text value of a YAML file, YAML inside YAML too."""
    for document in yaml.safe_load_all(path.read_text()):
        for text in _texts(document):
            yield from commands(text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
    elif isinstance(value, str):
        yield value


def of_markdown(path: Path) -> Iterator[list[str]]:
    """Those in the code blocks of a page, and whole ones in its text."""
    fenced, code = False, []
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            code.append(line.strip())
        else:
            code += [found for found in SPAN.findall(line) if "…" not in found and not found.endswith("--help")]
    yield from commands("\n".join(code))


def of_script(path: Path) -> Iterator[list[str]]:
    """Those that a script runs, and those that its comments show, set off by three blanks."""
    lines = [line.removeprefix("#   ") for line in path.read_text().splitlines()]
    yield from commands("\n".join(lines))


def of_crontab(path: Path) -> Iterator[list[str]]:
    """Those of the lines with a schedule, less its five fields and the user."""
    for line in path.read_text().splitlines():
        if line[:1].isdigit():
            yield from commands(line.split(maxsplit=6)[6])


def parse(arguments: list[str]) -> Config:
    """Parse one command as `castmine` does, without running it; returns its configuration.

    Raises what the command line raises: no such command, option or value.
    """
    command, context, rest = typer.main.get_command(app), None, arguments
    while isinstance(command, TyperGroup):
        context = command.make_context("castmine", list(rest), parent=context)
        if not (context._protected_args or context.args):
            return load_config()  # castmine --version
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found, name
        command = found
    context = command.make_context(name, list(rest), parent=context)
    return load_config(None, context.params.get("set_") or [])
