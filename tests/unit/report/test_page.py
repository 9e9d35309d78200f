"""The page: what it holds, that it escapes, the same bytes twice, no torch, and how a browser sees it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from harness import regress
from harness.artefact import Artefact, digest_tree, write_artefact
from harness.claims import read_paper
from harness.contract import Record
from harness.errors import DamagedFileError, MissingInputError
from harness.findings import (
    CONTEXTS,
    Ablated,
    AblationResult,
    Answer,
    CensusResult,
    ClassificationResult,
    Composition,
    CompositionResult,
    Confusion,
    ContextCensus,
    Contrast,
    Conversation,
    DifferenceResult,
    Different,
    Elbow,
    GenerationsResult,
    Interval,
    Ranked,
    RankingResult,
    SweepPoint,
    SweepResult,
    SweptSae,
    Token,
    TopKPoint,
    TopKResult,
    UsageCurve,
    UsageResult,
    Validated,
)
from harness.outcome import Outcome, outcome_path, read_outcome
from harness.page import adapters, classified, masked, sweeps
from harness.page.blocks import Table
from harness.page.build import Documents, build
from harness.page.printed import read_printed
from harness.paths import RunPaths
from harness.profile import load_profile
from harness.provenance import ROOT
from harness.stages import page

if TYPE_CHECKING:
    from conftest import Run

NASTY = "<script>document.title='owned'</script> & \"quoted\" </style>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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
                Composition(category=c, context=t, way=w, sae=ONE, steering=ONE, change=ONE)
                for c in ("alignment", "style") for t in CONTEXTS for w in ("examples", "positions")
            ),
            examples=10, resamples=100, seed=1,
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
        "sweep-alpha": swept("alpha", (0.01, 0.02, 0.04)),
        "sweep-layer": swept("layer", (1.0, 3.0)),
        "answers": GenerationsResult(
            conversations=(Conversation(prompt=NASTY, answers=(answer,)),), titles={"fsrl": "FSRL"},
            descriptions={"7": NASTY}, mean_tokens={"fsrl": 2.0}, mean_markdown={"fsrl": 0.5},
            max_new_tokens=8,
        ),
    }  # fmt: skip


def put(run: Run, name: str, result: Record, **inputs: str) -> None:
    from conftest import PROVENANCE

    artefact = Artefact(
        stage=f"studies/{name}", key=name, profile=run.profile.resolved(), inputs=inputs, outputs={},
        provenance=PROVENANCE, wall_s=1.5, result=result.model_dump(mode="json"),
    )  # fmt: skip
    write_artefact(run.paths.stage(f"studies/{name}"), artefact)


@pytest.fixture(scope="session")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with every study and its page."""
    from conftest import at

    root = Path(shutil.copytree(template, tmp_path_factory.mktemp("page") / "run"))
    run = at(load_profile("miniature"), root)
    for name, result in findings().items():
        put(run, name, result)
    write_artefact(run.paths.classification / "local.json", classified_by(run, "local"))
    page.run(run.profile, run.paths, committed=False, commit=False)
    return run


def classified_by(run: Run, kind: str) -> Artefact:
    """What `classify` leaves: labels for one category only."""
    from conftest import PROVENANCE

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


@pytest.fixture(scope="session")
def html(made: Run) -> str:
    return (made.paths.report / "index.html").read_text(encoding="utf-8")


