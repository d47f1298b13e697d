"""How castmine is installed, for messages that miss a package: from its checkout, for it is on no package registry."""


def install_command(extra: str = "") -> str:
    """What installs castmine anew, with an extra of pyproject.toml where one is named."""
    what = f"'.[{extra}]'" if extra else "."
    return f"pip install -c infra/constraints.txt {what} (at the top of its checkout)"
