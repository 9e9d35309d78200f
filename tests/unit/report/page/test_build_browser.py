"""The page as a browser sees it: widths, colours, keyboard, print."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from report_toys import Run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


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


UNFOLD = "for (const one of document.querySelectorAll('details')) one.open = true"
STOPS = """() => {
    const hidden = one => { const fold = one.parentElement.closest("details:not([open])");
        return fold && !(one.tagName === "SUMMARY" && fold === one.parentElement
            && !fold.parentElement.closest("details:not([open])")); };
    const stops = [...document.querySelectorAll("a[href], button, summary, [tabindex]")].filter(one =>
        one.tabIndex >= 0 && !one.hidden && !one.closest("dialog") && !hidden(one));
    return [...document.querySelectorAll("details.page > summary")].map(one => stops.indexOf(one));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(browser: Any, made: Run, width: int, scheme: str) -> None:
    said: list[str] = []
    tab = opened(browser, made, said, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate(UNFOLD)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    figures = tab.locator("figure svg")
    assert figures.count() == 9
    for i in range(7):
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
    tab.evaluate(UNFOLD)
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


SORTED = """name => {
    const table = document.getElementById(name), found = [];
    for (const button of table.querySelectorAll("th button")) {
        const place = button.closest("th").cellIndex;
        const shown = () => [...table.tBodies[0].rows].map(row => row.cells[place].textContent.trim());
        button.click(); const up = shown();
        button.click(); found.push([button.textContent, up, shown()]);
    }
    return found;
}"""


def numbers(column: list[str]) -> list[float]:
    """The number that each cell begins with; words have none."""
    found = (re.match(r"[+-]?[\d,]+(?:\.\d+)?", cell) for cell in column)
    return [float(one[0].replace(",", "")) for one in found if one]


def test_columns_of_numbers_are_sorted_by_number(browser: Any, made: Run) -> None:
    """By what a reader sees, in both directions; words behind the numbers."""
    tab = opened(browser, made, [])
    tab.evaluate(UNFOLD)
    for name in ("table1", "cost", "times", "table2", "figure2-numbers", "ablation-contrasts", "ablation"):
        for heading, up, down in tab.evaluate(SORTED, f"table-{name}"):
            rising, falling = numbers(up), numbers(down)
            if len(rising) > 1:
                assert rising == sorted(rising), (name, heading)
                assert falling == sorted(falling, reverse=True), (name, heading)
                assert numbers(up[: len(rising)]) == rising, (name, heading)
                assert numbers(down[: len(falling)]) == falling, (name, heading)
    costs = {heading: up for heading, up, _ in tab.evaluate(SORTED, "table-cost")}
    assert costs["Paper: epoch"] == ["50 min", "105 min", "not printed"]


def test_on_paper_it_is_black_on_white(browser: Any, made: Run) -> None:
    tab = opened(browser, made, [], color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    ink = "getComputedStyle(document.querySelector('figure svg text')).fill"
    assert tab.evaluate(ink) == "rgb(0, 0, 0)"
    assert not tab.locator("#theme").is_visible()
    assert len(tab.pdf()) > 10_000


def test_the_text_of_a_figure_can_be_read_on_a_telephone(browser: Any, made: Run) -> None:
    """At 390 pixels no letter of a figure but the first is smaller than 9 pixels, and none is cut off."""
    tab = opened(browser, made, [], viewport={"width": 390, "height": 800})
    tab.evaluate(UNFOLD)
    for name in ("effects", "training-loss", "figure2", "figure3", "sweep-alpha", "sweep-layer", "figure5"):
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
    """Every answer shows its own; an answer is one tab stop, in which the arrow keys move."""
    tab = opened(browser, made, [])
    tab.evaluate(UNFOLD)
    answers = tab.locator(".answers > div")
    assert answers.count() == 2  # under the masks, and of the arms
    for i in range(2):
        token, detail = answers.nth(i).locator(".token").first, answers.nth(i).locator(".detail")
        assert detail.inner_text() == ""
        token.hover()
        assert "7 (0.50)" in detail.inner_text()
    tab.reload()
    tab.evaluate(UNFOLD)
    tab.locator(".answers > div .text").first.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.className") == "token"
    assert "7 (0.50)" in tab.locator(".detail").first.inner_text()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.evaluate(outline) == "solid"
    means = answers.nth(1).locator(".notes").inner_text()
    assert "2 tokens, markdown 50 %" in means


def test_the_first_screen_says_whether_the_claims_hold(browser: Any, made: Run) -> None:
    """Counts, headline claims and effects within 1280 x 800 pixels, before anything is unfolded."""
    tab = opened(browser, made, [], viewport={"width": 1280, "height": 800})
    for what in (".counts", ".headlines li:last-child", "#figure-effects svg text"):
        box = tab.locator(what).first.bounding_box()
        assert 0 < box["y"] < 700, what
    assert tab.locator(".counts a").first.inner_text().split()[0].isdigit()
    assert tab.locator(".headlines .sign").count() == tab.locator(".headlines li").count() > 0


def test_no_part_is_more_than_a_hundred_tab_stops_away(browser: Any, made: Run) -> None:
    """Also with every part unfolded."""
    tab = opened(browser, made, [])
    closed = tab.evaluate(STOPS)
    tab.locator("#unfold").click()
    unfolded = tab.evaluate(STOPS)
    assert len(closed) == len(unfolded) > 5
    assert 0 < max(closed) <= 60
    assert max(unfolded) <= 100
    assert tab.locator("#unfold").inner_text() == "Close all"


def test_a_number_leads_to_its_line_and_value(browser: Any, made: Run) -> None:
    said: list[str] = []
    tab = opened(browser, made, said)
    tab.locator("#table-table1 tbody tr").nth(1).locator("td a").first.click()
    assert tab.locator("#source").is_visible()
    file, line = tab.locator("#source-file").inner_text(), int(tab.locator("#source-line").inner_text())
    text = (made.paths.report / file).read_text().splitlines()[line - 1]
    value = tab.locator("#source-value").inner_text()
    assert tab.locator("#source-place").inner_text() == "/arms/full-simpo/scores/preference.loss/value"
    assert f'"value": {value}' in text
    tab.keyboard.press("Escape")
    assert not tab.locator("#source").is_visible()
    assert said == []


def test_a_count_shows_the_claims_behind_it(browser: Any, made: Run) -> None:
    """The link of a count unfolds the claims and leaves those with its verdict."""
    tab = opened(browser, made, [])
    count = tab.locator(".counts a[data-answer='reproduced']")
    wanted = int(count.inner_text().split()[0])
    count.click()
    rows = tab.locator("#table-verdicts tbody tr")
    assert rows.first.is_visible() or wanted < rows.count()
    assert sum(rows.nth(i).is_visible() for i in range(rows.count())) == wanted
    tab.locator(".filter button[aria-pressed='true']").click()
    assert sum(rows.nth(i).is_visible() for i in range(rows.count())) == rows.count()


def test_an_item_has_its_question_and_every_arm(browser: Any, made: Run) -> None:
    tab = opened(browser, made, [])
    tab.locator("a[href='#items-mmlu-acc']").click()
    first = tab.locator("#items-mmlu-acc .item").first
    first.locator("summary").click()
    assert "number 10 of mmlu?" in first.inner_text()
    assert "(right)" in first.locator(".options li").nth(2).inner_text()
    rows = first.locator("tbody tr")
    assert [rows.nth(i).locator("th").inner_text() for i in range(3)] == ["Base", "Full SimPO", "FSRL"]
    assert "B 75 %" in rows.nth(0).inner_text(), "odds of 3 to 1"


def test_the_colours_that_a_reader_chose_are_kept(browser: Any, made: Run) -> None:
    tab = opened(browser, made, [], color_scheme="light")
    assert tab.locator("#theme").inner_text() == "Light: switch to dark"
    tab.locator("#theme").click()
    tab.reload()
    assert tab.locator("#theme").inner_text() == "Dark: switch to light"
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_on_a_telephone_a_row_is_a_card(browser: Any, made: Run) -> None:
    """The evidence of a claim stands below it, within the width, with its heading."""
    tab = opened(browser, made, [], viewport={"width": 390, "height": 800})
    tab.evaluate(UNFOLD)
    cell = tab.locator("#table-verdicts td[data-heading='Evidence']").first
    box = cell.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    heading = (
        "getComputedStyle(document.querySelector('#table-verdicts td[data-heading=Evidence]'), '::before')"
    )
    assert "Evidence" in tab.evaluate(f"{heading}.content")


def test_it_is_printed_on_eight_pages_at_most(browser: Any, made: Run) -> None:
    printed = opened(browser, made, []).pdf(prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 8
