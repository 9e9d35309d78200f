"""A chat template with the day in it: refused without a day, equal on every day with one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import training_toys as toys
from transformers import PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from harness.core.errors import ProfileError
from harness.models.base_model import load_tokenizer
from harness.models.chat_template import frozen
from harness.profiles.sections import ModelSection

LLAMA = (  # as Llama 3.2 has it
    "\n{{- bos_token }}\n{%- if not date_string is defined %}\n"
    "    {%- if strftime_now is defined %}\n"
    '        {%- set date_string = strftime_now("%d %b %Y") %}\n'
    "    {%- endif %}\n{%- endif %}\n"
    '{{- "Today Date: " + date_string + "\\n\\n" }}'
)
TURNS = [{"role": "user", "content": "Hi"}]


def section(**changes: str) -> ModelSection:
    given = {"source": "hub", "id": "toy", "dtype": "float32", "attention": "eager"}
    return ModelSection.model_validate(given | changes)


def rendered(tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch, *day: int) -> str:
    """What the template prints on a day."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(*day)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    return str(tokenizer.apply_chat_template(TURNS, tokenize=False))


def test_a_frozen_template_prints_its_day_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys.tokenizer(LLAMA).save_pretrained(tmp_path)
    moving = load_tokenizer(tmp_path)
    days = [(2026, 3, 9), (2026, 3, 10)]
    texts = [rendered(moving, monkeypatch, *day) for day in days]
    assert texts == ["<bos>Today Date: 09 Mar 2026\n\n", "<bos>Today Date: 10 Mar 2026\n\n"]
    still = load_tokenizer(tmp_path, section(template_date="2024-07-26"))
    for day in days:
        assert rendered(still, monkeypatch, *day) == "<bos>Today Date: 26 Jul 2024\n\n"
    day = load_tokenizer(tmp_path, section(template_date="2026-03-09"))
    assert rendered(day, monkeypatch, *days[1]) == texts[0]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%-d/%-m/%y", "%A, %B %d", "%d%%d %j", "%H:%M", "on the day", "%F %D %T", "%U %w %a"]
)
def test_the_frozen_function_is_strftime(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = "  {% set clock = strftime_now %}\n{{ clock('" + form + "') }}\n"
    toys.tokenizer(template).save_pretrained(tmp_path)
    wanted = rendered(load_tokenizer(tmp_path), monkeypatch, 2025, 2, 3)
    still = load_tokenizer(tmp_path, section(template_date="2025-02-03"))
    assert rendered(still, monkeypatch, 2026, 11, 12) == wanted
    assert wanted.strip() == datetime(2025, 2, 3).strftime(form)


def test_a_template_with_the_day_in_it_is_refused_without_a_day(tmp_path: Path) -> None:
    toys.tokenizer(LLAMA).save_pretrained(tmp_path)
    with pytest.raises(ProfileError, match="prints the day") as caught:
        load_tokenizer(tmp_path, section())
    assert "template_date" in caught.value.remedy


def test_a_template_without_the_day_stays_as_it_is() -> None:
    assert frozen(toys.GEMMA, "") == frozen(toys.GEMMA, "2026-01-31") == toys.GEMMA


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "2026-1-1"])
def test_a_day_is_a_day(day: str) -> None:
    with pytest.raises(ValueError, match="template_date"):
        section(template_date=day)


def test_a_profile_without_a_day_says_nothing_of_it() -> None:
    assert "template_date" not in section().model_dump()
