"""What the code never does, what a profile cannot reach, and which modules are loaded."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys
from fault_toys import plugin

import harness
from harness.arm import arm_module
from harness.core.errors import DamagedFileError, DataError, HarnessError, ProfileError
from harness.evaluation.tasks import task_file
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import Profile, parse_profile
from harness.profiles.sections import ArmSection
from harness.sources.data_root import read_files
from harness.training.checkpoint import load_tensors

ROOT = Path(harness.__file__).parent.parent
SOURCES = sorted(path for home in ("harness", "baselines", "fsrl") for path in (ROOT / home).rglob("*.py"))
WRITTEN_FOR_LM_EVAL = {"harness/evaluation/lm_eval_command.py": ["torch.save"]}
"""lm-eval's `steered` model reads its vector from a pickle alone. It gets one that was just written, in a
temporary folder of this process; nothing here ever reads one."""
CODE_RUNNERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def faults(source: str) -> Iterator[str]:
    """Calls and imports that could run what a file says."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in CODE_RUNNERS)
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            yield from (f"torch.{one.name} alone" for one in node.names if one.name in ("load", "save"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in CODE_RUNNERS:
            yield str(node.module)
        if isinstance(node, ast.Call):
            yield from call_faults(node)


def call_faults(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if given.get("trust_remote_code", "False") != "False":
        yield "trust_remote_code"
    if name == "torch.load" and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if name in ("torch.save", "eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"):
        yield name
    if name.endswith(("read_pickle", "to_pickle")) or name == "__import__":
        yield name
    if name.endswith("import_module") and node.args and ast.unparse(node.args[0]).strip("'") in CODE_RUNNERS:
        yield name
    if given.get("shell", "False") != "False" or given.get("allow_pickle", "False") != "False":
        yield f"{name} with a shell or a pickle"


def test_no_source_runs_what_a_file_says() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in SOURCES}
    found = {path: list(faults(text)) for path, text in texts.items()}
    assert len(SOURCES) > 50
    assert {path: what for path, what in found.items() if what} == WRITTEN_FOR_LM_EVAL


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import loads",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.run(x, shell=True)",
        "numpy.load(x, allow_pickle=True)",
        "eval(text)",
        "from torch import load",
        "pandas.read_pickle(path)",
        "frame.to_pickle(path)",
        "import_module('pickle')",
        "__import__('pickle')",
    ],
)
def test_the_search_sees_each_of_them(line: str) -> None:
    assert list(faults(line))


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    toys.model().save_pretrained(tmp_path / "model")
    toys.tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_pickled_model_is_refused_by_name(model_dir: Path, profile: Profile) -> None:
    (model_dir / "model.safetensors").rename(model_dir / "pytorch_model.bin")
    with pytest.raises(DamagedFileError, match="pickle") as refused:
        load_model(model_dir, profile.model, torch.device("cpu"))
    assert "pytorch_model.bin" in str(refused.value)


def test_code_beside_a_model_is_not_run(model_dir: Path, profile: Profile, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (model_dir / "modeling_evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: pass\n")
    config = json.loads((model_dir / "config.json").read_text())
    config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM"), "modeling_evil.Evil")
    config["model_type"] = "evil"
    (model_dir / "config.json").write_text(json.dumps(config))
    with pytest.raises(DamagedFileError):
        load_model(model_dir, profile.model, torch.device("cpu"))
    settings = json.loads((model_dir / "tokenizer_config.json").read_text())
    settings |= {"auto_map": {"AutoTokenizer": ["modeling_evil.Evil", None]}, "tokenizer_class": "Evil"}
    (model_dir / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(DamagedFileError):
        load_tokenizer(model_dir)
    assert not ran.exists()


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    ran, file = tmp_path / "ran", tmp_path / "states.pt"
    torch.save({"module": Evil(ran)}, file)
    with pytest.raises(DamagedFileError, match="more than tensors"):
        load_tensors(file, "cpu", [])
    assert not ran.exists()
    torch.save({"module": torch.ones(2), "step": 3}, file)
    assert load_tensors(file, "cpu", [])["step"] == 3


def changed(profile: Profile, table: str, key: str, value: object) -> Profile:
    data = profile.resolved()
    data[table][key] = value
    return parse_profile(data, where="a test")


@pytest.mark.parametrize("path", ["/etc/passwd", "../rows.jsonl", "a/../../b", ""])
@pytest.mark.parametrize("key", ["train", "test"])
def test_rows_outside_their_root_are_refused(profile: Profile, key: str, path: str) -> None:
    with pytest.raises(ProfileError, match="below its root"):
        changed(profile, "data", key, path)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", ".hidden", "a\n"])
def test_names_that_are_paths_are_refused(profile: Profile, name: str) -> None:
    with pytest.raises(ProfileError):
        changed(profile, "evaluation", "tasks", {name: {"num_fewshot": 0}})
    with pytest.raises(ProfileError):
        parse_profile(profile.resolved() | {"name": name}, where="a test")
    with pytest.raises(ProfileError):
        parse_profile(profile.resolved() | {"arms": {name: {"module": "fsrl.arm", "title": "x"}}}, where="x")
    with pytest.raises(HarnessError):
        task_file(name)


def test_a_link_out_of_the_data_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (root / "rows.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (root / "MANIFEST.json").write_text("{}")
    with pytest.raises(DataError, match="out of the data root"):
        read_files(root, ["rows.jsonl"])


@pytest.mark.parametrize("module", ["os", "harness.arm", "json.tool", "baselinesx.evil", "sitecustomize"])
def test_an_arm_from_elsewhere_is_refused(module: str) -> None:
    with pytest.raises(ProfileError, match="baselines/ or fsrl/"):
        arm_module(ArmSection(module=module, title="x"))


def test_an_installed_arm_is_loaded_only_when_a_profile_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(plugin(tmp_path / "site", "pass")))
    arm_module(ArmSection(module="baselines.base_lm", title="Base"))
    assert "broken_arm" not in sys.modules
    with pytest.raises(ProfileError, match="baselines/ or fsrl/"):
        arm_module(ArmSection(module="broken_arm.other", title="x"))
    assert arm_module(ArmSection(module="broken_arm", title="x")).Arm.kind == "trained"
    monkeypatch.delitem(sys.modules, "broken_arm")
