"""A command that runs as a submitted Ray job: what is different there, said before anything is lost."""

from pathlib import Path

from harvest.errors import ConfigError

PACKAGES = "runtime_resources/working_dir_files"
"""Where Ray unpacks the working directory of a job, and deletes it when the job is over."""


def lasting(path: str | Path | None) -> str | Path | None:
    """The path as given. Raises ConfigError where it lies in the own folder of a submitted job, which will go."""
    if path and "://" not in str(path) and PACKAGES in str(Path(path).absolute()):
        raise ConfigError(
            f"{path}: a submitted job runs in a folder of its own, which Ray deletes afterwards; "
            "give a full path, on storage that every machine has"
        )
    return path
