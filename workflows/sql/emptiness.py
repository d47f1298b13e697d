"""Why an answer of `castmine sql` has no rows, where a view that it reads has none; and the command that makes them."""

import json
from shlex import quote

import duckdb

from harvest.dataset.views import STALE, view_docs
from workflows.sql.select import parts, query_text

_WHY = {
    "movies": "nothing was harvested yet; castmine harvest CORPUS --dataset {root}",
    "shots": "no movie here has shots",
    "tracks": "no movie has a face track; castmine sql drops --dataset {root} says what was dropped",
    "faces": "no movie has a face track; castmine sql drops --dataset {root} says what was dropped",
    "links": "no two tracks of a movie are seen together",
    "tracklets": "nothing was trained on it yet; castmine train --dataset {root} --out MODEL_DIR",
    "clusters": "no movie is clustered as it was harvested last; castmine cluster --dataset {root}",
    "labels": "no movie has labels; castmine labels import FILE.csv --dataset {root}",
    "failures": "no failure stands",
}
"""What it means that a view is empty, in the order in which views are made of each other."""


def why_empty(connection: duckdb.DuckDBPyConnection, query: str, root: str) -> str:
    """The first view of those that the query reads that is empty, why, and what fills it; empty where none is.

    `connection` and `query` are those of `select.batches`, which has checked them.
    """
    read = _views(connection, query_text(query))
    for view in (view for view in view_docs() if view in read):
        if not connection.cursor().execute(f"SELECT 1 FROM {view} LIMIT 1").fetchall():
            made_of = "nothing here was made from an older harvest of its movie"
            why = made_of if view.endswith(STALE) else _WHY[view].format(root=quote(root))
            return f"{view} is empty: {why}"
    return ""


def _views(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Names of all tables in the query, in lower case."""
    tree = json.loads(connection.cursor().execute("SELECT json_serialize_sql($1)", [query]).fetchall()[0][0])
    return {str(part["table_name"]).lower() for part in parts(tree) if part.get("type") == "BASE_TABLE"}
