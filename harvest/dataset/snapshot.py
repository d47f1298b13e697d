"""What of a dataset is committed at one instant. Apart from the views over it, so that a harvest never loads DuckDB."""

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class Snapshot:
    """What is committed at one instant: everything that a reader may see."""

    shards: dict[str, list[str]]
    """Parquet files by table: those of the current harvests, and of derived tables made from them."""
    stale: dict[str, list[str]]
    """Parquet files by derived table, made from an older harvest of their movie."""
    movies: pa.Table
    """SCHEMAS["movies"], from the commit records."""
    failures: pa.Table
    """SCHEMAS["failures"]."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the files, as the records say; a bucket is asked for those that are missing here."""

    def files(self) -> list[str]:
        """Every file that any view reads."""
        return [file for files in (*self.shards.values(), *self.stale.values()) for file in files]
