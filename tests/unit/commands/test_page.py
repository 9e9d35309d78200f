"""`page`: what it needs, the same bytes twice, the committed page, and no torch."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from page_toys import findings, put
from report_toys import Run, at

from harness.commands import page, regress
from harness.core.artefact import digest_tree, read_artefact, write_json
from harness.core.errors import DamagedFileError, MissingInputError, StaleError, UsageError
from harness.core.paths import ROOT, RunPaths
from harness.core.results import Record
from harness.findings.outcome import read_outcome
from harness.profiles.profile import load_profile
from harness.stages.inputs import Context
from harness.stages.report import judged, read_verdicts, rendered
from harness.stages.stage import run_stage


def test_the_same_bytes_again(made: Run, tmp_path: Path) -> None:
    again = at(made.profile, Path(shutil.copytree(made.paths.root, tmp_path / "elsewhere")))
    for old in again.paths.report.glob("*.png"):
        if old.name != "differences.png":  # the report's
            old.unlink()
    (again.paths.report / "index.html").unlink()
    page.run(again.profile, again.paths, committed=False, save=False)
    assert digest_tree(again.paths.report) == digest_tree(made.paths.report)


def test_committed_results_are_enough_for_the_same_page(made: Run, tmp_path: Path) -> None:
    page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    before = digest_tree(folder / "report")
    assert [path.name for path in (folder / "classification").iterdir()] == ["local.json"]
    assert {path.name for path in (folder / "report").iterdir()} == {
        "index.html", "audit-fsrl.png", "audit-full-simpo.png", "effects.png", "figure2.png", "figure3.png",
        "figure5.png", "sweep-alpha.png",
        "sweep-layer.png", "training-loss.png",
    }  # fmt: skip
    shutil.rmtree(folder / "report")
    page.run(made.profile, made.paths, committed=True, save=False, results=tmp_path)
    assert digest_tree(folder / "report") == before


def test_a_page_that_cannot_be_made_leaves_what_was_committed(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    (folder / "seeds.md").write_text("of seeds --save")
    before = digest_tree(tmp_path)
    monkeypatch.setattr(page, "_committed_files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
    assert digest_tree(tmp_path) == before
    monkeypatch.undo()
    page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
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
        save=False,
        results=tmp_path,
    )
    assert digest_tree(folder / "report") == digest_tree(source / "report")
    assert sum(file.stat().st_size for file in path.parent.glob("*.png")) < 1_000_000


def test_a_study_that_has_not_run_is_named(
    reported: Run, capsys: pytest.CaptureFixture[str], html: str
) -> None:
    put(reported, "table3", findings()["table3"])
    run_stage("report", reported.profile, reported.paths)
    page.run(reported.profile, reported.paths, committed=False, save=False)
    assert "not finished or outdated: audit, probe, census, table2, table4" in capsys.readouterr().out
    text = (reported.paths.report / "index.html").read_text()
    assert "Table 3." in text
    assert "Table 4." not in text


def test_a_page_is_not_made_with_the_verdicts_of_an_older_report(reported: Run) -> None:
    put(reported, "figure5", findings()["figure5"])
    with pytest.raises(StaleError, match=r"report is out of date: .*studies/figure5") as failure:
        page.run(reported.profile, reported.paths, committed=False, save=False)
    assert "python -m harness report --profile miniature" in failure.value.remedy


def shown_verdicts(text: str) -> dict[str, str]:
    """The verdicts of a page's two tables of claims, by claim."""
    found = {}
    for name in ("verdicts", "untestable"):
        table = text.partition(f'id="table-{name}"')[2].partition("</table>")[0]
        for row in table.partition("<tbody>")[2].split("<tr")[1:]:
            cells = re.findall(r"<t[dh]([^>]*)>(.*?)</t[dh]>", row, re.DOTALL)
            claim = re.search(r'class="claim-([^"]+)"', cells[0][0])
            assert claim is not None
            plain = re.sub(r"<span.*?</span>|<[^>]+>", "", cells[1][1])
            found[claim[1]] = plain.strip()
    return found


