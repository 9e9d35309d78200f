"""A machine that fails: memory, disk, permissions, a second run, the clock, and numbers that are none."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from fault_toys import Bench, plugin, tiny_profile

from harness.core.errors import EvaluationError, RunFolderError, TrainingError

pytestmark = pytest.mark.faults

BROKEN = ('module = "baselines.full_simpo"', 'module = "broken_arm"')
MEMORY = "torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')"
CLOCK = """\
import random
import time

_real, _draw = time.time, random.Random(0)
with open(__file__ + ".ran", "a") as _seen:
    _seen.write(open("/proc/self/cmdline").read().replace(chr(0), " ") + chr(10))
time.time = lambda: _real() + _draw.uniform(-86400, 86400)
time.time_ns = lambda: int(time.time() * 1e9)
"""


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        (f"raise {MEMORY}", "the GPU's memory is exhausted"),
        ("torch.empty(2**50, dtype=torch.uint8)", "the machine's memory is exhausted"),
        (
            "from harness.arm import Penalty; nan = torch.tensor(float('nan')); "
            "return Penalty(nan, nan, nan, nan)",
            "the loss is not a finite number",
        ),
    ],
    ids=["GPU memory", "memory", "NaN"],
)
def test_a_training_that_fails_half_way(whole: Bench, tmp_path: Path, what: str, cause: str) -> None:
    bench = Bench(
        tiny_profile(tmp_path, BROKEN), tmp_path / "run", extra=plugin(tmp_path / "installed", what)
    )
    bench.do("prepare")
    said = bench.do("train", "--arm", "full-simpo", code=TrainingError.exit_code)
    assert cause in said
    home = bench.run / "full-simpo"
    assert not (home / "weights").exists()
    assert not (home / "train.json").exists()
    assert (home / "train.log").is_file()


def test_an_evaluation_that_runs_out_of_memory(copy: Bench, tmp_path: Path) -> None:
    """The log of what went before stays; no artefact appears."""
    (copy.run / "base" / "evaluate.json").unlink()
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'evaluate' in sys.argv:\n"
        "    import torch\n"
        "    import harness.evaluation.score as score\n"
        "    def full(*_, **__):\n"
        f"        raise {MEMORY}\n"
        "    score.score_task = full\n"
    )
    bench = Bench(copy.profile, copy.run, extra=folder)
    # sys.argv is not there yet when the module above is imported: read it from the kernel.
    text = (folder / "sitecustomize.py").read_text()
    (folder / "sitecustomize.py").write_text(
        text.replace("sys.argv", "open('/proc/self/cmdline').read().split(chr(0))")
    )
    said = bench.do("evaluate", "--arm", "base", code=EvaluationError.exit_code)
    assert "the GPU's memory is exhausted" in said
    assert "evaluation.batch_size" in said
    assert not (copy.run / "base" / "evaluate.json").exists()


def mounted(size: str, mode: str) -> list[str]:
    """A command prefix with a small file system of its own over a folder, in a namespace of its own."""
    if shutil.which("unshare") is None:
        return []
    inside = f'mount -t tmpfs -o size={size} tmpfs "$0" && {mode} exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", inside]


def may_mount(folder: Path) -> bool:
    prefix = mounted("1m", "")
    return (
        bool(prefix) and subprocess.run([*prefix, str(folder), "true"], capture_output=True).returncode == 0
    )


def test_no_disk_space(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if not may_mount(run):
        pytest.skip("this machine does not let a process mount a small file system of its own")
    bench = Bench(tiny_profile(tmp_path), run, before=[*mounted("4k", ""), str(run)])
    said = bench.do("prepare", code=RunFolderError.exit_code)
    assert "No space left on device" in said
    assert "free disk space" in said


def test_files_that_may_not_grow(copy: Bench, tmp_path: Path) -> None:
    """A quota, as a limit on the size of a file: the weights do not fit, and the earlier ones stay."""
    before = {path: path.read_bytes() for path in (copy.run / "fsrl").rglob("*") if path.is_file()}
    changed = tmp_path / "tiny.toml"
    text = copy.profile.read_text().replace("learning_rate = 1e-3", "learning_rate = 2e-3")
    changed.write_text(text.replace("checkpoint_steps = 2", "checkpoint_steps = 0"))
    bench = Bench(changed, copy.run)
    limit = 64 * 1024

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = bench.do("train", "--arm", "fsrl", code=RunFolderError.exit_code, preexec_fn=small_files)
    assert "File too large" in said
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_a_read_only_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if not may_mount(run):
        pytest.skip("root may write everywhere, and this machine mounts nothing read-only")
    read_only = 'mount -o remount,ro "$0" &&'
    bench = Bench(tiny_profile(tmp_path), run, before=[*mounted("1m", read_only), str(run)])
    said = bench.do("prepare", code=RunFolderError.exit_code)
    assert "Read-only file system" in said
    assert "--run-dir" in said


def test_two_runs_in_one_folder(whole: Bench, tmp_path: Path) -> None:
    bench = Bench(whole.profile, tmp_path / "run")
    bench.do("prepare")
    first = bench.start("train", "--arm", "fsrl")
    holder = bench.run / ".holder.json"
    while not (holder.is_file() and list(bench.run.glob("fsrl/.train-*"))):
        assert first.poll() is None
        time.sleep(0.01)
    assert "reused" in bench.do("prepare"), "what is finished can be read meanwhile"
    said = bench.do("train", "--arm", "fsrl", code=RunFolderError.exit_code)
    assert f"process {first.pid}" in said
    assert "train" in said
    assert first.communicate()[0] is not None
    assert first.returncode == 0, "the first run is not disturbed"
    assert not holder.exists()


def test_a_clock_that_jumps(whole: Bench, tmp_path: Path) -> None:
    """Every look at the clock is up to a day off, either way: same numbers, no negative time, all reused."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK)
    bench = Bench(whole.profile, tmp_path / "run", extra=folder)
    for stage in (("prepare",), ("train", "--arm", "fsrl"), ("evaluate", "--arm", "fsrl")):
        bench.do(*stage)
    jumped = (folder / "sitecustomize.py.ran").read_text()
    for process in ("harness prepare", "harness.training.worker", "harness evaluate"):
        assert process in jumped, f"the clock of {process} did not jump"
    assert bench.metrics("fsrl") == whole.metrics("fsrl")
    for stage in ("train", "evaluate"):
        artefact = bench.artefact(stage, "fsrl")
        usage = artefact["result"]["usage"]
        assert 0 < usage["wall_s"] < 600
        assert 0 < usage["startup_s"] < 600
        assert 0 < artefact["wall_s"] < 600
    for path in bench.run.rglob("*.json"):
        path.touch()
    for stage in (("prepare",), ("train", "--arm", "fsrl"), ("evaluate", "--arm", "fsrl")):
        assert "reused" in bench.do(*stage)
    json.loads((bench.run / "prepare.json").read_text())
