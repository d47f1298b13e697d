"""What every HTML page of castmine is made with: cast sheets, verification and comparison alike.

A page is one file: style and script stand in it, its content policy forbids to fetch anything or to run another script,
and all text that comes from a dataset is escaped.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workflows.report import timeline

SHARED = "workflows.report"
"""The package whose templates every page builds on."""


def render(template: str, package: str = SHARED, style: str = "", script: str = "", **values: Any) -> str:
    """A page as HTML.

    Args:
        template: its name in the folder `templates` of `package`.
        style: name of a style sheet there, after the shared ones; script: of a script; none where empty.
    """
    styles = _asset(SHARED, "sheet.css") + _asset(SHARED, "charts.css") + (_asset(package, style) if style else "")
    code = _asset(package, script) if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    page = _templates(package).get_template(template)
    return page.render(style=Markup(styles), script=Markup(code), script_digest=digest, **values)


@cache
def _templates(package: str) -> Environment:
    """`autoescape` is on for every template: nothing of a dataset is ever taken for markup."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(SHARED)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        data_uri=_data_uri, grouped="{:,}".format, timecode=timeline.timecode, length_of_time=timeline.length
    )
    return templates


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


@cache
def _asset(package: str, name: str) -> str:
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")
