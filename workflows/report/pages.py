"""The HTML pages of a report, from tables: the cast sheet of a movie, and the index that leads to the sheets.

Each page is one file: style, script and faces stand in it, its content policy forbids to fetch anything, and all text
that comes from a dataset is escaped by the templates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from workflows.console import counted
from workflows.report import timeline
from workflows.report.characters import Cast, gather_cast
from workflows.report.config import ReportConfig
from workflows.report.html import render
from workflows.report.kcurve import KChart, k_chart

SCRIPT = "sheet.js"

DROP_WORDS = {
    "detection: small": "faces smaller than the harvest takes",
    "detection: in no track": "faces that the tracker took for no track",
    "detection: in a short track": "faces in tracks that were too short",
    "detection: in a track within a dissolve": "faces in tracks that lie within a dissolve",
    "track: short": "tracks that were too short",
    "track: within a dissolve": "tracks that lie within a dissolve",
}
"""What became of a dropped detection or track, by the harvest's name of the reason."""

SCORES = (
    ("wcp", "WCP", "Weighted cluster purity: share of the labelled tracks that are what most of their character is"),
    ("v_measure", "V-measure", "Harmonic mean of homogeneity and completeness"),
    ("homogeneity", "homogeneity", "1: no character mixes two people"),
    ("completeness", "completeness", "1: nobody is split over two characters"),
    ("pcr", "PCR", "Predicted cluster ratio: characters found per true one; 1 is right"),
)
"""Metrics in the header: field of `cluster.metrics.Metrics`, name, meaning."""


@dataclass(frozen=True)
class CastSheet:
    """What a cast sheet is made from; tables have the columns of `SCHEMAS`."""

    movie: Mapping[str, Any]
    """The movie's row of `movies`."""
    shots: pa.Table
    tracks: pa.Table
    faces: pa.Table
    """The columns `FACE_COLUMNS` are enough."""
    links: pa.Table
    clusters: pa.Table | None = None
    """Assignments of one run; null: the movie was not clustered."""
    identities: Mapping[int, str] = field(default_factory=dict)
    """By track_id, where a person named it."""
    metrics: Mapping[str, Any] | None = None
    """Fields of `cluster.metrics.Metrics`."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the run's record keeps: method, model, threshold."""
    index: str | None = None
    """Relative address of the index page."""

    def cast(self, config: ReportConfig) -> Cast:
        """The characters of the movie."""
        return gather_cast(self.tracks, self.faces, self.links, self.clusters, self.identities, config)

    @property
    def duration_s(self) -> float:
        """Length of the time axis: the movie's duration; where it is not known, the end of the last track."""
        ends = [time for time in self.tracks["end_s"].to_pylist() if time]
        return float(self.movie.get("duration_s") or max(ends, default=0.0))


def cast_sheet(sheet: CastSheet, config: ReportConfig | None = None, cast: Cast | None = None) -> str:
    """The page of one movie, as HTML; `cast` may be given where it was gathered before."""
    config = config or ReportConfig()
    cast = cast or sheet.cast(config)
    everyone = [*cast.characters, cast.unknown]
    duration_s = sheet.duration_s
    begins_s = [row["start_s"] for row in sheet.shots.to_pylist() if row["begins"] != "start"]
    return render(
        "cast_sheet.html",
        script=SCRIPT,
        config=config,
        cast=cast,
        title=movie_title(sheet.movie),
        index=sheet.index,
        facts=_movie_facts(sheet.movie),
        scores=_scores(sheet.metrics),
        run_facts=_run_facts(sheet),
        curve=_k_chart(sheet),
        provenance=_provenance(sheet.movie),
        drops=_drops(sheet.movie),
        clustered=sheet.clusters is not None,
        tracks=sheet.tracks.num_rows,
        shots=sheet.shots.num_rows,
        links=sheet.links.num_rows,
        violations=sum(character.violations for character in cast.characters),
        wrong=sum(character.wrong for character in cast.characters),
        chipless=sum(contact.chip is None for character in everyone for contact in character.contacts),
        ticks=timeline.axis_ticks(duration_s),
        shot_lines=timeline.line_path(begins_s, duration_s),
        cut_lines=0 < len(begins_s) <= config.cut_lines,
        percent=lambda seconds: timeline.percent(seconds, duration_s),
        bars=lambda who: timeline.bar_path((contact.span for contact in who.contacts), duration_s),
        shown=lambda who: who.shown(config),
    )


