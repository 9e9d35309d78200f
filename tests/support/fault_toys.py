"""A run of the miniature that takes seconds, real commands on it, and ways to hurt them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from harness.profiles.toml_file import PROFILES

ROOT = Path(__file__).parents[2]
LIMIT_S = 300
TOKEN = "hf_plantedTokenThatNobodyMayEverSee"
SMALL = {
    'name = "miniature-smoke"': 'name = "tiny"',
    "train_pairs = 2000": "train_pairs = 48",
    "test_pairs = 300": "test_pairs = 12",
    "pairs_per_device = 8": "pairs_per_device = 2",
    "minimum_moved = 0.5": "minimum_moved = 0.05\ncheckpoint_steps = 2",
    "limit = 10": "limit = 4",
    "limit = 40": "limit = 4",
    "max_new_tokens = 256": "max_new_tokens = 16",
}
PLUGIN = """\
from baselines import full_simpo

Config = full_simpo.Config
class Arm(full_simpo.Arm):
    def penalty(self, attention_mask_BxT, response_mask_BxT, progress):
        import torch
        if progress > 0.5:
            {what}
        return None
"""


def tiny_profile(folder: Path, *changes: tuple[str, str]) -> Path:
    """The smoke profile with few pairs, few items, a checkpoint every second step, and changes."""
    text = (PROFILES / "miniature-smoke.toml").read_text(encoding="utf-8")
    for old, new in (*SMALL.items(), *changes):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


class Bench:
    """Real commands of the harness on one profile and one run folder."""

    def __init__(self, profile: Path, run: Path, *, before: Sequence[str] = (), extra: Path | None = None):
        self.profile, self.run, self.before = profile, run, list(before)
        path = [str(extra)] if extra else []
        self.environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_TOKEN": TOKEN,
            "HUGGING_FACE_HUB_TOKEN": TOKEN,
            "OPENAI_API_KEY": TOKEN,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([*path, str(ROOT)]),
        }

    def command(self, stage: str, *more: str) -> list[str]:
        where = ["--profile", str(self.profile), "--run-dir", str(self.run)]
        return [*self.before, sys.executable, "-m", "harness", stage, *where, *more]

    def start(self, stage: str, *more: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(stage, *more),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def do(self, stage: str, *more: str, code: int = 0, limit_s: float = LIMIT_S, **options: Any) -> str:
        """Run a stage to its end and hold it to its exit code; what it printed, without a traceback."""
        process = self.start(stage, *more, **options)
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            raise
        assert process.returncode == code, f"{stage} ended with {process.returncode}:\n{said}"
        assert "Traceback" not in said
        assert TOKEN not in said
        if code:
            assert "remedy:" in said
        return said

    def killed(self, stage: str, *more: str, when: Callable[[], bool], children: bool) -> None:
        """SIGKILL a stage once `when` holds: the process alone, or all that it has started too."""
        process = self.start(stage, *more)
        until = time.monotonic() + LIMIT_S
        while not when():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "it never came to the point"
            time.sleep(0.005)
        end(process, children=children)
        process.communicate()
        assert process.returncode == -signal.SIGKILL

    def artefact(self, stage: str, arm: str | None = None) -> dict[str, Any]:
        path = self.run / (arm or "") / f"{stage}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def metrics(self, arm: str) -> dict[str, Any]:
        """What an arm's evaluation found, without times and memory."""
        result = self.artefact("evaluate", arm)["result"]
        return {key: result[key] for key in ("preference", "scores", "requests", "lm_eval")}


def end(process: subprocess.Popen[str], *, children: bool = True) -> None:
    """SIGKILL a process, and all that it has started."""
    parent = psutil.Process(process.pid)
    started = parent.children(recursive=True) if children else []
    for one in [parent, *started]:
        one.send_signal(signal.SIGKILL)


def plugin(folder: Path, what: str) -> Path:
    """An installed distribution that provides an arm; `what` is run half-way through its training."""
    info = folder / "broken_arm-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "broken_arm.py").write_text(PLUGIN.format(what=what))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-arm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fsrl_bench.arms]\nbroken = broken_arm\n")
    return folder


def files_with(token: str, folder: Path) -> list[Path]:
    """The files below a folder whose bytes hold a secret."""
    return [path for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def flip_bit(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
