"""The README shows what is committed, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_the_committed_one() -> None:
    shown = re.search(r"<!-- table1:start -->\n(.*?)<!-- table1:end -->", README, re.DOTALL)
    assert shown is not None
    committed = (ROOT / "results/miniature/cpu-x86_64-2c/table1.md").read_text(encoding="utf-8")
    assert shown.group(1).strip() == committed.strip()


def test_the_table_over_seeds_is_the_committed_one() -> None:
    """Empty as long as none is committed."""
    shown = re.search(r"<!-- seeds:start -->\n(.*?)<!-- seeds:end -->", README, re.DOTALL)
    assert shown is not None
    path = ROOT / "results/miniature/cpu-x86_64-2c/seeds.md"
    committed = path.read_text(encoding="utf-8") if path.is_file() else ""
    assert shown.group(1).strip() == committed.strip()


def test_every_session_that_is_named_exists() -> None:
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    named = set(re.findall(r"nox -s ([\w-]+)", README))
    defined = set(re.findall(r'(?:name=|^(?:study|simple)\()"([\w-]+)"', noxfile, re.M)) | set(
        re.findall(r"^def (\w+)\(session", noxfile, re.M)
    )
    assert named
    assert named <= defined


def test_every_path_that_is_named_exists() -> None:
    paths = re.findall(r"`((?:harness|baselines|fsrl|results|docs)/[\w./-]*)`", README)
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_nothing_is_left_to_fill_in() -> None:
    assert "@@" not in README


def test_the_numbers_of_the_real_model_are_the_committed_ones() -> None:
    committed = (ROOT / "results/smollm2-135m/cpu-x86_64-2c/table1.md").read_text(encoding="utf-8")
    start = README.index("| | SimPO loss (349 pairs)")
    shown = README[start : README.index("\n\n", start)]
    differences = re.findall(r"[+-]\d+\.\d+ \[[^]]*\]", shown)
    assert len(differences) == 7
    means = re.search(r"\| Base \| ([\d.]+) \| ([\d.]+) % \| ([\d.]+) %", shown)
    assert means is not None
    assert [one for one in (*differences, *(f"{m} ±" for m in means.groups())) if one not in committed] == []
