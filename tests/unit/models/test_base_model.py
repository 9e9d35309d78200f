"""Attention implementations: refused where they do not exist, and flex_attention equal to eager."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import training_toys as toys

from harness.core.errors import ProfileError, UnavailableError
from harness.models import base_model as subject
from harness.models.base_model import check_attention, check_differentiable, load_model
from harness.profiles.sections import ModelSection
from harness.training import worker
from harness.training.exchange import Exchange
from harness.training.loss import response_logprobs
from harness.training.pairs import PairTokens, collate
from harness.training.shared_prompt import check_backend


def section(attention: str) -> ModelSection:
    given = {"source": "bundle", "id": "toy", "dtype": "float32", "attention": attention}
    return ModelSection.model_validate(given)


@pytest.fixture
def gemma(tmp_path: Path) -> Path:
    toys.model(attn_logit_softcapping=2.0).save_pretrained(tmp_path / "gemma")
    return tmp_path / "gemma"


def test_sdpa_is_refused_for_soft_capped_scores(gemma: Path) -> None:
    with pytest.raises(ProfileError, match="no sdpa, because its scores are soft-capped at 2") as error:
        load_model(gemma, section("sdpa"), torch.device("cpu"))
    assert error.value.value == "model.attention = sdpa"
    assert error.value.remedy == "set it to one of eager, flex_attention, flash_attention_2"


def test_flash_attention_is_refused_where_its_package_is_missing(
    gemma: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "is_flash_attn_2_available", lambda: False)
    with pytest.raises(UnavailableError, match="flash-attn"):
        load_model(gemma, section("flash_attention_2"), torch.device("cpu"))


def test_eager_is_what_it_says(gemma: Path) -> None:
    check_attention(gemma, "flex_attention")
    assert load_model(gemma, section("eager"), torch.device("cpu")).config._attn_implementation == "eager"


def test_flex_attention_trains_on_a_gpu_only(tmp_path: Path) -> None:
    check_differentiable("flex_attention", torch.device("cuda"))
    check_differentiable("eager", torch.device("cpu"))
    used = toys.profile(model__attention="flex_attention")
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ProfileError, match="no backward pass on a CPU"):
        worker.train(spec, Exchange(Path(spec.folder)))
    assert not Exchange(Path(spec.folder)).weights.exists()
    torch.use_deterministic_algorithms(False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler
@torch.no_grad()
def test_flex_attention_is_eager_with_soft_caps_windows_and_padding(
    gemma: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call compiles, which takes a minute or more."""
    if sys.version_info < (
        3,
        12,
    ):  # torch's compiler brings setuptools; another test may have brought distutils
        monkeypatch.setenv("SETUPTOOLS_USE_DISTUTILS", "stdlib")
    eager, flex = (
        load_model(gemma, section(name), torch.device("cpu")) for name in ("eager", "flex_attention")
    )
    assert flex.config._attn_implementation == "flex_attention"
    ids = torch.randint(3, 90, (40,), generator=torch.Generator().manual_seed(0)).tolist()
    prompt, chosen, rejected = ids[:14], ids[14:24], ids[24:29]  # the window has 8 positions
    batch = collate([PairTokens(prompt, chosen, rejected), PairTokens(prompt[:3], rejected, chosen)], 0)
    assert not batch.attention_mask_BxT.bool().all()
    found, wanted = (response_logprobs(one, batch) for one in (flex, eager))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(ProfileError, match="a mask of any shape"):
        check_backend(flex)
