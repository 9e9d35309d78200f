"""`classify` against a real HTTP server on loopback: right answers, wrong ones, none, and an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import KEY, ChatServer
from loopback import running

from harness.__main__ import main
from harness.classification.endpoint import endpoint_from
from harness.core.artefact import read_artefact
from harness.core.errors import MissingInputError
from harness.findings.classification import ClassificationResult, Confusion
from harness.findings.features import Feature, read_features

TEXTS = ["headings and bullet lists", "honest refusals", "rivers of Spain", "full stops", "deception"]
ASKED = 2 * len(TEXTS)


def judge(system: str, text: str) -> bool:
    wanted = ("honest", "deception", "rivers") if "alignment researcher" in system else ("lists", "stops")
    return any(word in text for word in wanted)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with running(ChatServer(judge)) as one:
        monkeypatch.setenv("OPENAI_BASE_URL", one.url)
        monkeypatch.setenv("OPENAI_MODEL", "judge")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield one


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.json"
    rows = [{"modelId": "m", "index": str(f), "description": text} for f, text in enumerate(TEXTS)]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def classify(tmp_path: Path, export: Path, *more: str) -> int:
    given = ["classify", "--run-dir", str(tmp_path / "run"), "--explanations", str(export), "--retries", "2"]
    return main([*given, *more])


def found(tmp_path: Path) -> ClassificationResult:
    artefact = read_artefact(tmp_path / "run" / "classification" / "endpoint.json", made_by="classify")
    return ClassificationResult.model_validate(artefact.result)


def test_labels_validation_and_reuse(
    server: ChatServer, tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        "".join(json.dumps({"feature": f, "alignment": f in (1, 4)}) + "\n" for f in range(5))
        + json.dumps({"feature": 0, "style": True})
        + "\n"
    )
    assert classify(tmp_path, export, "--labels", str(labels), "--prices", "1,10") == 0
    said = "".join(capsys.readouterr())
    result = found(tmp_path)
    rows = {row.category: row for row in result.rows}
    assert rows["alignment"].confusion == Confusion(tp=2, tn=2, fp=1, fn=0)  # the rivers
    assert rows["alignment"].accuracy == pytest.approx(0.8)
    assert rows["alignment"].mcc.value == pytest.approx(4 / 6)  # (2*2 - 1*0) / sqrt(3*2*3*2)
    assert rows["style"].confusion == Confusion(tp=1, tn=0, fp=0, fn=0)
    assert (rows["style"].classifier, result.positives) == ("judge-1", {"alignment": 3, "style": 2})
    features = read_features(tmp_path / "run" / "classification" / "endpoint.features.jsonl")
    assert features[0] == Feature("headings and bullet lists", ("style",))
    assert features[4] == Feature("deception", ("alignment",))
    # asked before, counted after: 100 + 9 tokens for each of ten requests, at 1 and 10 a million
    assert f"{ASKED} requests (0 answers kept), about" in said
    assert "1,000 input and 90 output tokens" in said
    assert "cost 0.00" in said
    assert server.requests == ASKED

    assert classify(tmp_path, export) == 0
    assert server.requests == ASKED
    assert f"0 requests ({ASKED} answers kept)" in "".join(capsys.readouterr())


def test_what_is_sent(server: ChatServer, tmp_path: Path, export: Path) -> None:
    assert classify(tmp_path, export) == 0
    first = server.bodies[TEXTS[0]][0]
    assert (first["temperature"], first["model"]) == (0, "judge")
    assert first["response_format"]["json_schema"]["strict"] is True
    assert first["messages"][0]["content"].startswith("You are an expert")
    assert server.keys == {f"Bearer {KEY}"}


def test_an_estimate_asks_nothing(
    server: ChatServer, tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify(tmp_path, export, "--estimate") == 0
    said = "".join(capsys.readouterr())
    assert server.requests == 0
    assert f"{ASKED} requests" in said
    assert "cost not known" in said
    assert not (tmp_path / "run" / "classification" / "endpoint.json").exists()


@pytest.mark.parametrize(
    "fault", ["429", "500", "slow", "broken", "prose", "other label", "cut off", "no choices"]
)
def test_a_fault_that_passes(server: ChatServer, tmp_path: Path, export: Path, fault: str) -> None:
    server.faults = {TEXTS[1]: [fault]}
    assert classify(tmp_path, export, "--timeout", "0.7") == 0
    assert found(tmp_path).positives == {"alignment": 3, "style": 2}
    assert server.requests == ASKED + 1
    if fault == "429":
        first, *_, last = server.times[TEXTS[1]]
        assert last - first >= 1  # as Retry-After says


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("other label", "the label is not allowed: 'maybe'"),
        ("broken", "not JSON"),
        ("cut off", "cut off after 64 tokens"),
        ("500", "no answer after 3 tries (HTTP 500)"),
    ],
)
def test_a_fault_that_stays(
    server: ChatServer, tmp_path: Path, export: Path, fault: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The other questions are answered and kept; only this one is asked again, or given up on demand."""
    server.faults = {TEXTS[1]: [fault] * 6}
    assert classify(tmp_path, export) == 8
    said = "".join(capsys.readouterr())
    assert "2 questions have no allowed answer" in said
    assert message in " ".join(said.split())
    server.faults, before = {TEXTS[1]: [fault] * 6}, server.requests
    assert classify(tmp_path, export, "--max-unanswered", "2") == 0
    result = found(tmp_path)
    assert result.unanswered == {"alignment": (1,), "style": (1,)}
    features = read_features(tmp_path / "run" / "classification" / "endpoint.features.jsonl")
    assert sorted(features) == [0, 2, 3, 4]
    assert server.requests == before + 6
    server.faults, before = {}, server.requests
    assert classify(tmp_path, export) == 0
    assert server.requests == before + 2
    assert found(tmp_path).positives == {"alignment": 3, "style": 2}