def test_files_and_page_of_a_run_agree_on_every_claim(made: Run, html: str) -> None:
    with (made.paths.report / "verdicts.csv").open(newline="") as handle:
        labels = {row["claim"]: row["verdict"] for row in csv.DictReader(handle)}
    assert labels == shown_verdicts(html)
    assert labels == {one.claim: one.label for one in read_verdicts(made.paths)}
    assert labels["table2-style"] == "same direction (this model)", "the study decides it"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results").glob("*/*/verdicts.csv")), ids=lambda path: str(path.parts[-3])
)
def test_committed_files_and_page_agree_on_every_claim(path: Path) -> None:
    """With each other, and with a judgement of the committed outcome and studies."""
    folder = path.parent
    with path.open(newline="") as handle:
        labels = {row["claim"]: row["verdict"] for row in csv.DictReader(handle)}
    outcome = read_outcome(folder / "table1.json", made_by="a test")
    studies = {one.stem: read_artefact(one, made_by="a test") for one in (folder / "studies").glob("*.json")}
    verdicts = judged(outcome, studies)
    assert labels == {one.claim: one.label for one in verdicts}
    for name, content in rendered(outcome, verdicts).items():
        assert (folder / name).read_bytes() == content, name
    if (folder / "report" / "index.html").is_file():
        assert labels == shown_verdicts((folder / "report" / "index.html").read_text())


def test_without_a_report_there_is_no_page(made_run: Run) -> None:
    with pytest.raises(MissingInputError, match="harness report"):
        page.run(made_run.profile, made_run.paths, committed=False, save=False)


def test_nothing_committed(made_run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="--save"):
        page.run(made_run.profile, made_run.paths, committed=True, save=False, results=tmp_path)


def test_a_study_of_other_weights_is_not_on_the_page(
    reported: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Finished, whole, and of an adapter that the run does not have any more."""
    from harness.stages.study import arm_inputs

    inputs = arm_inputs(Context(reported.profile, reported.paths), "fsrl")
    put(reported, "table3", findings()["table3"], **inputs)
    put(reported, "table4", findings()["table4"], **{"arm fsrl": "of another adapter"})
    run_stage("report", reported.profile, reported.paths)
    page.run(reported.profile, reported.paths, committed=False, save=False)
    assert "outdated: audit, probe, census, table2, table4" in capsys.readouterr().out
    text = (reported.paths.report / "index.html").read_text()
    assert "Table 3." in text
    assert "Table 4." not in text


def test_accepting_a_report_leaves_the_page_where_it_is(made: Run, tmp_path: Path) -> None:
    """`regress --update` takes the tables; the page is `page --save`'s, since its links are relative."""
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
        run_stage("report", reported.profile, reported.paths)


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


def test_the_last_lines_say_what_was_found_where_it_is_and_what_is_next(
    reported: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    page.run(reported.profile, reported.paths, committed=False, save=False)
    claims, where, tables, what_next = capsys.readouterr().out.splitlines()[-4:]
    verdicts = read_verdicts(reported.paths)
    assert claims.startswith(f"{len(verdicts)} claims: ")
    assert sum(map(int, re.findall(r"[:,] (\d+) ", claims))) == len(verdicts)
    assert f"{reported.paths.report / 'index.html'}" in where
    assert str(reported.paths.report) in tables
    assert what_next.startswith("next: `nox -s reproduce-paper -- --profile miniature`")


def test_items_of_committed_results_without_texts_are_explained(made: Run, tmp_path: Path) -> None:
    page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    assert "show these items" in (folder / "report" / "index.html").read_text()
    (folder / "items.json").unlink()
    page.run(made.profile, made.paths, committed=True, save=False, results=tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert "show these items" not in text
    assert "These results hold no texts of items" in text


def test_seeds_of_another_profile_are_not_on_the_page(made: Run, tmp_path: Path) -> None:
    """Committed seeds with the run's digest bring their interval and a section; others are left out."""
    committed = ROOT / "results" / "miniature" / "cpu-x86_64-2c" / "seeds.json"
    if not committed.is_file():
        pytest.skip("no table over seeds is committed")
    page.run(made.profile, made.paths, committed=False, save=True, results=tmp_path)
    (folder,) = (tmp_path / "miniature").iterdir()
    seeds = json.loads(committed.read_text()) | {"profile_digest": made.outcome().profile_digest}
    write_json(folder / "seeds.json", seeds)
    page.run(made.profile, made.paths, committed=True, save=False, results=tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert 'id="table-seeds"' in text
    assert "over training seeds, same items" in text
    write_json(folder / "seeds.json", seeds | {"profile_digest": "another"})
    page.run(made.profile, made.paths, committed=True, save=False, results=tmp_path)
    assert 'id="table-seeds"' not in (folder / "report" / "index.html").read_text()


def test_the_page_has_settings_citation_and_a_link_to_the_paper(made: Run, html: str) -> None:
    for needed in (
        "training.beta",
        "training.pairs_per_device",
        "arms.fsrl.penalty_coefficient",
        "sae.layer",
    ):
        assert needed in html, needed
    assert "https://arxiv.org/abs/2509.12934" in html
    assert "@misc{paper," in html


def test_committed_and_seeds_exclude_each_other(made: Run) -> None:
    with pytest.raises(UsageError):
        page.run(made.profile, made.paths, committed=True, seeds="1,2")
