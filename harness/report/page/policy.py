"""What the policy is made of, as a table."""

from __future__ import annotations

from harness.core.results import Interval
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.findings.policy_form import Form, PolicyFormResult
from harness.report.page.blocks import Section

SPELLED = {
    "static": "static: a constant vector explains 0.8 or more",
    "affine": "affine: a map of rank 8 or less explains 0.9 or more",
    "gated": "gated: the gates explain 0.1 more than the affine map of full rank",
    "mixed": "mixed: none of the three rules holds",
}


def section(name: str, finding: PolicyFormResult, href: str) -> Section:
    """The section of the study."""
    by_loss = finding.reading_by_loss
    notes = (
        f"Fitted on {finding.fit_pairs} test pairs ({finding.fit_tokens:,} positions), shares on the other "
        f"{finding.scored_pairs} ({finding.scored_tokens:,}), not centred; 95 % interval of a bootstrap over "
        "pairs.",
        f"By |delta|²: {SPELLED[finding.reading]}. By loss: {SPELLED[by_loss] if by_loss else 'not shown'}.",
        f"At rank {finding.matched_rank} LoRA on all blocks has about as many entries as the adapter.",
        *_gain(finding),
    )
    headings = (
        "Form",
        "Share of |delta|² [95 % CI]",
        "On the fitted half",
        "Share of the loss gained [95 % CI]",
    )
    rows = tuple(_row(place, form) for place, form in enumerate(finding.forms))
    table = Sheet(name, "What the policy is made of", headings, rows, notes, href)
    intro = "Is the learned policy one vector, one low-rank map, or does it need its gates?"
    return Section(f"section-{name}", "The form of the policy", intro, (table,))


def _gain(finding: PolicyFormResult) -> tuple[str, ...]:
    if finding.gain is None:
        return ()
    one = finding.gain
    said = f"Gain over the base on the scored pairs: {one.value:+.3f} nats [{one.low:+.3f}, {one.high:+.3f}]"
    return (said + ("." if one.low > 0 else ": not surely above 0, so that no share of it is given."),)


def _row(place: int, form: Form) -> Row:
    title = f"affine map, rank {form.rank}" if form.name == "affine" else form.name
    at = f"/result/forms/{place}"
    cells = (_interval(form.share, at, "share"), numeric(form.in_sample, ".3f", f"{at}/in_sample"))
    return line(title, *cells, _interval(form.loss_share, at, "loss_share"))


def _interval(one: Interval | None, at: str, name: str) -> Cell:
    if one is None:
        return Cell("not shown")
    return Cell(
        f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]", number=one.value, pointer=f"{at}/{name}/value"
    )
