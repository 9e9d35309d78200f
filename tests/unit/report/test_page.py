"""The page: what it holds, that it escapes, the same bytes twice, and no torch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from page_toys import NASTY, findings, put
from report_toys import Run, at

from harness.commands import page, regress
from harness.core.artefact import digest_tree
from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import ROOT, RunPaths
from harness.core.results import Record
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.printed import read_printed
from harness.profiles.profile import load_profile
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


def test_a_cell_is_sorted_by_the_number_that_it_shows(html: str) -> None:
    """To the digits shown: a share in percent, a time in minutes; one of the rows is `the least`."""
    cells = re.findall(r'<td data-sort="([^"]*)">(?:<a [^>]*>)?([^<]*)', html)
    assert len(cells) > 100
    for number, text in cells:
        shown = re.match(r"[+-]?[\d,]+(?:\.(\d+))?", text)
        if shown is None:
            assert text == "the least"
            continue
        half = 0.51 * 10.0 ** -len(shown[1] or "")
        assert float(shown[0].replace(",", "")) == pytest.approx(float(number), abs=half), text


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


def test_a_page_that_cannot_be_made_leaves_what_was_committed(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run(made.profile, made.paths, committed=False, commit=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    (folder / "cost.md").write_text("of regress --update")
    before = digest_tree(tmp_path)
    monkeypatch.setattr(page, "_committed_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.run(made.profile, made.paths, committed=False, commit=True, results=tmp_path)
    assert digest_tree(tmp_path) == before
    monkeypatch.undo()
    page.run(made.profile, made.paths, committed=False, commit=True, results=tmp_path)
    assert digest_tree(tmp_path) == before


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


def test_the_base_alone_has_no_figure_of_differences(outcome: Outcome) -> None:
    alone = outcome.model_copy(update={"arms": {"base": outcome.arms["base"]}})
    made = build(Documents(alone, "table1.json", {}, "../studies", read_paper(), read_printed()))
    assert set(made) == {"index.html"}
    assert b"figure-differences" not in made["index.html"]