def test_a_wrong_key_stops_at_once_and_is_not_shown(
    server: ChatServer, tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = {text: ["401"] * 9 for text in TEXTS}
    assert classify(tmp_path, export, "--concurrency", "1") == 5
    said = "".join(capsys.readouterr())
    assert "the key is not accepted" in said
    assert server.requests == 1
    assert KEY not in said
    assert not any(
        KEY.encode() in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()
    )


def test_a_dead_endpoint_is_given_up(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"index": f, "description": f"x{f}"}) + "\n" for f in range(40)))
    server.faults = {f"x{f}": ["500"] * 9 for f in range(40)}
    assert classify(tmp_path, path, "--retries", "0", "--concurrency", "2") == 5
    assert "10 questions in a row" in "".join(capsys.readouterr())
    assert 10 <= server.requests <= 12


def test_an_interrupted_run_goes_on(server: ChatServer, tmp_path: Path, export: Path) -> None:
    """Half a line at the end of the answers is what a kill leaves."""
    assert classify(tmp_path, export) == 0
    answers = tmp_path / "run" / "classification" / "answers.jsonl"
    kept = answers.read_text().splitlines(keepends=True)
    answers.write_text("".join(kept[:4]) + kept[4][:30])
    assert classify(tmp_path, export) == 0
    assert server.requests == ASKED + ASKED - 4
    assert len(answers.read_text().splitlines()) == ASKED
    assert all(json.loads(line)["label"] for line in answers.read_text().splitlines())


def test_concurrency(server: ChatServer, tmp_path: Path, export: Path) -> None:
    server.delay_s = 0.1
    assert classify(tmp_path, export, "--concurrency", "3") == 0
    assert server.at_once == 3


def test_another_model_is_asked_again(
    server: ChatServer, tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert classify(tmp_path, export) == 0
    monkeypatch.setenv("OPENAI_MODEL", "another")
    assert classify(tmp_path, export) == 0
    assert server.requests == 2 * ASKED


def test_nearest_needs_no_endpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "--by", "nearest", "--run-dir", str(tmp_path / "run")]) == 0
    said = "".join(capsys.readouterr())
    assert "alignment: MCC 1.000" in said
    features = read_features(tmp_path / "run" / "classification" / "nearest.features.jsonl")
    assert len(features) == 1024


def test_what_is_missing_is_named(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MissingInputError, match="OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY"):
        endpoint_from({})
    assert classify(tmp_path, export, "--by", "nearest") == 3
    assert "--labels FILE" in "".join(capsys.readouterr())
    assert classify(tmp_path, export, "--prices", "1") == 2


def test_an_endpoint_does_not_show_its_key() -> None:
    given = {"OPENAI_BASE_URL": "https://me:secret@host/v1?key=x", "OPENAI_MODEL": "m", "OPENAI_API_KEY": KEY}
    shown = f"{endpoint_from(given)!r} {endpoint_from(given)}"
    assert shown.startswith("Endpoint('https://host/v1', 'm')")
    assert not any(secret in shown for secret in (KEY, "secret", "key=x"))
