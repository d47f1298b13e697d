"""The rules of the house, checked over the tree: who imports whom, sizes, pins, the top level, the command line."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from workflows.cli import app, options

ROOT = Path(__file__).resolve().parents[1]
PURE = ("harvest", "train", "cluster")
PACKAGES = (*PURE, "workflows")
MAY_IMPORT = {
    "harvest": set(),
    "train": {"harvest"},
    "cluster": {"harvest", "train"},  # cluster/adapt fits networks to a movie with train's losses, pairs and loop
    "workflows": {"harvest", "train", "cluster"},
}
"""Imports go down only."""

LINES, FUNCTION_LINES = 250, 60

TOP_LEVEL = {"harvest", "train", "cluster", "workflows", "infra", "tests"} | {
    *("Makefile", "LICENSE", "README.md", "pyproject.toml", ".gitignore", ".rayignore", ".ci")
}

WITHOUT_METADATA = {"dlib": "dlib-bin"}
"""Modules whose wheel does not say that it holds them."""

FILES = {path.relative_to(ROOT).as_posix(): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(line) for line in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
]


def imported(tree: ast.Module) -> Iterator[str]:
    """First names of all modules that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield (node.module or "").split(".")[0]


def pins() -> dict[str, str]:
    """Version by canonical name, of infra/constraints.txt."""
    lines = (ROOT / "infra/constraints.txt").read_text().splitlines()
    stated = [line.split("#")[0].strip() for line in lines]
    return {canonicalize_name(name): pin for name, pin in (line.split("==") for line in stated if line)}


def test_imports_go_down_and_only_workflows_knows_ray() -> None:
    for name, tree in TREES.items():
        package = name.split("/")[0]
        wrong = set(imported(tree)) & ((set(PACKAGES) - {package} - MAY_IMPORT[package]) | {"tests"})
        assert not wrong, f"{name} imports {wrong}"
        assert package == "workflows" or "ray" not in imported(tree), f"{name} imports ray"


def test_the_pure_packages_never_print_and_nothing_unpickles() -> None:
    for name, tree in TREES.items():
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
        assert not (name.split("/")[0] in PURE and "print" in called), f"{name} prints"
        assert not set(imported(tree)) & {"pickle", "joblib", "dill", "cloudpickle"}, f"{name} pickles"


def test_every_import_is_a_declared_dependency() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS}
    known = packages_distributions()
    for name, tree in TREES.items():
        for module in set(imported(tree)) - set(PACKAGES) - set(sys.stdlib_module_names):
            found = {canonicalize_name(dist) for dist in known.get(module, [WITHOUT_METADATA.get(module, module)])}
            assert found & declared, f"{name}: {module} ({', '.join(found)}) is not in pyproject.toml"


def test_files_and_functions_are_short_and_every_file_says_what_it_is_for() -> None:
    for name, tree in TREES.items():
        length = len(FILES[name].read_text(encoding="utf-8").splitlines())
        assert length <= LINES, f"{name}: {length} lines"
        assert ast.get_docstring(tree) or not length, f"{name}: no docstring"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= FUNCTION_LINES, f"{name}: {node.name} has {lines} lines"


def test_the_top_level_holds_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    assert {line.split("/")[0].strip('"') for line in listed.stdout.splitlines()} <= TOP_LEVEL


def test_the_licence_is_the_agpl_as_boxmot_asks() -> None:
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()[:200]
    assert PROJECT["license"] == "AGPL-3.0-or-later"


def test_every_declared_dependency_is_pinned_to_a_version_it_allows() -> None:
    pinned = pins()
    for requirement in REQUIREMENTS:
        pin = pinned.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement.name}: no pin"
        assert requirement.specifier.contains(pin), f"{requirement}: pinned to {pin}"


def test_the_constraints_name_versions_and_no_place() -> None:
    for line in (ROOT / "infra/constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*(  # .+)?", line), line


