"""Features that never steer: the file, the gradients, what is saved, and what makes a run stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys
from fsrl_toys import D_IN, D_SAE, toy_adapter, toy_model, toy_sae, toy_scene, toy_x, write_sae
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from fsrl.adapter import Adapter
from fsrl.arm import Arm
from fsrl.config import Config
from fsrl.mask import silenced_features
from fsrl.steer import Steering
from harness.__main__ import main
from harness.arm import Scene
from harness.core.errors import DamagedFileError, DataError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.sources.named_files import arm_digests
from harness.stages import prepare, train
from harness.stages.inputs import Context
from harness.training import worker
from harness.training.exchange import Exchange

DROPPED = [0, 3, 17, 39]
OPTIONS: dict[str, Any] = {"learning_rate": 1e-3, "penalty_coefficient": 0.02}
IDS = torch.tensor([[2, 7, 13, 21], [2, 9, 30, 4]])
ONES = torch.ones_like(IDS)


@pytest.fixture(autouse=True)
def _global_state_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A scene whose data root has the mask as JSON and as lines."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "mask.json").write_text(json.dumps(DROPPED))
    (root / "mask.txt").write_text("".join(f"{one}\n" for one in DROPPED))
    return toy_scene(write_sae(tmp_path / "sae"), arm_files=root)


def made(scene: Scene, **mask: Any) -> tuple[Any, Arm, Adapter]:
    model, arm = toy_model(), Arm(Config.model_validate({**OPTIONS, "feature_mask": mask}), scene)
    arm.prepare(model)
    adapter: Any = model.get_submodule("fsrl.adapter")
    with torch.no_grad():
        adapter.weight.copy_(torch.randn(D_SAE, D_IN, generator=torch.Generator().manual_seed(11)) / 4)
    return model, arm, adapter


# --- the file


@pytest.mark.parametrize("name", ["mask.json", "mask.txt"])
def test_the_file_lists_what_is_dropped_or_what_is_kept(scene: Scene, name: str) -> None:
    assert scene.arm_files is not None
    path = scene.arm_files / name
    assert silenced_features(path, D_SAE, keep=False) == DROPPED
    assert silenced_features(path, D_SAE, keep=True) == [i for i in range(D_SAE) if i not in DROPPED]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.json", "[1, 1]", "names a feature twice"),
        ("m.json", "[1, 40]", "feature 40, the SAE has 40"),
        ("m.json", "[-1]", "feature -1"),
        ("m.json", "[1.0]", "not a list of integers"),
        ("m.json", "[true]", "not a list of integers"),
        ("m.json", '{"1": 2}', "not a list of integers"),
        ("m.json", "[1", "cannot be read"),
        ("m.txt", "1\ntwo\n", "cannot be read"),
        ("m.txt", "", "silences no feature"),
        ("m.json", json.dumps(list(range(40))), "silences every feature"),
    ],
)
def test_a_file_that_is_no_mask_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        silenced_features(tmp_path / name, D_SAE, keep=False)


# --- the steering


@settings(max_examples=25, deadline=None)
@given(
    dropped=st.sets(st.integers(0, D_SAE - 1), min_size=1, max_size=D_SAE - 1),
    activation=st.sampled_from(["relu", "jump_relu", "soft_threshold"]),
    path=st.sampled_from(["lean", "full"]),
    chunk=st.sampled_from([0, 7]),
    fraction=st.sampled_from([1.0, 0.5]),
)
def test_masked_features_never_steer_and_have_no_gradient(
    dropped: set[int], activation: Any, path: Any, chunk: int, fraction: float
) -> None:
    """Their rows of the decoder may hold anything: what they would add is nowhere in the output."""
    adapter, sae, x = toy_adapter(activation=activation, top_fraction=fraction), toy_sae(), toy_x(2, 5, D_IN)
    adapter.silence(sorted(dropped))
    sae.W_dec[sorted(dropped)] = 1e6
    steering = Steering(adapter, sae, chunk_features=chunk, path=path)
    output = steering(x)
    readings = steering.readings
    assert readings is not None
    (output.square().mean() + readings.cost_BxT.sum()).backward()
    assert adapter(sae.encoder_input(x))[..., sorted(dropped)].abs().max() == 0
    assert output.abs().max() < 1e3
    assert readings.l0_BxT.max() <= D_SAE - len(dropped)
    for parameter in adapter.parameters():
        assert parameter.grad is not None
        assert parameter.grad[sorted(dropped)].abs().max() == 0


def test_an_ablation_adds_to_the_mask_and_lifting_it_does_not_lift_the_mask() -> None:
    adapter = toy_adapter()
    adapter.silence([1, 2])
    adapter.mask([5])
    assert adapter.masked.nonzero().flatten().tolist() == [1, 2, 5]
    adapter.mask([])
    assert adapter.masked.nonzero().flatten().tolist() == [1, 2]


# --- the arm


@pytest.mark.parametrize(("keep", "left"), [(False, 36), (True, 4)])
def test_the_penalty_and_the_readings_count_what_is_left(scene: Scene, keep: bool, left: int) -> None:
    model, arm, adapter = made(scene, file="mask.json", keep=keep)
    with torch.no_grad():
        adapter.weight.zero_()
        adapter.bias.fill_(0.5)
    model(IDS)
    penalty = arm.penalty(ONES, ONES, 1.0)
    assert penalty.l0_BxT.tolist() == [[left] * 4] * 2
    assert penalty.loss.item() == pytest.approx(0.02 * 0.5 * left)
    assert arm.movable == left / D_SAE


def test_what_is_saved_names_the_file_and_steers_alike_without_it(scene: Scene, tmp_path: Path) -> None:
    model, arm, _ = made(scene, file="mask.txt", keep=False)
    arm.save(model, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "adapter.json").read_text())
    sha = hashlib.sha256(b"0\n3\n17\n39\n").hexdigest()
    assert card["feature_mask"] == {"file": "mask.txt", "keep": False, "sha256": sha, "silenced": 4}
    again, other = toy_model(), Arm(arm.config, scene._replace(arm_files=None))
    other.load(again, tmp_path / "out")
    assert torch.equal(
        again.get_submodule("fsrl.adapter").silenced.nonzero().flatten(), torch.tensor(DROPPED)
    )
    with torch.no_grad():
        assert torch.equal(again(IDS).logits, model(IDS).logits)


def test_without_a_mask_nothing_of_it_is_written(scene: Scene, tmp_path: Path) -> None:
    model, arm = toy_model(), Arm(Config.model_validate(OPTIONS), scene)
    arm.prepare(model)
    arm.save(model, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "adapter.json").read_text())
    assert "feature_mask" not in card
    assert "feature_mask" not in card["config"]
    assert sorted(load_file(tmp_path / "out" / "adapter.safetensors")) == ["bias", "weight"]
    assert arm.movable == 1


def test_another_mask_and_a_damaged_one_are_refused(scene: Scene, tmp_path: Path) -> None:
    model, arm, _ = made(scene, file="mask.txt")
    arm.save(model, tmp_path / "out")
    for mask in ({"file": "mask.json"}, {"file": "mask.txt", "keep": True}, None):
        config = Config.model_validate({**OPTIONS, "feature_mask": mask})
        with pytest.raises(ProfileError, match="another feature_mask"):
            Arm(config, scene).load(toy_model(), tmp_path / "out")
    path = tmp_path / "out" / "adapter.json"
    card = json.loads(path.read_text())
    card["feature_mask"]["silenced"] = 5
    path.write_text(json.dumps(card))
    with pytest.raises(DamagedFileError, match="as many features"):
        Arm(arm.config, scene).load(toy_model(), tmp_path / "out")


def test_a_mask_without_its_file_is_refused(scene: Scene) -> None:
    for files in (None, scene.sae_dir):
        with pytest.raises(MissingInputError, match="missing"):
            made(scene._replace(arm_files=files), file="mask.json")


@pytest.mark.parametrize("file", ["../mask.json", "/mask.json", ""])
def test_a_mask_outside_the_data_root_is_refused(scene: Scene, file: str) -> None:
    with pytest.raises(ValueError, match="below its root"):
        Config.model_validate({**OPTIONS, "feature_mask": {"file": file}})


# --- the stages


def masked_profile(mask: dict[str, Any] | None, **training: Any) -> Profile:
    data = toys.profile(epochs=2, sae__layer=1, **training).resolved()
    if mask is not None:
        data["arms"]["fsrl"]["feature_mask"] = mask
    return parse_profile(data, where="the tests")


def test_training_moves_the_other_features_and_the_guard_counts_those(scene: Scene, tmp_path: Path) -> None:
    """36 of 40 features are silenced: a tenth of the entries can move, and half of that is asked for."""
    used = masked_profile({"file": "mask.txt", "keep": True}, minimum_moved=0.5)
    paths = toys.prepared_run(tmp_path, used)
    write_sae(tmp_path / "inputs" / "sae")
    spec = toys.order(paths, used, engine=None, arm="fsrl").model_copy(
        update={"arm_files": str(scene.arm_files)}
    )
    result = worker.train(spec, Exchange(Path(spec.folder)))
    assert result.moved is not None
    assert 0.05 <= result.moved.fraction_changed <= 0.1
    saved = load_file(Path(spec.folder) / "weights" / "adapter.safetensors")
    start = Adapter(D_IN, D_SAE, seed=used.training.seed)
    changed = (saved["weight"] != start.weight).any(-1) | (saved["bias"] != start.bias)
    assert set(changed.nonzero().flatten().tolist()) <= set(DROPPED)
    assert changed.any()
    assert torch.equal(~saved["silenced"], torch.isin(torch.arange(D_SAE), torch.tensor(DROPPED)))


def test_prepare_records_the_file_and_a_change_makes_the_training_stale(tmp_path: Path) -> None:
    root, run = tmp_path / "root", tmp_path / "run"
    (root / "masks").mkdir(parents=True)
    (root / "masks/style.json").write_text("[1, 2]")
    profile = tmp_path / "masked.toml"
    profile.write_text(
        'extends = "miniature"\nname = "masked"\n[arms.fsrl.feature_mask]\nfile = "masks/style.json"\n'
    )
    command = ["prepare", "--profile", str(profile), "--run-dir", str(run)]
    assert main(command) == MissingInputError.exit_code
    assert main([*command, "--data-root", str(root)]) == 0
    result = PrepareResult.model_validate(json.loads((run / "prepare.json").read_text())["result"])
    sha = hashlib.sha256(b"[1, 2]").hexdigest()
    assert result.files["arms/masks/style.json"] == sha
    used, paths = load_profile(str(profile)), RunPaths(root=run, data_root=root)
    assert train.needs(Context(used, paths), "fsrl")["files.arms/masks/style.json"] == sha
    assert not [name for name in train.needs(Context(used, paths), "full-simpo") if "masks" in name]
    before = prepare.needs(Context(used, paths))
    (root / "masks/style.json").write_text("[1, 3]")
    after = prepare.needs(Context(used, paths))
    assert {name for name in before if before[name] != after[name]} == {"arms/masks/style.json"}
    (root / "masks/style.json").unlink()
    with pytest.raises(MissingInputError, match="lacks a file that an arm's options name"):
        arm_digests(used, paths)


def test_profiles_without_a_mask_need_no_data_root_and_keep_their_digest(profile: Profile) -> None:
    assert arm_digests(profile, RunPaths(root=Path("none"))) == {}
    assert "feature_mask" not in profile.resolved()["arms"]["fsrl"]
