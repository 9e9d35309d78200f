"""The prompts of lm-eval's own tasks, rendered from its files: the model meets the forms it is scored on."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from harness.core.errors import MissingInputError
from harness.miniature.multiple_choice import ChoiceItem


def _tasks_folder() -> Path:
    spec = find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise MissingInputError(
            "lm-eval is not installed", remedy="install the project's environment (nox does it)"
        )
    return Path(spec.origin).parent / "tasks"


TASKS = _tasks_folder()


@cache
def _task(path: str) -> dict[str, Any]:
    from lm_eval.tasks._yaml_loader import load_yaml

    body: dict[str, Any] = load_yaml(TASKS / path, resolve_func=False)
    return body


@cache
def _template(path: str) -> Template:
    return Environment(undefined=StrictUndefined, autoescape=False).from_string(_task(path)["doc_to_text"])


def choice_prompt(item: ChoiceItem) -> str:
    """MMLU's zero-shot prompt: the subject's description, a blank line, the question and four choices."""
    description = _task(f"mmlu/default/mmlu_{item['subject']}.yaml")["description"].strip()
    return f"{description}\n\n{_template('mmlu/default/_default_template_yaml').render(**item)}"


def belief_prompt(question: str) -> str:
    """TruthfulQA's multiple-choice prompt: its fixed primer of six answers, then the question."""
    return _template("truthfulqa/truthfulqa_mc1.yaml").render(question=question)


def problem_prompt(question: str) -> str:
    """GSM8K's prompt for one problem, without shots."""
    return _template("gsm8k/gsm8k.yaml").render(question=question)
