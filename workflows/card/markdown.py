"""The card as Markdown."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from harvest.dataset.commit import now
from harvest.dataset.records import MovieRecord
from workflows.card.facts import DatasetFacts
from workflows.console import counted

LISTED_ROWS = 200
"""Movies and failures listed; of more, the first ones."""

RESEARCH = "pretrained insightface packs are for non-commercial research only"
LICENCES = {
    "bundled": "CenterFace: MIT; dlib's ResNet and 5-point aligner: Boost, CC0. Free to use",
    **dict.fromkeys(("buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2"), RESEARCH),
}
UNKNOWN = f"not known to castmine; ask whoever made the files ({RESEARCH})"

BIOMETRIC = """The tables hold faces: boxes, landmarks, aligned crops (`faces.chip`) and embeddings by which a person
can be found again. In many places that is biometric data (in the EU: a special category, GDPR article 9). Whoever
keeps this dataset answers for:

- **a ground to process it** (consent, or another that the law knows) for every person on screen, and for the rights in
  the movies themselves;
- **retention**: delete it when its purpose is over; a copy of a shard is a copy of the faces in it;
- **deletion on request**: `castmine forget MOVIE` takes away every row and file of a movie, `castmine corpus --prune`
  what has left the corpus, `castmine vacuum` files that nothing names any more. The cast sheets of
  `castmine corpus` go with its next report; others, exports, models and backups are not reached by these;
- **no decision about a person** by it: clusters are guesses, with the errors that its metrics state."""


def card(facts: DatasetFacts) -> str:
    """The whole card. Names from the corpus are escaped."""
    return "\n".join(_lines(facts)).rstrip() + "\n"


def _lines(facts: DatasetFacts) -> Iterator[str]:
    yield f"# Dataset card: {_text(facts.root.rstrip('/').rpartition('/')[2])}"
    yield ""
    yield f"Face tracks of {counted(len(facts.movies), 'movie')}, harvested by castmine. Made from the dataset's own"
    yield f"records on {now()[:10]} by castmine {version('castmine')}; schema version {facts.schema_version}."
    yield from _section("What is in it")
    yield from _table(("", ""), _amounts(facts))
    yield from _section("How it was made")
    if facts.first:
        yield f"Committed from {facts.first[:10]} to {facts.last[:10]}."
        yield ""
    rows = ((m.models, f"`{m.models_hash}`", m.embedding_size, f"`{m.config_hash}`", m.movies) for m in facts.made_with)
    yield from _table(("face models", "hash of their files", "d", "hash of the config", "movies"), rows)
    yield ""
    for name in sorted({made.models for made in facts.made_with}):
        yield f"- Licence of {_text(name)}: {LICENCES.get(name, UNKNOWN)}."
    yield "- castmine itself: AGPL-3.0-or-later. The movies' own rights are their owners'."
    yield from _section("Splits")
    split_rows = ((name, movies, f"{hours:.2f}", tracks) for name, (movies, hours, tracks) in facts.splits.items())
    yield from _table(("split", "movies", "hours", "tracks"), split_rows)
    yield from _section("What was dropped, and why")
    yield from _table(("reason", "count"), facts.drops.items())
    yield from _section("What failed")
    failed = ((f.movie_id, f.where, f.attempts, f.at[:10], f.message) for f in facts.failures[:LISTED_ROWS])
    yield from _table(("movie", "where", "tries", "when", "what"), failed)
    yield from _section("Clusterings")
    clusterings = (
        (c.run, c.methods, c.models, c.movies, c.characters, "" if c.wcp is None else f"{c.wcp:.3f}")
        for c in facts.clusterings
    )
    yield from _table(("run", "method", "model", "movies", "characters", "WCP where labelled"), clusterings)
    yield from _section("Movies")
    yield from _table(
        ("movie", "title", "year", "minutes", "tracks", "cannot-links"), map(_movie, facts.movies[:LISTED_ROWS])
    )
    if len(facts.movies) > LISTED_ROWS:
        yield ""
        yield f"… and {len(facts.movies) - LISTED_ROWS} more, in the view `movies`."
    yield from _section("Biometric data")
    yield BIOMETRIC


def _amounts(facts: DatasetFacts) -> Iterator[tuple[str, str]]:
    yield "movies", f"{len(facts.movies)}, {facts.hours:.2f} hours"
    yield from ((name, f"{number:,}") for name, number in facts.rows.items())
    yield "movies with labels", str(facts.labelled)
    yield "failures", str(len(facts.failures))
    yield "on disk", f"{facts.bytes / 2**20:,.1f} MiB of Parquet"


def _movie(record: MovieRecord) -> tuple[object, ...]:
    said, minutes = record.facts, f"{record.facts.duration_s / 60:.1f}"
    return record.movie_id, said.title or "", said.year or "", minutes, record.rows("tracks"), record.rows("links")


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    """A table, or the word none."""
    lines = [f"| {' | '.join(_text(str(cell)) for cell in row)} |" for row in rows]
    if not lines:
        yield "None."
        return
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    yield from lines


def _text(text: str) -> str:
    """One line in which nothing is Markdown or HTML but code in backticks that castmine itself wrote."""
    if re.fullmatch(r"`[0-9a-f]+`", text):
        return text
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))
