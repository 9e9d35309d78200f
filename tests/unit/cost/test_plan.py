"""The plan: exact parameters, formulae worked by hand, and that it says when a run does not fit."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import pytest
from sources_toys import built_profiles

from baselines import lora
from fsrl.adapter import Adapter
from harness.__main__ import main
from harness.core.errors import ProfileError, UsageError
from harness.cost.formulae import Batch, Options, full_memory, full_step_flops, steered_step_flops
from harness.cost.gpus import GPUS
from harness.cost.plan import plan
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.sources.synthetic.lengths import Lengths, draw_lengths, padded_tokens, real_tokens
from harness.sources.synthetic.shapes import Shape, sae_width, shape_of

TINY = Shape(
    layers=4,
    d_model=8,
    d_mlp=16,
    heads=2,
    d_head=4,
    vocabulary=100,
    block_parameters=1000,
    base_parameters=4808,
    layer=1,
    d_sae=32,
)


def test_the_papers_parameters_are_counted_exactly() -> None:
    shape = shape_of(load_profile("gemma-2-2b"))
    assert shape.base_parameters == 2_614_341_888
    assert shape.sae_parameters == 302_123_264
    assert shape.adapter_parameters == 151_060_480


def test_the_9b_model_is_counted_on_the_meta_device_too() -> None:
    """Gemma-2-9B-it has 9,241,705,984 parameters; the later version's dictionary has 16,384 features."""
    shape = shape_of(load_profile("gemma-2-9b"))
    assert shape.base_parameters == 9_241_705_984
    assert (shape.layers, shape.d_model, shape.layer, shape.d_sae) == (42, 3584, 12, 16_384)
    assert shape.sae_parameters == 2 * 3584 * 16_384 + 2 * 16_384 + 3584
    assert shape.adapter_parameters == 3584 * 16_384 + 16_384


def test_the_adapters_formula_is_that_of_the_adapter() -> None:
    adapter = Adapter(TINY.d_model, TINY.d_sae)
    assert sum(tensor.numel() for tensor in adapter.parameters()) == TINY.adapter_parameters


@pytest.mark.parametrize("name", built_profiles())
def test_every_profile_has_a_plan(name: str) -> None:
    found = plan(load_profile(name), "h200")
    assert {phase.name.split()[1] for phase in found.phases} == set(load_profile(name).arms)
    assert all(phase.device_gib > 0 and phase.seconds > 0 for phase in found.phases)
    assert found.steps_per_epoch > 0


@pytest.mark.parametrize(
    ("sae_id", "width"),
    [
        ("layer_12/width_65k/average_l0_21", 65_536),
        ("layer_12/width_16k/average_l0_82", 16_384),
        ("layer_20/width_131k/average_l0_24", 131_072),
        ("layer_12/width_1m/average_l0_20", 1_048_576),
    ],
)
def test_the_width_is_read_from_gemmascopes_name(sae_id: str, width: int) -> None:
    data = load_profile("gemma-2-2b").resolved()
    data["sae"]["sae_id"] = sae_id
    assert sae_width(parse_profile(data, where="a test")) == width


def test_a_model_without_a_configuration_is_refused_with_those_that_have_one() -> None:
    data = load_profile("gemma-2-2b").resolved()
    data["model"]["id"] = "google/gemma-2-27b-it"
    with pytest.raises(ProfileError, match="google/gemma-2-2b-it"):
        plan(parse_profile(data, where="a test"), "h200")


def test_flops_by_hand() -> None:
    # A block: 2 x 1000 + 4 x 2 heads x 4 x 10 keys = 2320. Logits of a position: 2 x 100 x 8 = 1600.
    full = full_step_flops(TINY, tokens=3, answered=2, length=10, checkpointing=False)
    assert full == 3 * 3 * 4 * 2320 + 2 * 4 * 1600
    # Two of four blocks lie above layer 1. Steering: 2 x 8 x 32 for W_a, as much for W_dec, twice.
    steered = steered_step_flops(TINY, tokens=3, answered=2, length=10, checkpointing=False)
    assert steered == 3 * (4 * 2320 + 2 * 2320 + 2 * 1024) + 2 * 2 * 1600
    again = steered_step_flops(TINY, tokens=3, answered=2, length=10, checkpointing=True)
    assert again - steered == 3 * 2 * 2320


