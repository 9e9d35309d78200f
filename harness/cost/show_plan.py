"""A plan on the screen: every predicted number marked as one."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from harness.cost.plan import DECODE_STEP_S, ROOM, SHARE, Plan
from harness.sources.synthetic.lengths import STATED

MINUTE = 60.0


def show_plan(plan: Plan, console: Console) -> None:
    """Print parameters (counted), phases, disk, steps (predicted), and whether the run fits."""
    console.print(f"[bold]{plan.profile}[/bold] on {plan.gpu} (figures: {plan.gpu_source})")
    console.print(_parameters(plan))
    console.print(_phases(plan))
    console.print(_parts(plan))
    console.print(_disk(plan))
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
    console.print(f"[bold]{'fits' if plan.fits else 'DOES NOT FIT'}[/bold]: {_verdict(plan)}")


def _verdict(plan: Plan) -> str:
    over = [phase.name for phase in plan.phases if not phase.fits]
    if not over:
        return f"every phase stays within {ROOM:.0%} of the device's memory"
    return f"{', '.join(over)}: more than {ROOM:.0%} of the device's memory"


def _parameters(plan: Plan) -> Table:
    table = Table("Part", "Parameters (counted)", box=box.SIMPLE_HEAD)
    for part, count in plan.parameters.items():
        table.add_row(part, f"{count:,}")
    return table


def _phases(plan: Plan) -> Table:
    headings = ("Phase", "Device GiB", "Host GiB", "PFLOP", "Minutes", "Fits")
    table = Table(*headings, box=box.SIMPLE_HEAD, title="Predicted peak memory and time")
    for phase in plan.phases:
        table.add_row(
            phase.name,
            f"{phase.device_gib:.1f}",
            f"{phase.host_gib:.1f}",
            f"{phase.pflop:,.1f}",
            f"{phase.seconds / MINUTE:,.1f}",
            "yes" if phase.fits else "NO",
        )
    return table


def _parts(plan: Plan) -> Table:
    names = list(plan.phases[0].parts_gib)
    table = Table("Phase", *names, box=box.SIMPLE_HEAD, title="Predicted device memory by part (GiB)")
    for phase in plan.phases:
        table.add_row(phase.name, *(f"{phase.parts_gib[name]:.1f}" for name in names))
    return table


def _disk(plan: Plan) -> Table:
    table = Table("Disk", "GiB (predicted)", box=box.SIMPLE_HEAD)
    for part, gib in plan.disk_gib.items():
        table.add_row(part, f"{gib:.2f}")
    table.add_row("sum", f"{sum(plan.disk_gib.values()):.2f}")
    return table
