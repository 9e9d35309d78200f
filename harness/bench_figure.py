"""The cost curve: seconds and memory of a step against the SAE's width and the sequence length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.picture import blank, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.bench import Bench, Ratio

STYLE = {"transcription": "o--", "lean": "s-", "cached": "^-"}
AXES = {"d_sae": "SAE features", "max_length": "max_length (tokens)"}
FIXED = {"d_sae": ("max_length", 512), "max_length": ("d_sae", 16_384)}


def figure(bench: Bench) -> dict[str, bytes]:
    """SVG and PNG of four panels: step time and memory above the weights, against width and length."""
    return saved(lambda: _draw(bench), "fsrl-bench", {"font.size": 10})


def _draw(bench: Bench) -> Figure:
    made = blank(9, 6)
    axes = made.subplots(2, 2)
    for column, axis in enumerate(AXES):
        for row, quantity in enumerate(("step_s", "above_mib")):
            _panel(axes[row][column], bench, axis, quantity)
    axes[0][0].legend()
    hardware = bench.provenance["hardware"]["class"]
    made.suptitle(f"Cost of a step of 2 batches of 2 pairs, {hardware}, float32")
    return made


def _panel(axes: Any, bench: Bench, axis: str, quantity: str) -> None:
    for variant, style in STYLE.items():
        points = sorted(_points(bench, axis, variant, quantity))
        axes.plot([x for x, _ in points], [y for _, y in points], style, label=variant)
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel("step (s)" if quantity == "step_s" else "above the weights (MiB)")
    axes.set_ylim(bottom=0)


def _points(bench: Bench, axis: str, variant: str, quantity: str) -> list[tuple[int, float]]:
    other, value = FIXED[axis]
    found = []
    for one in bench.ratios:
        sizes = dict(part.split("=") for part in one.case.split(","))
        if int(sizes[other]) == value and one.variant == ("lean" if variant == "transcription" else variant):
            found.append((int(sizes[axis]), _value(one, variant, quantity)))
    return found


def _value(one: Ratio, variant: str, quantity: str) -> float:
    name = f"plain_{quantity}" if variant == "transcription" else quantity
    return float(getattr(one, name))
