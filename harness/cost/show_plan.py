"""A plan on the screen: every predicted number marked as one."""

from __future__ import annotations

from typing import Annotated

from rich.console import Console
from typer import Option

from harness.core.measures import measure
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.cost.gpus import GPUS
from harness.cost.plan import DECODE_STEP_S, ROOM, SHARE, Phase, Plan
from harness.cost.plan import plan as predicted
from harness.profiles.profile import load_profile
from harness.report.screen_table import show_sheet
from harness.sources.synthetic.lengths import STATED
from harness.stages.options import ProfileName

MINUTE = 60.0


def plan(
    profile: ProfileName = "gemma-2-2b",
    gpu: Annotated[
        str, Option(metavar="NAME", help=", ".join(GPUS), autocompletion=lambda: list(GPUS))
    ] = "h200",
    json: Annotated[bool, Option("--json", help="print the plan as JSON on stdout")] = False,
) -> None:
    """Builds the model from its bundled configuration without storage, counts parameters, and predicts peak
    memory and time of each phase on a GPU, disk, and steps an epoch; and for each directional claim of the
    paper what the profile's items can decide. Needs no weights, no network and no GPU. The formulae are in
    docs/performance.md and in decision 0112.
    """
    found = predicted(load_profile(profile), gpu)
    if json:
        print(found.model_dump_json(indent=2))
    else:
        show_plan(found, Console(highlight=False))


def show_plan(plan: Plan, console: Console) -> None:
    """Print parameters (counted), phases, disk, steps (predicted), and whether the run fits."""
    console.print(f"[bold]{plan.profile}[/bold] on {plan.gpu} (figures: {plan.gpu_source})")
    for sheet in _sheets(plan):
        show_sheet(sheet, console)
    origin = "as the profile or its files say" if plan.pairs_known else "assumed; `prepare` counts them"
    console.print(
        f"{plan.pairs:,} pairs an epoch ({origin}), {plan.steps_per_epoch:,} steps an epoch, "
        f"{plan.epochs} epoch(s); {plan.tokens_per_pair:,.0f} tokens a pair, "
        f"{plan.padding:.2f} positions computed per token"
    )
    console.print(f"lengths: {STATED}")
    console.print(
        f"[bold]Predictions, not measurements[/bold]: products at {SHARE:.0%} of the GPU's dense bfloat16 "
        f"peak, at least {DECODE_STEP_S * 1000:.0f} ms a generated token, attention over all keys; the "
        f"formulae are in docs/performance.md"
    )
    seconds = sum(phase.seconds for phase in plan.phases)
    console.print(
        f"[bold]together {seconds / MINUTE:,.0f} minutes ({seconds / MINUTE / MINUTE:.1f} hours)[/bold], one "
        "phase after the other; times the price of an hour, which is not known here, that is the cost"
    )
    over = ", ".join(phase.name for phase in plan.phases if not phase.fits)
    verdict = f"{over}: more than" if over else "every phase stays within"
    fits = "DOES NOT FIT" if over else "fits"
    console.print(f"[bold]{fits}[/bold]: {verdict} {ROOM:.0%} of the device's memory")


def _sheets(plan: Plan) -> tuple[Sheet, ...]:
    parameters = tuple(line(part, numeric(count, ",")) for part, count in plan.parameters.items())
    names = list(plan.phases[0].parts_gib)
    parts = tuple(
        line(phase.name, *(numeric(phase.parts_gib[name], ".1f") for name in names)) for phase in plan.phases
    )
    disk = {**plan.disk_gib, "sum": sum(plan.disk_gib.values())}
    return (
        Sheet("parameters", "Parameters", ("Part", "Entries (counted)"), parameters),
        Sheet(
            "phases",
            "Predicted peak memory and time",
            ("Phase", "Device GiB", "Host GiB", "PFLOP", "Minutes", "Fits"),
            tuple(map(_phase, plan.phases)),
        ),
        Sheet("parts", "Predicted device memory by part (GiB)", ("Phase", *names), parts),
        Sheet(
            "disk",
            "Predicted disk",
            ("Files", "GiB"),
            tuple(line(part, numeric(gib, ".2f")) for part, gib in disk.items()),
        ),
        *((_power(plan),) if plan.power else ()),
    )


def _power(plan: Plan) -> Sheet:
    """What the run's items can decide; a comparison that two claims ask for stands once."""
    rows = {}
    for one in plan.power:
        what = measure(one.measure)
        rows[frozenset((one.arm, one.reference)), one.measure] = line(
            f"{one.arm} - {one.reference}, {what.title}",
            numeric(one.n, ","),
            numeric(one.smallest, "g", scale=what.scale),
            numeric(one.sd, ".3g", scale=what.scale),
            numeric(one.direction, ".0%"),
            numeric(one.equivalence, ".0%"),
        )
    origins = ", ".join(dict.fromkeys(one.sd_from for one in plan.power))
    note = (
        "Smallest difference worth knowing and standard deviation of paired differences in points or nats. "
        "Power to see a true difference of that size, and to show none beyond it where there is none, at the "
        f"first step of Holm's correction. Standard deviations: {origins}."
    )
    headings = ("Comparison", "Items", "Smallest", "SD", "Power: a difference", "Power: none")
    return Sheet(
        "power", "Predicted power of the paper's directional claims", headings, tuple(rows.values()), (note,)
    )


def _phase(phase: Phase) -> Row:
    return line(
        phase.name,
        numeric(phase.device_gib, ".1f"),
        numeric(phase.host_gib, ".1f"),
        numeric(phase.pflop, ",.1f"),
        numeric(phase.seconds / MINUTE, ",.1f"),
        Cell("yes") if phase.fits else Cell("NO", strong=True),
    )
