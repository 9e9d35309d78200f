"""The cost curve: seconds and memory of a step against the SAE's width, the sequence length and the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core.picture import blank, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.cost.ratios import Bench

STYLE = {"transcription": "o--", "lean": "s-", "cached": "^-"}
AXES = {
    "d_sae": "SAE features (2 pairs, up to 512 tokens)",
    "max_length": "max_length in tokens (2 pairs, 16,384 features)",
    "pairs": "pairs a batch (up to 256 tokens, 16,384 features)",
}
FIXED = {
    "d_sae": {"max_length": 512, "pairs": 2},
    "max_length": {"d_sae": 16_384, "pairs": 2},
    "pairs": {"d_sae": 16_384, "max_length": 256},
}


def figure(bench: Bench) -> dict[str, bytes]:
    """SVG and PNG of six panels: step time and memory above the weights, against width, length and batch."""
    return saved(lambda: _draw(bench), "fsrl-bench", {"font.size": 10})


def _draw(bench: Bench) -> Figure:
    made = blank(13, 6.5)
    axes = made.subplots(2, len(AXES))
    for column, axis in enumerate(AXES):
        for row, quantity in enumerate(("step_s", "above_mib")):
            _panel(axes[row][column], bench, axis, quantity)
    axes[0][0].legend()
    hardware = bench.provenance["hardware"]["class"]
    made.suptitle(f"Cost of a step of two batches, {hardware}, float32")
    return made


def _panel(axes: Any, bench: Bench, axis: str, quantity: str) -> None:
    for variant, style in STYLE.items():
        found = sorted(points(bench, axis, variant, quantity))
        axes.plot([x for x, _ in found], [y for _, y in found], style, label=variant)
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel("step (s)" if quantity == "step_s" else "above the weights (MiB)")
    axes.set_ylim(bottom=0)


def points(bench: Bench, axis: str, variant: str, quantity: str) -> list[tuple[int, float]]:
    """(place on the axis, value) of the cases that differ along this axis alone."""
    found, plain = [], variant == "transcription"
    for one in bench.ratios:
        sizes = {"pairs": 2} | {name: int(n) for name, n in (part.split("=") for part in one.case.split(","))}
        fixed = all(sizes[name] == value for name, value in FIXED[axis].items())
        if fixed and one.variant == ("lean" if plain else variant):
            found.append((sizes[axis], float(getattr(one, f"plain_{quantity}" if plain else quantity))))
    return found
