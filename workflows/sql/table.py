"""An answer of `castmine sql` for the eye: as wide as the terminal, and no value of it cut or broken.

What fits is a table. Where it does not fit, a text too long for any table turns rows into blocks, a line a column;
otherwise columns that find no room are left out, and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN_ROWS = 1000
"""Rows of a printed table; what is left out is said. A thousand are more than anyone reads and take rich 1 s."""
_SHOWN_ITEMS = 4
"""Items of a list that are printed, so that an embedding stays on one line …"""
_FEW_ITEMS = 1
"""… and those where there is little room."""
_FOLDED = 24
"""Columns from which on a text is folded, between its words, where there is little room."""
_EDGES, _GAP = 2, 3
"""Columns that rich puts beside a table and between two of its columns."""

Row = tuple[Any, ...]


@dataclass(frozen=True)
class _Column:
    """A column as it is printed."""

    name: str
    number: bool
    cells: list[str]
    cut: bool
    """Whether lists in it are shortened."""

    @cached_property
    def width(self) -> int:
        """Terminal columns of its widest line."""
        return max(cell_len(line) for text in (self.name, *self.cells) for line in text.split("\n"))

    @cached_property
    def least(self) -> int:
        """Terminal columns without which a word of a cell would be broken; its name may be."""
        return min(self.width, max([_FOLDED, *(cell_len(word) for text in self.cells for word in text.split())]))


def print_rows(console: Console, schema: pa.Schema, rows: Sequence[Row], more: bool) -> None:
    """Print the rows of an answer and what is missing of it; `more`: there are rows after these."""
    width = console.width - _EDGES
    columns = fitting = _columns(schema, rows, _SHOWN_ITEMS)
    if _least(columns) > width and any(column.least > width // 2 for column in columns):
        _print_blocks(console, columns, len(rows))
    else:
        if _width(columns) > width:
            columns = _columns(schema, rows, _FEW_ITEMS)
        fitting = _fitting(columns, width)
        console.print(_table(fitting, width))
    count = f"{len(rows) or 'no'} row{'' if len(rows) == 1 else 's'}"
    console.print(f"the first {count}; write all with --format csv --out FILE" if more else count)
    missing = [column.name for column in columns if column not in fitting]
    if missing and rows:
        console.print(f"no room for {', '.join(missing)}: --format csv has all columns", markup=False)
    if any(column.cut for column in fitting):
        console.print("lists are cut: --format csv has them whole")


def _columns(schema: pa.Schema, rows: Sequence[Row], items: int) -> list[_Column]:
    """The columns with at most so many items of a list."""
    columns = []
    for number, field in enumerate(schema):
        values = [row[number] for row in rows]
        cut = any(_is_long(value, items) for value in values)
        cells = [shown(value, items) for value in values]
        columns.append(_Column(_printable(field.name), _is_number(field.type), cells, cut))
    return columns


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def _least(columns: Sequence[_Column]) -> int:
    return sum(column.least + _GAP for column in columns) - _GAP


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """The columns, in their order, for which there is room."""
    fitting: list[_Column] = []
    for column in columns:
        if not fitting or _least([*fitting, column]) <= width:
            fitting.append(column)
    return fitting


def _table(columns: Sequence[_Column], width: int) -> Table:
    """Each column as wide as it wants to be while there is room, and never narrower than its longest word."""
    table, spare = Table(box=box.SIMPLE_HEAD, pad_edge=False), max(0, width - _least(columns))
    for column in columns:
        wide = min(column.width, column.least + spare)
        spare -= wide - column.least
        justify = "right" if column.number else "left"
        table.add_column(Text(column.name), justify=justify, overflow="fold", width=wide)  # type: ignore[arg-type]
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _print_blocks(console: Console, columns: Sequence[_Column], rows: int) -> None:
    """A line a column, which the terminal itself goes on with on the next: it is copied as one."""
    names = max(cell_len(column.name) for column in columns)
    for number in range(rows):
        console.print(Text(f"row {number + 1}", "bold"))
        for column in columns:
            name = column.name + " " * (names - cell_len(column.name))
            console.print(Text(f"  {name}  {column.cells[number]}"), soft_wrap=True)
        console.print()


def _is_long(value: Any, items: int) -> bool:
    return isinstance(value, list | tuple) and len(value) > items


def shown(value: Any, items: int = _SHOWN_ITEMS) -> str:
    """A value in a cell: six digits of a number, three of those in a list, of which there are at most `items`."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return ", ".join(f"{shown(key, items)}: {shown(item, items)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        texts = [f"{item:.3g}" if isinstance(item, float) else shown(item, items) for item in value[:items]]
        return "[" + ", ".join([*texts, *([f"… {len(value)} in all"] if _is_long(value, items) else [])]) + "]"
    return _printable(str(value))


def _printable(text: str) -> str:
    """A title may hold escape sequences that would drive the terminal: what cannot be printed is dropped."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")
