"""What `castmine train` prints, and the same as JSON."""

from dataclasses import asdict
from typing import Any

from workflows.console import out
from workflows.train.run import TrainSummary


def trained(summary: TrainSummary) -> None:
    """What was learned, from what, and what it gained on movies that it did not see."""
    card = summary.card
    checked = f"checked on {len(card.validation_movies)}"
    if card.refit:
        checked += f", then fitted to all {card.fitted_tracks} tracks of {len(card.fitted_movies)}"
    people = f", {card.train_identities} identities" if card.train_identities else ""
    out.print(f"{card.method}: {card.train_tracks} tracks of {len(card.train_movies)} movies{people}, {checked}")
    if card.curve:
        best = max((epoch for epoch in card.curve if epoch["best"]), key=lambda epoch: epoch["epoch"])
        figures = {"loss": best["train_loss"], "held out": best["validation_loss"], "NMI held out": best["score"]}
        shown = ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items() if figure is not None)
        out.print(f"  {len(card.curve)} epochs, best {best['epoch'] + 1}: {shown}")
    for note in card.notes:
        out.print(f"  {note}", markup=False)
    if confused := card.held_out.get("equal_error"):
        change = f"{confused.before:.2%} → {confused.after:.2%}"
        out.print(f"  held out: {change} of pairs confused (equal error: one person taken for two, or two for one)")
        if confused.after >= confused.before:
            out.print("  these are faces of one track or one frame: whether people are known again in other scenes,")
            out.print("  castmine verify shows where there are labels")
    if rho := card.held_out.get("rho"):
        out.print(f"  held out: correlation ρ of a track's tracklets {rho.before:.4f} → {rho.after:.4f}")
    threshold = "none" if card.threshold is None else f"{card.threshold:.4f}"
    out.print(f"  threshold {threshold}: {card.calibration}", markup=False)
    if card.squared_radius is not None:
        out.print(f"  squared radius b {card.squared_radius:.4f}: balls merge up to 4b")
    out.print(f"model: {summary.model} · {summary.seconds:.1f} s", markup=False, soft_wrap=True)


def train_json(summary: TrainSummary) -> dict[str, Any]:
    return {**asdict(summary), "card": summary.card.model_dump(mode="json")}
