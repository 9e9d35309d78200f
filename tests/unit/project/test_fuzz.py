"""Any input gives a valid result or a HarnessError with a cause and a remedy, never another exception."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import training_toys as toys
from fuzz_toys import DEEP, FUZZ, broken_text, hurt, survives, values, written
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsrl.adapter_file import read_card
from harness.core.artefact import Artefact, digest_file, read_artefact
from harness.environment.lock import BUILDS, read_lock, reported
from harness.evaluation.committed_prompts import read_snapshot
from harness.evaluation.rows import task_dataset
from harness.findings.compare import TOLERANCES, read_tolerances
from harness.findings.outcome import read_outcome
from harness.paper.claims import PAPER, read_paper
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.profiles.toml_file import PROFILES
from harness.sources.data_root import read_files
from harness.stages.analyse import _read_items as read_items
from harness.training.pairs import read_pairs, tokenise_pairs

SMOKE = (PROFILES / "miniature-smoke.toml").read_text(encoding="utf-8")

WHOLE = load_profile("miniature-smoke").resolved()
ARTEFACT = Artefact(
    stage="train",
    arm="fsrl",
    key="1",
    profile=WHOLE,
    inputs={"a": "b"},
    outputs={},
    provenance={},
    wall_s=1.0,
    result={"trained": False},
).model_dump(mode="json")


@FUZZ
@given(hurt(WHOLE))
def test_profiles(data: Any) -> None:
    survives(lambda: parse_profile(data, where="a test"))


@FUZZ
@given(broken_text, st.integers(0, len(SMOKE)))
@example(b"\xff\xfe", 0)
@example(b"a = " + b"[" * 5000, 0)
def test_profile_files(noise: bytes, place: int) -> None:
    text = SMOKE.encode()
    written(text[:place] + noise + text[place:], lambda path: load_profile(str(path)), "p.toml")


@FUZZ
@given(broken_text | hurt(ARTEFACT))
@example(DEEP)
@example(b"\xff")
@example({**ARTEFACT, "wall_s": float("nan")})
def test_artefacts(content: bytes | object) -> None:
    written(content, lambda path: read_artefact(path, made_by="a test"))


@settings(FUZZ, max_examples=25)
@given(broken_text | values)
@example(DEEP)
@example({"schema_version": 1})
def test_other_documents(content: bytes | object) -> None:
    written(content, lambda path: read_outcome(path, made_by="a test"))
    written(content, read_paper)
    written(content, read_tolerances)
    written(content, read_lock)
    written(content, read_snapshot)
    written(content, lambda path: read_card(path.parent), "adapter.json")
    written(content, lambda path: read_items(path, "acc", "evaluate again"))


@settings(FUZZ, max_examples=25)
@given(hurt(json.loads(PAPER.read_text(encoding="utf-8"))))
def test_claims(data: object) -> None:
    written(data, read_paper)


def test_the_whole_documents_are_read() -> None:
    """The data that is hurt above is good before it is hurt."""
    assert isinstance(parse_profile(WHOLE, where="x"), Profile)
    assert read_paper().claims
    assert read_tolerances(TOLERANCES)


INFO = {"url": "https://host/a-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "0" * 64}}}
REPORT = {"install": [{"download_info": INFO, "metadata": {"name": "a", "version": "1.0"}}]}


@settings(FUZZ, max_examples=25)
@given(hurt(REPORT), st.integers(0, 250), broken_text)
def test_pips_report_and_the_lock(report: object, place: int, noise: bytes) -> None:
    survives(lambda: reported(json.dumps(report)))
    whole = BUILDS.read_bytes()
    written(whole[:place] + noise + whole[place:], read_lock)


TOKENIZER = toys.tokenizer()


@FUZZ
@given(st.lists(broken_text | hurt(toys.row("Say it!", "yes", "no")), min_size=1, max_size=3))
@example([DEEP])
@example([b"\xff"])
@example([b'"\\ud800"'])
@example([toys.row("\ud800", "yes", "no")])
@example([toys.row("", "yes", "no")])
@example([toys.row("<eos>", "<bos>", "<start_of_turn>model\n")])
def test_preference_rows(rows: list[Any]) -> None:
    content = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    written(content, lambda path: tokenise_pairs(read_pairs(path, 0), TOKENIZER, 64, 48))


ROWS = {
    "mmlu": {"question": "q", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": 1},
    "truthfulqa_mc2": {
        "question": "q",
        "mc1_targets": {"choices": ["a", "b"], "labels": [1, 0]},
        "mc2_targets": {"choices": ["a", "b"], "labels": [1, 0]},
    },
    "gsm8k": {"question": "q", "answer": "1 + 1 = 2\n#### 2"},
}
SCHEMA = st.sampled_from(["", *ROWS])


@FUZZ
@given(st.sampled_from(sorted(ROWS)).flatmap(lambda kind: hurt(ROWS[kind])), broken_text, SCHEMA)
@example({}, DEEP, "")
@example({}, b"\xff", "mmlu")
@example({"a": {}}, b"", "")
@example({"a": [{"b": None}, {"b": [2**70]}]}, b"", "")
@example({"mc1_targets": {"choices": [], "labels": 3}}, b"", "truthfulqa_mc2")
@example({"mc2_targets": {"choices": ["a"], "labels": [[1]]}}, b"", "truthfulqa_mc2")
def test_evaluation_rows(row: Any, noise: bytes, schema: str) -> None:
    content = json.dumps(row).encode() + b"\n" + noise
    written(content, lambda path: task_dataset({"test": str(path)}, schema))


ENTRY = {"rows": 1, "sha256": "0" * 64, "source": "made here", "licence": "CC0"}


@FUZZ
@given(broken_text | hurt({"a/b.jsonl": ENTRY, "c": ENTRY}), st.text(max_size=12), st.booleans())
@example({"../x": ENTRY}, "../x", False)
@example({"a\0b": ENTRY}, "a\0b", False)
@example({"a" * 5000: ENTRY}, "a" * 5000, False)
@example(DEEP, "x", False)
@example({"": ENTRY}, "", True)
def test_data_roots(manifest: bytes | Any, name: str, right: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a").mkdir()
        (root / "a" / "b.jsonl").write_text("{}\n")
        if right and isinstance(manifest, dict):
            manifest["a/b.jsonl"] = {**ENTRY, "sha256": digest_file(root / "a" / "b.jsonl")}
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        (root / "MANIFEST.json").write_bytes(data)
        survives(lambda: read_files(root, ["a/b.jsonl", name]))


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\n", "../../etc/passwd", "/etc/passwd.toml"])
def test_names_of_profiles(name: str) -> None:
    survives(lambda: load_profile(name))