def test_all_that_castmine_pulls_in_is_pinned_and_is_what_is_installed() -> None:
    pinned, wrong = pins(), list[str]()
    queue: list[tuple[str, tuple[str, ...]]] = [("castmine", ("bundled", "dev"))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        if name != "castmine" and pinned.get(name) != found.version:
            wrong.append(f"{name} {found.version} is installed, pinned is {pinned.get(name)}")
        for requirement in map(Requirement, found.requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                queue.append((canonicalize_name(requirement.name), tuple(sorted(requirement.extras))))
    assert wrong == []


def test_a_file_that_is_named_in_the_code_or_a_page_is_there() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("infra/**/*.md"), *ROOT.glob("tests/bench/*.md"), *FILES.values()]
    here = {path.name for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"\b(?:harvest|train|cluster|workflows|tests|infra)/[\w./-]+\.[a-z]+\b", text):
            assert (ROOT / name).exists(), f"{page}: {name}"
        for name in re.findall(r"`(\w+\.py)`", text):
            assert name in here, f"{page}: {name}"


def test_a_harvest_never_loads_duckdb() -> None:
    """Beside torch, duckdb ends a process with pages of complaints about its own objects."""
    code = "import sys, workflows.harvest.jobs; sys.exit('duckdb' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


CONTRACT = {
    "harvest": "corpus --dataset --models --workers --segment-minutes --device --set --json --retry-failed --batch",
    "import tracks": "file --dataset",
    "import bcl": "folder --dataset",
    "import ssiam": "folder --dataset",
    "labels import": "file --dataset",
    "train": "--dataset --method --out --json",
    "cluster": "--dataset --method --model --adapt --k-from --run --json",
    "verify": "--dataset --model --out --json",
    "compare": "--dataset --runs --out --json",
    "report": "--dataset --run --out",
    "sql": "query --dataset --format --out --schema",
    "demo": "--out",
    "corpus": "--config --only --limit --retry-failed --force --prune --dry-run --wait --set --json",
    "status": "--dataset --run --json",
    "failures": "--dataset --json",
    "doctor": "--dataset --models --device --repair --config --json",
    "card": "--dataset --out",
    "vacuum": "--dataset --older-than --dry-run",
    "forget": "movie --dataset --yes",
    "config": "",
}
"""What scripts may call: it does not change."""


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name and command of all that a group holds, its groups' commands too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def test_the_command_line_keeps_its_contract() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert set(found) >= set(CONTRACT)
    for name, wanted in CONTRACT.items():
        options = {text for parameter in found[name].params for text in (*parameter.opts, parameter.name)}
        assert set(wanted.split()) <= options, name


def test_the_help_of_every_command_shows_the_names_of_its_options_whole_on_80_columns() -> None:
    for name, command in commands(typer.main.get_command(app)):
        page = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"}).output
        words = set(re.findall(r"(?<!\S)--?[\w-]+(?!\S)", page))
        wanted = {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}
        assert {text for text in wanted if text.startswith("-")} <= words, name


def test_every_option_says_in_a_sentence_what_it_does_and_a_flag_shows_no_value() -> None:
    for name, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            assert str(parameter.help).endswith("."), f"{name} {parameter.name}"
            if getattr(parameter, "is_bool_flag", False):
                assert parameter.metavar == "", f"{name} {parameter.name}: workflows.cli.options.flag"


def test_the_help_names_every_command_and_says_how_to_begin() -> None:
    page = CliRunner().invoke(app, ["--help"]).output
    for name in CONTRACT:
        assert name.split()[0] in page, name
    assert "castmine demo" in page


def test_the_help_and_the_readme_tell_every_exit_status() -> None:
    for status in (0, options.FAILED, options.USAGE, options.INTERRUPTED):
        assert re.search(rf"\b{status} \w", str(app.info.epilog))
        assert f"\n| {status} | " in (ROOT / "README.md").read_text()
