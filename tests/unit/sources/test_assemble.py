"""What `prepare` refuses before anything is fetched or trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_toys as toys

from harness.core.errors import ProfileError
from harness.sources import assemble


def test_a_chat_template_with_the_day_in_it_stops_prepare(tmp_path: Path) -> None:
    toys.tokenizer("{{ strftime_now('%d') }}" + toys.GEMMA).save_pretrained(tmp_path / "model")
    toys.write_rows(tmp_path / "data" / "train.jsonl", toys.rows(8))
    with pytest.raises(ProfileError, match="prints the day"):
        assemble._left_out(toys.profile(data__source="data_root"), tmp_path / "model", tmp_path / "data")
