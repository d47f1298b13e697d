"""Wrong usage in a line: what is wrong, what was probably meant, and the help that tells more."""

from typing import Any

import typer

CONFIGS = (".yaml", ".yml")


def wrong_usage(error: typer.TyperException) -> str:
    """The line; empty where help is what was printed instead."""
    said = " ".join(error.format_message().split()).replace("Value error, ", "").removeprefix("Invalid value: ")
    context = getattr(error, "ctx", None)
    meant = _meant(said, context) if context else ""
    return said and f"{said.rstrip('.')}{meant} (see {getattr(context, 'command_path', 'castmine')} --help)"


def _meant(said: str, context: Any) -> str:
    """A remedy for what many type first: a pattern that the shell has filled in, a config without its option, a group
    without its command."""
    if said.startswith("Got unexpected extra argument"):
        extra = said.partition("(s) (")[2].removesuffix(")")
        if extra.endswith(CONFIGS) and "config" in context.params:
            return f": --config {extra}?"
        return ": one corpus is taken: put the pattern in quotes, or name the folder" if _takes_corpus(context) else ""
    commands = getattr(context.command, "commands", {}) if context.parent else {}
    if not commands or "Did you mean" in said:
        return ""
    return f"; say {' or '.join(f'{context.command_path} {name}' for name in commands)}"


def _takes_corpus(context: Any) -> bool:
    return any(parameter.name == "corpus" for parameter in context.command.params)
