"""An SAE trained on text: cached by its causes, attention sinks left out, scale folded in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import DataError
from harness.miniature.manifest import BUNDLE
from harness.profiles.profile import Profile
from harness.profiles.sections import SaeTraining
from harness.sources import trained_sae as source

TEXT = "".join(f"The river {i} runs past the town of the {i * 7 % 13} towers.\n" for i in range(600))


def settings(**changes: Any) -> SaeTraining:
    values = {"d_sae": 64, "k": 8.0, "tokens": 4096, "context": 32, "samples": 20_000, "batch": 128}
    return SaeTraining(**{"text": "t.txt", **values, "learning_rate": 3e-3, "seed": 0, **changes})


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "t.txt"
    path.write_text(TEXT)
    return path


def train(profile: Profile, training: SaeTraining, text: Path) -> Any:
    return source.trained_sae(profile, training, BUNDLE / "model", "model digest", text, "text digest")


def test_it_is_trained_once_and_explains_the_stream(profile: Profile, text: Path) -> None:
    made = train(profile, settings(), text)
    facts = made.facts
    assert facts["hook"] == f"blocks.{profile.sae.layer}.hook_resid_post"
    assert facts["text_tokens"] == 4096
    assert facts["left_out"]["first_positions"] == 4096 // 32
    assert facts["held_out"]["explained_variance"] > 0.5
    stamp = (made.folder / "made.json").stat().st_mtime_ns
    assert train(profile, settings(), text) == made
    assert (made.folder / "made.json").stat().st_mtime_ns == stamp
    assert train(profile, settings(seed=1, samples=2_000), text).folder != made.folder


def test_the_scale_is_in_the_weights(profile: Profile, text: Path) -> None:
    from harness.models.sae_training import load_sae

    sae = load_sae(train(profile, settings(samples=2_000), text).folder)
    assert sae.cfg.normalize_activations == "none"
    x_NxD, v_NxF = torch.randn(3, sae.cfg.d_in), torch.rand(3, 64)
    f_NxF = sae.encode(x_NxD)
    steered = sae.decode(f_NxF + v_NxF) + x_NxD - sae.decode(f_NxF)
    torch.testing.assert_close(steered, x_NxD + v_NxF @ sae.W_dec, rtol=1e-4, atol=1e-5)


def test_sequences_follow_each_other(profile: Profile) -> None:
    from harness.models.base_model import load_tokenizer

    tokenizer = load_tokenizer(BUNDLE / "model")
    ids_NxC = source._sequences(tokenizer, TEXT, settings(tokens=70, context=32))
    assert ids_NxC.shape == (2, 32)
    expected = [
        i
        for line in TEXT.splitlines(True)[:20]
        for i in tokenizer(line, add_special_tokens=False)["input_ids"]
    ]
    assert ids_NxC.flatten().tolist() == expected[:64]


def test_massive_positions_are_left_out(
    profile: Profile, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness.models.sae_training as training

    collect = training.collect_activations

    def with_a_sink(*args: Any, **kwargs: Any) -> torch.Tensor:
        rows_NxD = collect(*args, **kwargs)
        rows_NxD[5] *= 1000.0
        return rows_NxD

    clean = train(profile, settings(samples=2_000), text).facts
    monkeypatch.setattr(training, "collect_activations", with_a_sink)
    facts = train(profile, settings(samples=2_000, seed=1), text).facts
    assert facts["left_out"]["massive_norms"] == clean["left_out"]["massive_norms"] + 1
    assert facts["norm"]["largest_kept"] <= 3 * facts["norm"]["median"]


def test_too_little_text(profile: Profile, text: Path) -> None:
    with pytest.raises(DataError, match="tokens"):
        train(profile, settings(tokens=10**6), text)
