"""What a journal says of a run so that it is good in any folder: its places, and the command that does it again."""

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from harvest.storage import is_remote
from workflows.config import Config, load_config, settings_as_flags

SECTIONS = ("harvest.", "decode.", "run.")
"""Keys that a harvest reads."""
ONLY_FAILED = " --retry-failed"
"""At the end of each command: without it, what is not there any more is done again too."""


def places(corpus: str, models: str) -> tuple[str, str]:
    """Corpus and models as they are found from any folder."""
    place = corpus if is_remote(corpus) else os.path.abspath(corpus)
    return place, os.path.abspath(models) if os.path.isdir(models) and models != "bundled" else models


def harvest_again(corpus: str, models: str, config: Config) -> str:
    """`castmine harvest …` of what failed; DIR is the dataset."""
    place, pack = places(corpus, models)
    command = f"castmine harvest {quote(place)} --dataset DIR --models {quote(pack)}"
    return " ".join([command, *settings_as_flags(config, SECTIONS)]) + ONLY_FAILED


def for_movies(command: str, movies: Sequence[str]) -> str:
    """A clustering's command for these movies alone; an id with a comma in it stands by itself."""
    several = ",".join(name for name in movies if "," not in name)
    alone = [name for name in movies if "," in name]
    return " ".join([command, *(f"--movies {quote(names)}" for names in [several, *alone] if names)])


def corpus_again(file: str, config: Config) -> str:
    """`castmine corpus …` by the config file, with what is not as that says, or by no file where there is none."""
    given = Path(file).absolute() if Path(file).is_file() else None
    flags = [f"--config {quote(str(given))}"] if given else []
    return " ".join(["castmine corpus", *flags, *settings_as_flags(config, base=load_config(given))]) + ONLY_FAILED
