"""A page's findings, made by hand: one of each study."""

from __future__ import annotations

from report_toys import NASTY, PROVENANCE, Run

from harness.core.artefact import Artefact, write_artefact
from harness.core.results import Interval, Record
from harness.findings.activity import (
    CONTEXTS,
    DENOMINATORS,
    CensusResult,
    Composition,
    CompositionResult,
    ContextCensus,
    DifferenceResult,
    Different,
    Ranked,
    RankingResult,
    UsageCurve,
    UsageResult,
)
from harness.findings.answers import Answer, Conversation, GenerationsResult, Token
from harness.findings.audit import ArmAudit, AuditResult, Collinearity, Regression
from harness.findings.classification import ClassificationResult, Confusion, Validated
from harness.findings.controls import RIGHT, Control, ControlsResult
from harness.findings.masked import Ablated, AblationResult, Contrast, TopKPoint, TopKResult
from harness.findings.probes import Probe, ProbesResult
from harness.findings.sweep import Elbow, SweepPoint, SweepResult, SweptSae

ONE = Interval(value=0.125, stderr=0.01, low=0.1, high=0.15)


def swept(axis: str, values: tuple[float, ...]) -> SweepResult:
    sae = SweptSae(source="bundle", explained_variance=0.9, mean_l0=10.0, dead_fraction=0.125)
    points = tuple(
        SweepPoint(value=value, loss=4.5 + i / 8, stderr=0.1, penalised_loss=4.75 + i / 8, above=ONE,
                   mean_l0=20.0 - i, train_s=1.5, own=i == 0, sae=sae)
        for i, value in enumerate(values)
    )  # fmt: skip
    elbow = Elbow(rule="kneed 0.9.0", curve="convex", direction="decreasing", sensitivity=1.0, alpha=0.02)
    return SweepResult(
        axis=axis, points=points, least=values[0], elbow=elbow if axis == "alpha" else None, blocks=6,
        alpha=0.02, layer=3, pairs=10, epochs=1, seed=42, cached=axis == "alpha",
    )  # fmt: skip


def audited() -> AuditResult:
    """Two arms, of which FSRL alone was asked about choices; `layout` is of the minimal pairs alone."""
    names = ("style", "list items")
    planted = Regression(
        coefficients={"style": ONE, "truth": ONE}, shares={"style": ONE, "truth": ONE}, r2=0.5
    )
    natural = Regression(coefficients=dict.fromkeys(names, ONE), shares=dict.fromkeys(names, ONE), r2=0.25)
    minimal = {"style": ONE, "layout": ONE}
    arm = ArmAudit(natural=natural, planted=planted, minimal=minimal, truthful=ONE)
    other = arm.model_copy(update={"planted": None, "truthful": None, "minimal": {}})
    return AuditResult(
        pairs=3000, minimal_pairs=400,
        collinearity=Collinearity(
            deviations={"style": 0.25, "list items": 2.0},
            correlations={one: {two: 1.0 if one == two else -0.5 for two in names} for one in names},
            inflation=dict.fromkeys(names, 4 / 3),
        ),
        arms={"full-simpo": other, "fsrl": arm}, resamples=100, seed=1,
    )  # fmt: skip


def controlled() -> ControlsResult:
    """Every oracle read right by composition, and as style by the ablation."""
    margins = {"composition": 0.05, "ablation": 1 / 3}
    return ControlsResult(
        controls=tuple(
            Control(kind=kind, draw=draw, steered=60, contrasts=dict.fromkeys(margins, 0.0),
                    readings={"composition": wanted, "ablation": "style-heavy"})
            for kind, wanted in RIGHT.items() for draw in range(3)
        ),
        margins=margins, blind={"classification": NASTY}, pairs=10, seed=1,
    )  # fmt: skip