class Links(HTMLParser):
    """Where the page points to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.cell: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.scripts += tag == "script"
        self.ids += [given["id"]] if "id" in given else []
        for name in ("href", "src", "xlink:href"):
            if name in given:
                self.found.append((tag, given[name]))


def test_every_study_of_the_profile_is_on_the_page(made: Run, html: str) -> None:
    assert set(findings()) == set(made.profile.studies)
    for title in (
        "Table 1.",
        "Table 2.",
        "Table 3.",
        "Table 4.",
        "Figure 2",
        "Figure 3",
        "Figure 4: sweep of alpha",
        "Figure 4: sweep of layer",
        "Figure 5",
        "Causal",
    ):
        assert title in html
    assert html.count("<svg") == 6


def test_the_papers_values_stand_beside_ours(html: str) -> None:
    for printed in ("17.59 ±0.03", "-9.42 ±0.25", "+4.11 ±0.20", "56750: Geographical", "39904: Programming"):
        assert printed in html
    assert "12.50 [10.00, 15.00]" in html


def test_every_link_of_a_number_leads_to_that_number(made: Run, html: str) -> None:
    """Each JSON pointer exists in the file that the link names."""
    pointed = 0
    for tag, href in Links(html).found:
        path, _, pointer = href.partition("#")
        if tag != "a" or not path:
            continue
        target = (made.paths.report / path).resolve()
        assert target.is_file(), href
        if pointer:
            value = json.loads(target.read_text())
            for part in unquote(pointer).strip("/").split("/"):
                value = value[int(part)] if isinstance(value, list) else value[part]
            pointed += 1
    assert pointed > 100


def test_nothing_comes_from_the_network(html: str) -> None:
    outside = [href for _, href in Links(html).found if re.match(r"(?:https?:)?//", href)]
    assert outside == []
    assert "url(http" not in html
    assert "@import" not in html


def test_what_a_model_or_a_file_says_is_text(html: str) -> None:
    assert NASTY not in html
    assert "&lt;script&gt;document.title" in html
    assert Links(html).scripts == 1


def test_ids_are_unique_and_anchors_exist(html: str) -> None:
    links = Links(html)
    assert len(links.ids) == len(set(links.ids))
    inside = {href[1:] for _, href in links.found if href.startswith("#")}
    assert inside <= set(links.ids)


def test_the_same_bytes_again(made: Run, tmp_path: Path) -> None:
    from conftest import at

    again = at(made.profile, Path(shutil.copytree(made.paths.root, tmp_path / "elsewhere")))
    for old in again.paths.report.glob("*.png"):
        old.unlink()
    (again.paths.report / "index.html").unlink()
    page.run(again.profile, again.paths, committed=False, commit=False)
    assert digest_tree(again.paths.report) == digest_tree(made.paths.report)


def test_committed_results_are_enough_for_the_same_page(made: Run, tmp_path: Path) -> None:
    page.run(made.profile, made.paths, committed=False, commit=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    before = digest_tree(folder / "report")
    assert [path.name for path in (folder / "classification").iterdir()] == ["local.json"]
    assert {path.name for path in (folder / "report").iterdir()} == {
        "index.html", "differences.png", "figure2.png", "figure3.png", "figure5.png", "sweep-alpha.png",
        "sweep-layer.png",
    }  # fmt: skip
    shutil.rmtree(folder / "report")
    page.run(made.profile, made.paths, committed=True, commit=False, results=tmp_path)
    assert digest_tree(folder / "report") == before


COMMITTED = sorted((ROOT / "results").glob("*/*/report/index.html"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.parts[-4]))
def test_the_committed_page_is_what_its_artefacts_give(path: Path, tmp_path: Path) -> None:
    """Byte for byte, from the files in the repository alone."""
    source = path.parent.parent
    folder = tmp_path / source.parent.name / source.name
    shutil.copytree(source, folder)
    shutil.rmtree(folder / "report")
    page.run(
        load_profile(source.parent.name),
        RunPaths(root=tmp_path),
        committed=True,
        commit=False,
        results=tmp_path,
    )
    assert digest_tree(folder / "report") == digest_tree(source / "report")
    assert sum(file.stat().st_size for file in path.parent.glob("*.png")) < 1_000_000


def test_a_study_that_has_not_run_is_named(
    reported: Run, capsys: pytest.CaptureFixture[str], html: str
) -> None:
    put(reported, "table3", findings()["table3"])
    page.run(reported.profile, reported.paths, committed=False, commit=False)
    assert "not finished or outdated: census, table2, table4" in capsys.readouterr().out
    text = (reported.paths.report / "index.html").read_text()
    assert "Table 3." in text
    assert "Table 4." not in text


def test_without_a_report_there_is_no_page(made_run: Run) -> None:
    with pytest.raises(MissingInputError, match="harness report"):
        page.run(made_run.profile, made_run.paths, committed=False, commit=False)


def test_nothing_committed(made_run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="--commit"):
        page.run(made_run.profile, made_run.paths, committed=True, commit=False, results=tmp_path)


def test_a_study_of_other_weights_is_not_on_the_page(
    reported: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Finished, whole, and of an adapter that the run does not have any more."""
    from harness.stages.study import arm_inputs

    put(reported, "table3", findings()["table3"], **arm_inputs(reported.profile, reported.paths, "fsrl"))
    put(reported, "table4", findings()["table4"], **{"arm fsrl": "of another adapter"})
    page.run(reported.profile, reported.paths, committed=False, commit=False)
    assert "outdated: census, table2, table4" in capsys.readouterr().out
    text = (reported.paths.report / "index.html").read_text()
    assert "Table 3." in text
    assert "Table 4." not in text


