"""What `castmine train` prints, and the same as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from train.validation import Gain
from workflows.console import counted, out
from workflows.train.run import TrainSummary


def trained(summary: TrainSummary) -> None:
    """What was learned, from what, and what it gained on movies that it did not see."""
    card = summary.card
    checked = f"checked on {len(card.validation_movies)}"
    if card.refit:
        checked += f", then fitted to all {card.fitted_tracks} tracks of {len(card.fitted_movies)}"
    people = f", {card.train_identities} identities" if card.train_identities else ""
    movies = counted(len(card.train_movies), "movie")
    out.print(f"{card.method}: {card.train_tracks} tracks of {movies}{people}, {checked}")
    if card.curve:
        best = max((epoch for epoch in card.curve if epoch["best"]), key=lambda epoch: epoch["epoch"])
        figures = {"loss": best["train_loss"], "held out": best["validation_loss"], "NMI held out": best["score"]}
        shown = ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items() if figure is not None)
        out.print(f"  {counted(len(card.curve), 'epoch')}, best {best['epoch'] + 1}: {shown}")
    for note in card.notes:
        out.print(f"  {note}", markup=False)
    _held_out(card.held_out, card.config["recognition"]["contradicted"])
    threshold = "none" if card.threshold is None else f"{card.threshold:.4f}"
    out.print(f"  threshold {threshold}: {card.calibration}", markup=False)
    if card.squared_radius is not None:
        out.print(f"  squared radius b {card.squared_radius:.4f}: balls merge up to 4b")
    out.print(f"model: {summary.model} · {summary.seconds:.1f} s", markup=False, soft_wrap=True)


def _held_out(gains: Mapping[str, Gain], contradicted: float) -> None:
    """The base's figure and the model's, of movies that it did not see; the one to go by first."""
    if known := gains.get("known_again"):
        change = f"{known.before:.1%} → {known.after:.1%}"
        out.print(f"  held out: people known again in {change} of pairs of tracks (more is better), where")
        out.print(
            f"  {contradicted * 100:g}% of these contradict each other: a track would be two people seen together"
        )
    if confused := gains.get("equal_error"):
        change = f"{confused.before:.2%} → {confused.after:.2%}"
        out.print(
            f"  held out: {change} of pairs within one track or one frame are confused (equal error; less is better)"
        )
        if not known and confused.after >= confused.before:
            out.print("  which does not tell whether people are known again in other scenes:")
            out.print("  castmine verify shows it where there are labels")
    if rho := gains.get("rho"):
        change = f"{rho.before:.4f} → {rho.after:.4f}"
        out.print(f"  held out: correlation ρ of a track's tracklets {change} (more is better)")


def train_json(summary: TrainSummary) -> dict[str, Any]:
    return {**asdict(summary), "card": summary.card.model_dump(mode="json")}