def index_line(sheet: CastSheet, page: str, config: ReportConfig, cast: Cast) -> str:
    """The line of one movie on the index page, as HTML; `page` is the file name of its cast sheet."""
    return render(
        "index_line.html",
        title=movie_title(sheet.movie),
        page=page,
        facts=_index_facts(sheet, cast),
        cast=cast,
        config=config,
    )


def index_page(
    lines: Sequence[str],
    failures: Sequence[Mapping[str, Any]] = (),
    run: str | None = None,
    seconds: float = 0.0,
) -> str:
    """The page that leads to the cast sheets, as HTML.

    Args:
        lines: of the movies, by `index_line`. failures: rows of that table. seconds: length of all movies.
    """
    facts = [timeline.length(seconds), f"run {run}" if run else "not clustered yet"] if lines else []
    return render("index.html", script=SCRIPT, lines=[Markup(line) for line in lines], failures=failures, facts=facts)


def movie_title(movie: Mapping[str, Any]) -> str:
    """The user's title, else the id."""
    return str(movie.get("title") or movie["movie_id"])


def _movie_facts(movie: Mapping[str, Any]) -> list[str]:
    facts = [str(movie["year"])] if movie.get("year") else []
    facts += [timeline.length(movie["duration_s"])] if movie.get("duration_s") else []
    facts += [f"{movie['width']} × {movie['height']}"] if movie.get("width") and movie.get("height") else []
    facts += [f"{movie['fps']:.4g} fps"] if movie.get("fps") else []
    return [*facts, str(movie["uri"])] if movie.get("uri") else facts


def _index_facts(sheet: CastSheet, cast: Cast) -> list[str]:
    movie, characters, tracks = sheet.movie, len(cast.characters), sheet.tracks.num_rows
    facts = [timeline.length(movie["duration_s"])] if movie.get("duration_s") else []
    facts += [counted(characters, "character"), counted(tracks, "track")]
    return facts + [f"{word} {value}" for value, word, _ in _scores(sheet.metrics) if word in ("WCP", "V-measure")]


def _scores(metrics: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Value, name and meaning of the metrics that are had."""
    if not metrics:
        return []
    scores = [(f"{metrics[key]:.3f}", word, meaning) for key, word, meaning in SCORES if metrics.get(key) is not None]
    if metrics.get("identities") is not None:
        found, true = f"{metrics['clusters']:,}", f"{metrics['identities']:,}"
        scores.append((found, "labelled characters", "Characters that hold labelled tracks: K found"))
        scores.append((true, "people named", "People whom the labels of these tracks name: true K"))
    if metrics.get("tracks") is not None:
        scores.append((f"{metrics['tracks']:,}", "labelled tracks", "Tracks that a label names"))
    return scores


def _k_chart(sheet: CastSheet) -> KChart | None:
    """The run's curve of scores against K, with the sheet's own scores; None where the run kept none."""
    curve = sheet.notes.get("k_curve")
    return k_chart(curve, sheet.metrics, str(sheet.notes.get("method"))) if curve and sheet.metrics else None


def _drops(movie: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Reasons in words with their counts, most first; a reason without words stands as it is."""
    counts = dict(movie.get("drops") or {})
    return [
        (DROP_WORDS.get(reason, reason), counts[reason]) for reason in sorted(counts, key=lambda r: (-counts[r], r))
    ]


def _run_facts(sheet: CastSheet) -> list[tuple[str, str]]:
    """Run, method, model and where K came from, as far as they are known."""
    row = sheet.clusters.slice(0, 1).to_pylist() if sheet.clusters is not None else []
    known = {**sheet.notes, **(row[0] if row else {})}
    words = {"run": "run", "method": "method", "model": "model", "k_from": "K from", "threshold": "threshold"}
    facts = [(word, known[key]) for key, word in words.items() if known.get(key) is not None]
    return [(word, f"{value:.4g}" if isinstance(value, float) else str(value)) for word, value in facts]


def _provenance(movie: Mapping[str, Any]) -> list[tuple[str, str]]:
    columns = {"movie": "movie_id", "harvest": "harvest_id", "face models": "models", "config": "config_hash"}
    known = [(word, str(movie[column])) for word, column in columns.items() if movie.get(column) is not None]
    return [*known, ("castmine", version("castmine"))]