def test_accepting_a_report_leaves_the_page_where_it_is(made: Run, tmp_path: Path) -> None:
    """`regress --update` takes the tables; the page is `page --commit`'s, since its links are relative."""
    regress.run(made.profile, made.paths, True, tmp_path)
    names = {path.name for path in (tmp_path / "miniature").rglob("*")}
    assert {"table1.json", "cost.md"} <= names
    assert "index.html" not in names


def test_a_finding_of_another_layout_is_refused(reported: Run) -> None:
    class Other(Record):
        kind: str = "ranking"
        by: str = "size"

    put(reported, "table3", Other())
    with pytest.raises(DamagedFileError, match="layout"):
        page.run(reported.profile, reported.paths, committed=False, commit=False)


def test_the_page_needs_no_torch(made: Run) -> None:
    """In a process of its own, the command as `nox -s report` gives it."""
    code = (
        "import sys\n"
        "from harness.__main__ import main\n"
        f"code = main(['page', '--run-dir', {str(made.paths.root)!r}])\n"
        "print(code, 'torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split()[-3:] == ["0", "False", "False"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium on the path")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Any, made: Run, said: list[str], **options: Any) -> Any:
    tab = browser.new_context(**options).new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("requestfailed", lambda request: said.append(request.url))
    tab.goto((made.paths.report / "index.html").resolve().as_uri())
    return tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(browser: Any, made: Run, width: int, scheme: str) -> None:
    said: list[str] = []
    tab = opened(browser, made, said, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    figures = tab.locator("figure svg")
    assert figures.count() == 6
    for i in range(4):
        box = figures.nth(i).bounding_box()
        assert figures.nth(i).is_visible()
        assert box["width"] > 200
        assert box["height"] > 60
        assert box["x"] + box["width"] <= width
    assert tab.title() != "owned"
    assert said == []


def test_by_keyboard(browser: Any, made: Run) -> None:
    """Sorting a table, changing the colours, and reading a token's features, without a mouse."""
    said: list[str] = []
    tab = opened(browser, made, said, color_scheme="light")
    fractions = (
        "[...document.querySelectorAll('#table-figure2-numbers tbody tr')].map(r => r.cells[3].dataset.sort)"
    )
    assert tab.evaluate(fractions) == ["4.75", "4.5"]
    heading = tab.locator("#table-figure2-numbers th button").nth(3)
    heading.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate(fractions) == ["4.5", "4.75"]
    assert tab.locator("#table-figure2-numbers th").nth(3).get_attribute("aria-sort") == "ascending"
    tab.keyboard.press("Enter")
    assert tab.evaluate(fractions) == ["4.75", "4.5"]
    colour = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(colour) == "rgb(255, 255, 255)"
    tab.locator("#theme").focus()
    tab.keyboard.press("Space")
    assert tab.evaluate(colour) != "rgb(255, 255, 255)"
    tab.locator(".token").first.focus()
    assert "7 (0.50)" in tab.locator(".detail").first.inner_text()
    assert said == []


def test_on_paper_it_is_black_on_white(browser: Any, made: Run) -> None:
    tab = opened(browser, made, [], color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('figure svg')).filter") == "none"
    assert not tab.locator("#theme").is_visible()
    assert len(tab.pdf()) > 10_000


def test_table_6_has_the_papers_numbers_beside_ours() -> None:
    result = findings()["classification"]
    assert isinstance(result, ClassificationResult)
    table = classified.table6(result, "x.json", read_printed())
    first = [cell.text for cell in table.rows[0]]
    assert first[2:] == [
        "0.900", "(3, 5, 1, 1)", "0.125 [0.100, 0.150]", "0.847", "(27, 227, 22, 24)", "0.448",
    ]  # fmt: skip
    assert table.rows[3][-1].text == "0.764"
    assert any("lead-in" in note for note in table.notes)


def test_every_classifier_that_was_run_is_on_the_page(made: Run) -> None:
    (section,) = classified.sections({"local": classified_by(made, "local")}, "../x", read_printed())
    (table,) = section.blocks
    assert isinstance(table, Table)
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows[0][1:] == [
        "language model, here", "alignment", "3 of 20", "8", "0.750", "(2, 4, 1, 1)",
        "0.125 [0.100, 0.150]", "0.847", "(27, 227, 22, 24)", "0.448",
    ]  # fmt: skip
    assert rows[1][2:6] == ["style", "5 of 20", "0", "n/a (no labels)"]
    assert rows[1][-1] == "0.764"
    assert {cell.href for row in table.rows for cell in row if cell.pointer} == {"../x/local.json"}
    assert classified.sections({}, "../x", read_printed()) == ()


def test_masks_stand_beside_random_masks() -> None:
    """Inside or outside of the interval of one further draw; losses in nats, shares in percent."""
    result = findings()["ablation"]
    assert isinstance(result, AblationResult)
    rows = [[cell.text for cell in row] for row in masked.contrasts(result, "x.json").rows]
    assert rows == [
        ["style", "SimPO loss (nats)", "10", "+0.500", "+0.125 [+0.100, +0.150]", "yes"],
        ["style", "MMLU (%)", "8", "+12.5", "+12.5 [+10.0, +15.0]", "no"],
        ["style", "Lines with Markdown (%)", "4", "-25.0", "+12.5 [+10.0, +15.0]", "yes"],
    ]
    every = masked.under_masks(result, "x.json")
    assert every.headings[-2:] == masked.ANSWER_HEADINGS
    assert [cell.text for cell in every.rows[0]][-2:] == ["12.5", "25.0"]


def test_two_adapters_are_held_against_each_other(made: Run) -> None:
    """The second minus the first, and no table where only one arm steers."""
    outcome = read_outcome(outcome_path(made.paths), made_by="report")
    assert adapters.tables(outcome, "table1.json") == ()
    steers = outcome.arms["full-simpo"].model_copy(update={"mean_l0": 7.5, "mean_l1": 0.5, "title": "L0"})
    fsrl = outcome.arms["fsrl"].model_copy(update={"mean_l0": 5.0, "mean_l1": 0.25})
    two = outcome.model_copy(update={"arms": {**outcome.arms, "full-simpo": steers, "fsrl": fsrl}})
    (table,) = adapters.tables(two, "table1.json")
    first, second = (name for name in two.arms if name in ("full-simpo", "fsrl"))
    gap = two.comparisons.differences[second][first]["preference.loss"]
    rows = {row[0].text.partition(" (")[0]: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["SimPO loss"][2].startswith(f"{gap.effect:+.3f} [{gap.low:+.3f}, ")
    assert rows["Mean L0 of the steering"] == ["7.500", "5.000", "-2.500", "not tested"]
    assert rows["SimPO loss + penalty"][-1] == "not tested"


def test_the_text_of_a_figure_can_be_read_on_a_telephone(browser: Any, made: Run) -> None:
    """At 390 pixels no letter of Figures 2 to 5 is drawn smaller than 9 pixels, and none is cut off."""
    tab = opened(browser, made, [], viewport={"width": 390, "height": 800})
    for name in ("figure2", "figure3", "sweep-alpha", "sweep-layer", "figure5"):
        sizes = tab.evaluate(
            "id => [...document.querySelectorAll(`#figure-${id} svg text`)].map("
            "text => Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b)"
            " * parseFloat(getComputedStyle(text).fontSize))",
            name,
        )
        assert len(sizes) > 3
        assert min(sizes) >= 9
        out = tab.evaluate(
            "id => { const svg = document.querySelector(`#figure-${id} svg`).getBoundingClientRect();"
            "  return [...document.querySelectorAll(`#figure-${id} svg text`)].filter(text => {"
            "    const box = text.getBoundingClientRect();"
            "    return box.left < svg.left - 1 || box.right > svg.right + 1; }).map(t => t.textContent); }",
            name,
        )
        assert out == []


def test_features_of_a_token_by_mouse_and_by_tab_key(browser: Any, made: Run) -> None:
    """Every answer shows its own; the tab key reaches the token from the link before it."""
    tab = opened(browser, made, [])
    answers = tab.locator(".answers > div")
    assert answers.count() == 2  # under the masks, and of the arms
    for i in range(2):
        token, detail = answers.nth(i).locator(".token").first, answers.nth(i).locator(".detail")
        assert detail.inner_text() == ""
        token.hover()
        assert "7 (0.50)" in detail.inner_text()
    tab.reload()
    tab.locator(".answers > div .notes a").first.focus()
    tab.keyboard.press("Shift+Tab")
    assert tab.evaluate("document.activeElement.className") == "token"
    assert "7 (0.50)" in tab.locator(".detail").first.inner_text()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.evaluate(outline) == "solid"
    means = answers.nth(1).locator(".notes").inner_text()
    assert "2 tokens, markdown 50 %" in means


def test_figure_4_has_its_elbow_and_the_authors_numbers(html: str) -> None:
    assert "elbow: 0.02" in html
    assert "at alpha 0.02, by kneed 0.9.0 (convex, decreasing, S = 1)" in html
    assert "0.02: 3.3337, L0 2057" in html
    assert "12: 2.9358; 18: 5.0548" in html
    table = sweeps.numbers(swept("alpha", (0.01, 0.02)), "sweep-alpha", "x.json", read_printed())
    assert [row[-1].text for row in table.rows] == ["2.9358", "3.3337"]
    assert [row[3].text for row in table.rows] == ["the least", "+0.125 [+0.100, +0.150]"]
    layers = sweeps.numbers(swept("layer", (1.0, 3.0)), "sweep-layer", "x.json", read_printed())
    assert [cell.text for cell in layers.rows[1][6:]] == ["bundle", "0.900", "10.0", "12.5", "no such point"]


def test_without_an_elbow_the_page_says_why() -> None:
    none = Elbow(
        rule="kneed 0.9.0",
        curve="convex",
        direction="decreasing",
        sensitivity=1.0,
        alpha=None,
        reason="no bend",
    )
    result = swept("alpha", (0.01, 0.02)).model_copy(update={"elbow": none})
    table = sweeps.numbers(result, "sweep-alpha", "x.json", read_printed())
    assert any("none (no bend)" in note for note in table.notes)
    assert "dotted" not in sweeps.alt(result)


def test_the_base_alone_has_no_figure_of_differences(outcome: Outcome) -> None:
    alone = outcome.model_copy(update={"arms": {"base": outcome.arms["base"]}})
    made = build(Documents(alone, "table1.json", {}, "../studies", read_paper(), read_printed()))
    assert set(made) == {"index.html"}
    assert b"figure-differences" not in made["index.html"]
