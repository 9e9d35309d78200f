"""The evaluation with only some features steered: Figure 2 in numbers, and the causal ablation."""

from __future__ import annotations

from harness.core.measures import measure
from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric, plus_minus
from harness.findings.masked import POLICIES, Ablated, AblationResult, Contrast, TopKResult
from harness.report.page import answers
from harness.report.page.blocks import Block, Conversations, Folded, Section

ANSWER_HEADINGS = ("Answer length (tokens)", "Lines with Markdown (%)")


def section(name: str, result: AblationResult, href: str) -> Section:
    """Masks against random ones, every mask alone, and answers under them."""
    blocks: list[Block] = [contrasts(result, href)] if result.contrasts else []
    every = under_masks(result, href)
    title = "Every mask, and every random draw, by itself"
    blocks.append(Folded(f"{name}-masks", title, (every,)) if result.contrasts else every)
    if result.answers is not None:
        title = "Answers with some features not steered"
        shown = answers.grouped(result.answers)
        blocks.append(
            Conversations(f"{name}-answers", title, result.answers, (), href, shown, "/result/answers")
        )
    intro = "How loss, scores and answers change when one kind of feature is not steered."
    return Section(name, "Causal ablation", intro, tuple(blocks))


def contrasts(result: AblationResult, href: str) -> Sheet:
    """Each category by each measure, compared with random masks of its size."""
    rows = tuple(_contrast_row(one, f"/result/contrasts/{i}") for i, one in enumerate(result.contrasts))
    draws = 1 + max(row.draw for row in result.rows if row.draw is not None)
    notes = (
        f"Difference to the unmasked policy on the same items. Random: mean of {draws} draws (seed "
        f"{result.seed}) of as many steered features of neither category, and the 95 % interval (Student) in "
        "which one further draw would lie.",
        "Outside: the category does what a random mask of its size does not. It is not corrected for the "
        "number of lines. n items of a task are its first ones (of each subject for MMLU).",
    )
    headings = ("Not steered", "Measure", "n", "Difference", "Random [95 %]", "Outside of random")
    return Sheet("ablation-contrasts", "Masks against random masks", headings, rows, notes, href)


def _contrast_row(one: Contrast, at: str) -> Row:
    title, scale, decimals = _written(one.measure)
    spec, other = f"+.{decimals}f", one.random
    outside = not other.low <= one.effect <= other.high
    return line(
        one.masked,
        title,
        numeric(one.items, "d", f"{at}/items"),
        numeric(one.effect, spec, f"{at}/effect", scale),
        bounded(other.value, other.low, other.high, spec, f"{at}/random/value", scale),
        "yes" if outside else "no",
    )


def _written(name: str) -> tuple[str, float, int]:
    """Title, factor and decimals of a measure."""
    if name == "answer_tokens":
        return ANSWER_HEADINGS[0], 1.0, 1
    if name == "markdown":
        return ANSWER_HEADINGS[1], 100.0, 1
    one = measure(name)
    return f"{one.title} ({one.unit})", one.scale, one.decimals


def _answer_cells(row: Ablated, at: str) -> tuple[Cell, ...]:
    if row.answer_tokens is None or row.markdown is None:
        return ()
    return (
        numeric(row.answer_tokens, ".1f", f"{at}/answer_tokens"),
        numeric(row.markdown, ".1f", f"{at}/markdown", 100),
    )


def under_masks(result: AblationResult, href: str) -> Sheet:
    """Loss, difference and scores under each mask; random draws one by one."""
    names = sorted({name for row in result.rows for name in row.scores})
    rows = []
    for i, row in enumerate(result.rows):
        at = f"/result/rows/{i}"
        scores = (
            numeric(row.scores.get(name), ".1f", f"{at}/scores/{name}", 100, "n/a (not scored)")
            for name in names
        )
        rows.append(
            line(
                row.masked if row.draw is None else f"{row.masked} ({row.draw + 1})",
                numeric(row.features, "d", f"{at}/features"),
                plus_minus(row.loss, row.stderr, ".3f", f"{at}/loss"),
                bounded(row.difference, row.low, row.high, "+.3f", f"{at}/difference"),
                numeric(row.mean_l0, ".1f", f"{at}/mean_l0"),
                *scores,
                *_answer_cells(row, at),
            )
        )
    headings = ("Not steered", "Features", "SimPO loss (nats)", "vs. nothing masked [95 % CI]", "Mean L0")
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
    asked = ANSWER_HEADINGS if any(row.answer_tokens is not None for row in result.rows) else ()
    return Sheet("ablation", title, (*headings, *scored, *asked), tuple(rows), notes, href)


def top_k(result: TopKResult, href: str) -> Sheet:
    """The numbers of Figure 2."""
    rows = tuple(
        line(
            POLICIES[p.policy],
            numeric(p.fraction, ".1f", f"/result/points/{i}/fraction", 100),
            numeric(p.kept, "d", f"/result/points/{i}/kept"),
            plus_minus(p.loss, p.stderr, ".3f", f"/result/points/{i}/loss"),
            bounded(p.difference, p.low, p.high, "+.3f", f"/result/points/{i}/difference"),
            numeric(p.mean_l0, ".1f", f"/result/points/{i}/mean_l0"),
        )
        for i, p in enumerate(result.points)
    )
    headings = ("Policy", "Kept (%)", "k", "SimPO loss (nats)", "vs. learned policy [95 % CI]", "Mean L0")
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
    return Sheet("figure2-numbers", "Figure 2 in numbers", headings, rows, notes, href)