def findings() -> dict[str, Record]:
    both = {"sae": 2.5, "steering": 3.5}
    context = ContextCensus(positions=10, padding=1, mean_l0=both, empty={"sae": 0, "steering": 2}, padded={})
    row = Ranked(
        feature=7, description=NASTY, categories=("style",), usage=0.25, mean_value=0.5, mean_active=2.0
    )
    point = TopKPoint(
        policy="dynamic", fraction=0.001, kept=1, loss=4.75, stderr=0.1, difference=0.5, low=0.25,
        high=0.75, mean_l0=1.0,
    )  # fmt: skip
    different = Different(
        feature=7, description=NASTY, categories=(), difference=-0.5, sae=0.25, steering=0.75
    )
    curve = UsageCurve(
        context="prompt", group="all", features=4, used=3, percentile=(25.0, 50.0, 75.0),
        usage=(0.5, 0.05, 0.005), slope=-0.04, intercept=0.7, r2=1.0,
    )  # fmt: skip
    answer = Answer(
        arm="fsrl", text=NASTY, tokens=(Token(text=NASTY, features=((7, 0.5),)), Token(text=" end")),
        markdown=0.5, ended=True,
    )  # fmt: skip
    ablated = Ablated(
        masked="style", features=2, draw=None, loss=4.5, stderr=0.1, difference=0.5, low=0.25, high=0.75,
        mean_l0=1.0, scores={"mmlu.acc": 0.5}, answer_tokens=12.5, markdown=0.25,
    )  # fmt: skip
    return {
        "census": CensusResult(
            arm="fsrl", d_sae=1024, examples=10, floor=1e-6, contexts=dict.fromkeys(CONTEXTS, context),
            categories={"alignment": 1, "style": 2}, described=3, evaluated_l0=None,
        ),
        "table2": CompositionResult(
            rows=tuple(
                Composition(category=c, context=t, way=w, denominator=d, sae=ONE, steering=ONE, change=ONE)
                for c in ("alignment", "style") for t in CONTEXTS for d in DENOMINATORS
                for w in ("examples", "positions")
            ),
            examples=10, resamples=100, seed=1, classified=900, d_sae=1024,
        ),
        "table3": RankingResult(by="usage", rows=(row,), positions=20, never=3),
        "table4": RankingResult(by="value", rows=(row, row), positions=20, never=3),
        "figure2": TopKResult(
            points=(point, point.model_copy(update={"policy": "static", "loss": 4.5, "fraction": 1.0})),
            learned_loss=4.25, learned_stderr=0.1, learned_l0=5.0, base_loss=5.0, d_sae=1024, pairs=10,
        ),
        "figure3": DifferenceResult(
            mean=0.0, mean_absolute=0.5, negative=1, positive=2, edges=(-1.0, 0.0, 1.0), counts=(1, 2),
            largest=(different,), ordered=(-0.5, 0.0, 0.5),
        ),
        "figure5": UsageResult(curves=(curve,)),
        "ablation": AblationResult(
            rows=(ablated, ablated.model_copy(update={"masked": "random", "draw": 0, "scores": {}})),
            random={"style": ONE}, base_loss=5.0, pairs=10, seed=1,
            contrasts=(
                Contrast(masked="style", measure="preference.loss", items=10, effect=0.5, random=ONE),
                Contrast(masked="style", measure="mmlu.acc", items=8, effect=0.125, random=ONE),
                Contrast(masked="style", measure="markdown", items=4, effect=-0.25, random=ONE),
            ),
            answers=GenerationsResult(
                conversations=(Conversation(prompt=NASTY, answers=(answer,)),), titles={"fsrl": NASTY},
                descriptions={"7": NASTY}, mean_tokens={"fsrl": 2.0}, mean_markdown={"fsrl": 0.5},
                max_new_tokens=8,
            ),
        ),
        "classification": ClassificationResult(
            rows=tuple(
                Validated(category=c, classifier=NASTY, text=text, accuracy=0.9, mcc=ONE,
                          confusion=Confusion(tp=3, tn=5, fp=1, fn=1))
                for c in ("alignment", "style") for text in ("whole", "without its lead-in")
            ),
            explained=10, unexplained=0, repeated=0, positives={"alignment": 1, "style": 2}, unanswered={},
            labels="by hand", resamples=100, seed=1,
        ),
        "audit": audited(),
        "controls": controlled(),
        "probe": ProbesResult(
            probes=(
                Probe(
                    arm="fsrl", layer=3, attribute="is_true", chance=0.5, classes=2,
                    accuracy=Interval(value=0.75, stderr=0.01, low=0.73, high=0.77),
                ),
            ),
            layer=3, answers=200, folds=5,
        ),
        "sweep-alpha": swept("alpha", (0.01, 0.02, 0.04)),
        "sweep-layer": swept("layer", (1.0, 3.0)),
        "answers": GenerationsResult(
            conversations=(Conversation(prompt=NASTY, answers=(answer,)),), titles={"fsrl": "FSRL"},
            descriptions={"7": NASTY}, mean_tokens={"fsrl": 2.0}, mean_markdown={"fsrl": 0.5},
            max_new_tokens=8,
        ),
    }  # fmt: skip


def put(run: Run, name: str, result: Record, **inputs: str) -> None:
    artefact = Artefact(
        stage=f"studies/{name}", key=name, profile=run.profile.resolved(), inputs=inputs, outputs={},
        provenance=PROVENANCE, wall_s=1.5, result=result.model_dump(mode="json"),
    )  # fmt: skip
    write_artefact(run.paths.stage(f"studies/{name}"), artefact)


def classified_by(run: Run, kind: str) -> Artefact:
    """What `classify` leaves: labels for one category only."""
    result = ClassificationResult(
        rows=(
            Validated(category="alignment", classifier=NASTY, text="whole", accuracy=0.75, mcc=ONE,
                      confusion=Confusion(tp=2, tn=4, fp=1, fn=1)),
        ),
        explained=20, unexplained=0, repeated=0, positives={"alignment": 3, "style": 5}, unanswered={},
        labels="labels.jsonl", resamples=100, seed=1, classifier=NASTY,
    )  # fmt: skip
    return Artefact(
        stage=f"classification/{kind}", key=kind, profile=run.profile.resolved(), inputs={}, outputs={},
        provenance=PROVENANCE, wall_s=1.5, result=result.model_dump(mode="json"),
    )  # fmt: skip
