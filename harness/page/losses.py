"""Tables about the evaluation loss when only some features are steered."""

from __future__ import annotations

from harness.findings import AblationResult, TopKResult
from harness.measure import measure
from harness.page.blocks import Cell, Table
from harness.page.cells import percent


def top_k(result: TopKResult, href: str) -> Table:
    """The numbers of Figure 2."""
    rows = tuple(
        (
            Cell({"dynamic": "top k of each position", "static": "the same k everywhere"}[p.policy]),
            Cell(percent(p.fraction, 1), f"/result/points/{i}/fraction", p.fraction),
            Cell(str(p.kept), f"/result/points/{i}/kept", p.kept),
            Cell(f"{p.loss:.3f} ±{p.stderr:.3f}", f"/result/points/{i}/loss", p.loss),
            Cell(
                f"{p.difference:+.3f} [{p.low:+.3f}, {p.high:+.3f}]",
                f"/result/points/{i}/difference",
                p.difference,
            ),
            Cell(f"{p.mean_l0:.1f}", f"/result/points/{i}/mean_l0", p.mean_l0),
        )
        for i, p in enumerate(result.points)
    )
    headings = ("Policy", "Kept (%)", "k", "SimPO loss (nats)", "- learned policy [95 %]", "Mean L0")
    learned = 100 * result.learned_l0 / result.d_sae
    notes = (
        f"Learned policy: {result.learned_loss:.3f} ±{result.learned_stderr:.3f} nats at a mean L0 of "
        f"{result.learned_l0:.1f} ({learned:.2f} %); base model {result.base_loss:.3f}; "
        f"{result.pairs} pairs.",
        "k is relative to the whole dictionary, by abs(v). The static policy keeps the features with the "
        "largest mean v on these same pairs, which flatters it.",
        "Paper: a plateau after about 5 %, the learned policy at 1.42 % (L0 930); its later version: best "
        "2.69 at 1.60 %, learned 2.60 at 0.55 %.",
    )
    return Table("figure2-numbers", "Figure 2 in numbers", headings, rows, notes, href)


def ablation(result: AblationResult, href: str) -> Table:
    """Loss, difference and scores under each mask; random draws one by one."""
    names = sorted({name for row in result.rows for name in row.scores})
    rows = []
    for i, row in enumerate(result.rows):
        at = f"/result/rows/{i}"
        gap = f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        scores = (
            Cell(percent(row.scores[name], 1), f"{at}/scores/{name}", row.scores[name])
            if name in row.scores
            else Cell("n/a (not scored)")
            for name in names
        )
        rows.append(
            (
                Cell(row.masked if row.draw is None else f"{row.masked} ({row.draw + 1})"),
                Cell(str(row.features), f"{at}/features", row.features),
                Cell(f"{row.loss:.3f} ±{row.stderr:.3f}", f"{at}/loss", row.loss),
                Cell(gap, f"{at}/difference", row.difference),
                Cell(f"{row.mean_l0:.1f}", f"{at}/mean_l0", row.mean_l0),
                *scores,
            )
        )
    headings = ("Not steered", "Features", "SimPO loss (nats)", "- nothing masked [95 %]", "Mean L0")
    drawn = "; ".join(
        f"as many as {name}: {one.value:+.3f}, from {one.low:+.3f} to {one.high:+.3f}"
        for name, one in result.random.items()
    )
    notes = (
        f"{result.pairs} pairs; base model {result.base_loss:.3f}. Paired differences, bootstrap over pairs.",
        f"Random draws (seed {result.seed}) are from the steered features of neither category; mean "
        f"difference and range: {drawn}.",
        "Only features that are ever steered are masked and counted.",
    )
    title = "Evaluation with some features not steered"
    scored = tuple(f"{measure(name).title} (%)" for name in names)
    return Table("ablation", title, (*headings, *scored), tuple(rows), notes, href)