def test_offloading_moves_twelve_bytes_a_weight_to_the_host_and_ranks_share_them() -> None:
    on = Options(bytes_per_weight=2, offload=False, checkpointing=True, ranks=1)
    device = full_memory(TINY, Batch(2, 10), on)
    host = full_memory(TINY, Batch(2, 10), on._replace(offload=True))
    assert device.optimizer == 12 * 4808
    assert device.device - host.device == 12 * 4808
    assert full_memory(TINY, Batch(2, 10), on._replace(ranks=2)).optimizer == 6 * 4808


def test_lengths_have_the_stated_means_and_are_seeded() -> None:
    drawn = draw_lengths(20_000, max_length=2048, max_prompt_length=1800)
    assert sum(one.prompt for one in drawn) / len(drawn) == pytest.approx(200, rel=0.03)
    assert sum(one.chosen for one in drawn) / len(drawn) == pytest.approx(350, rel=0.03)
    assert all(one.prompt + max(one.chosen, one.rejected) <= 2048 for one in drawn)
    assert drawn == draw_lengths(20_000, max_length=2048, max_prompt_length=1800)


def test_padding_is_counted_in_each_batch() -> None:
    lengths = [Lengths(2, 3, 5), Lengths(1, 1, 1), Lengths(4, 4, 2)]
    assert real_tokens(lengths) == 12 + 4 + 14
    assert padded_tokens(lengths, 2) == 4 * 7 + 2 * 8
    assert padded_tokens(lengths, 1) == 2 * 7 + 2 * 2 + 2 * 8


def test_a_fresh_process_prints_the_papers_parameters_in_ten_seconds() -> None:
    """Ten seconds of the process' own time: waiting for a busy machine does not count."""
    command = [sys.executable, "-m", "harness", "plan", "--profile", "gemma-2-2b", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    counted = json.loads(done.stdout)["parameters"]
    wanted = {"adapter": 151_060_480, "SAE": 302_123_264, "base": 2_614_341_888}
    assert {part: counted[part] for part in wanted} == wanted


def test_a_gpu_that_is_too_small_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert main(["plan", "--profile", "gemma-2-2b", "--gpu", "rtx4090", "--json"]) == 0
    assert time.monotonic() - started < 10
    found = json.loads(capsys.readouterr().out)
    fitting = {phase["name"]: phase["fits"] for phase in found["phases"]}
    assert fitting["train full-simpo"] is False
    assert found["fits"] is False


def test_the_screen_says_that_numbers_are_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "gemma-2-2b", "--gpu", "gh200"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(count in shown for count in ("151,060,480", "302,123,264", "2,614,341,888"))
    assert "Predictions, not measurements" in shown
    assert "GH200" in shown


def test_an_unknown_gpu_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--gpu", "abacus"]) == UsageError.exit_code
    shown = capsys.readouterr().err
    assert all(name in shown for name in GPUS)


# Arms that edit a frozen model


def with_arm(**table: object) -> Profile:
    data = load_profile("gemma-2-2b").resolved()
    data |= {"sources": {}, "assumed": {}, "studies": {}}
    data["arms"] = {"base": data["arms"]["base"], "one": {"title": "One", "learning_rate": 1e-3, **table}}
    return parse_profile(data, where="the tests")


@pytest.mark.parametrize(("name", "entries"), [("miniature", 203_520), ("smollm2-135m", 1_221_120)])
def test_loras_entries_are_those_of_the_specification(name: str, entries: int) -> None:
    config = lora.Config(learning_rate=1.0, r="matched")
    assert lora.Arm.trainable_entries(config, shape_of(load_profile(name))) == entries


def test_a_static_vector_costs_less_than_the_adapter_and_lora_more_blocks() -> None:
    """LoRA on all 26 blocks differentiates 26 of them, above block 12 13 of them."""
    vector = plan(with_arm(module="baselines.static_vector"), "h100").phases[0]
    whole = plan(with_arm(module="baselines.lora", r=8), "h100").phases[0]
    above = plan(with_arm(module="baselines.lora", r=8, first_layer=13), "h100").phases[0]
    fsrl = next(one for one in plan(load_profile("gemma-2-2b"), "h100").phases if one.name == "train fsrl")
    assert vector.pflop < fsrl.pflop
    assert vector.pflop < above.pflop < whole.pflop
    assert vector.device_gib < above.device_gib < whole.device_gib


def test_an_arm_that_does_not_count_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lora.Arm, "trainable_entries")
    with pytest.raises(ProfileError, match="does not say how many entries"):
        plan(with_arm(module="baselines.lora", r=8), "h100")
