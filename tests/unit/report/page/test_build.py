"""The page as HTML: what it holds, where its links lead, and that it escapes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from page_toys import NASTY, findings
from report_toys import Run

from harness.core.artefact import read_artefact
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.printed import read_printed
from harness.report.page.build import Documents, build


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
        ">Table 1<",
        "Table 2.",
        "Table 3.",
        "Table 4.",
        "Figure 2",
        "Figure 3",
        "Figure 4: sweep of alpha",
        "Figure 4: sweep of layer",
        "Figure 5",
        "Causal",
        "What each training taught",
        "Do the analyses see what is there?",
    ):
        assert title in html
    assert html.count("<svg") == 9


def test_the_papers_values_stand_beside_ours(html: str) -> None:
    for printed in ("17.59 ±0.03", "-9.42 ±0.25", "+4.11 ±0.20", "56750: Geographical", "39904: Programming"):
        assert printed in html
    assert "12.50 [10.00, 15.00]" in html


def test_a_run_beside_which_the_papers_values_do_not_stand(made: Run) -> None:
    outcome = made.outcome().model_copy(update={"paper_values": False})
    studies = {name: read_artefact(made.paths.stage(f"studies/{name}"), made_by="-") for name in findings()}
    found = build(Documents(outcome, "table1.json", studies, read_paper(), read_printed(), ()))
    page = found["index.html"].decode()
    assert "12.50 [10.00, 15.00]" in page
    theirs = ("2.19", "2.73", "2.94", "93 GB", "17.59", "56750", "39904", ">Paper", ">Authors")
    text = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert [text[(i := text.index(one)) - 60 : i + 60] for one in theirs if one in text] == []


def test_every_link_of_a_number_leads_to_that_number(made: Run, html: str) -> None:
    """Each JSON pointer exists in the file that the link names."""
    pointed = 0
    for tag, href in Links(html).found:
        path, _, pointer = href.partition("#")
        if tag != "a" or not path or href.startswith("https://arxiv.org/"):
            continue
        target = (made.paths.report / path).resolve()
        assert target.is_file(), href
        if pointer:
            value = json.loads(target.read_text())
            for part in unquote(pointer).strip("/").split("/"):
                value = value[int(part)] if isinstance(value, list) else value[part]
            pointed += 1
    assert pointed > 100


def test_a_cell_is_sorted_by_the_number_that_it_shows(html: str) -> None:
    """To the digits shown: a share in percent, a time in minutes; one of the rows is `the least`."""
    cells = re.findall(r'<t[dh][^>]* data-sort="([^"]*)"[^>]*>(?:<a [^>]*>)?([^<]*)', html)
    assert len(cells) > 100
    for number, text in cells:
        shown = re.match(r"[+-]?[\d,]+(?:\.(\d+))?(?:e([+-]\d+))?", text)
        if shown is None:
            assert text == "the least"
            continue
        half = 0.51 * 10.0 ** (int(shown[2] or 0) - len(shown[1] or ""))
        assert float(shown[0].replace(",", "")) == pytest.approx(float(number), abs=half), text


def test_nothing_comes_from_the_network(html: str) -> None:
    outside = [(tag, href) for tag, href in Links(html).found if re.match(r"(?:https?:)?//", href)]
    assert outside == [("a", "https://arxiv.org/abs/2509.12934")], (
        "a link that a reader may follow, no request"
    )
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


def test_the_base_alone_has_no_figure_of_differences(outcome: Outcome) -> None:
    alone = outcome.model_copy(update={"arms": {"base": outcome.arms["base"]}})
    made = build(Documents(alone, "table1.json", {}, read_paper(), read_printed(), ()))
    assert set(made) == {"index.html"}
    assert b"figure-effects" not in made["index.html"]
