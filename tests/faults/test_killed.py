"""SIGKILL, then the same command again: nothing complete is lost, and the result is the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_toys import ROOT, Bench, flip_bit

from harness.core.artefact import read_artefact

pytestmark = pytest.mark.faults

WEIGHTS = "fsrl/weights/adapter.safetensors"


def half_trained(bench: Bench) -> bool:
    return bool(list(bench.run.glob("fsrl/checkpoints-*/checkpoint-4/steps.json")))


def same_training(bench: Bench, whole: Bench, *, at_least: int) -> None:
    """The resumed training is the uninterrupted one, bit for bit."""
    got, wanted = (one.artefact("train", "fsrl")["result"] for one in (bench, whole))
    assert got["facts"]["resumed_at_step"] >= at_least
    assert wanted["facts"]["resumed_at_step"] == 0
    for name in ("steps", "loss_trace", "penalised_loss_trace", "learning_rate_trace", "moved"):
        assert got[name] == wanted[name], name
    assert got["facts"]["grad_norm_trace"] == wanted["facts"]["grad_norm_trace"]
    assert got["usage"]["tokens"] == wanted["usage"]["tokens"]
    assert (bench.run / WEIGHTS).read_bytes() == (whole.run / WEIGHTS).read_bytes()
    assert sorted(path.name for path in (bench.run / "fsrl").iterdir()) == ["train.json", "weights"]


@pytest.mark.parametrize("children", [True, False], ids=["everything", "the parent alone"])
def test_killed_in_the_middle_of_training(whole: Bench, tmp_path: Path, children: bool) -> None:
    bench = Bench(whole.profile, tmp_path / "run")
    bench.do("prepare")
    bench.killed("train", "--arm", "fsrl", when=lambda: half_trained(bench), children=children)
    assert not (bench.run / "fsrl" / "weights").exists()
    assert not (bench.run / "fsrl" / "train.json").exists()
    if children:  # the newest checkpoint is damaged as well: the one before it is taken
        newest = max(bench.run.glob("fsrl/checkpoints-*/checkpoint-*"), key=lambda p: int(p.name[11:]))
        flip_bit(max((path for path in newest.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size))
    bench.do("train", "--arm", "fsrl")
    same_training(bench, whole, at_least=2 if children else 4)
    if not children:
        bench.do("evaluate", "--arm", "fsrl")
        assert bench.metrics("fsrl") == whole.metrics("fsrl")


def test_killed_in_the_middle_of_evaluation(copy: Bench, whole: Bench) -> None:
    evaluated = copy.run / "fsrl" / "evaluate.json"
    evaluated.unlink()
    for log in (copy.run / "fsrl" / "samples").iterdir():
        log.unlink()

    def first_task_done() -> bool:
        return bool(list(copy.run.glob("fsrl/unfinished-*/mmlu.json")))

    copy.killed("evaluate", "--arm", "fsrl", when=first_task_done, children=True)
    assert not evaluated.exists()
    (kept,) = copy.run.glob("fsrl/unfinished-*/mmlu.json")
    seconds = json.loads(kept.read_text())["part"]["usage"]["wall_s"]
    flip_bit(kept.with_name("preference.json"))  # damaged: this part is done again, the other is not
    copy.do("evaluate", "--arm", "fsrl")
    assert copy.metrics("fsrl") == whole.metrics("fsrl")
    assert copy.artefact("evaluate", "fsrl")["result"]["wall_s"]["mmlu"] == round(seconds, 3)
    for log in (whole.run / "fsrl" / "samples").iterdir():
        assert (copy.run / "fsrl" / "samples" / log.name).read_bytes() == log.read_bytes()
    assert not list(copy.run.glob("fsrl/unfinished-*"))


def test_killed_while_an_artefact_is_written(copy: Bench) -> None:
    """Dead between the bytes and the rename: the old artefact stays, the next run makes the new one."""
    path = copy.run / "base" / "train.json"
    old = path.read_bytes()
    (copy.run / "base" / "train.json").write_bytes(old.replace(b'"arm": "base"', b'"arm": "base" '))
    old = path.read_bytes()
    text = copy.profile.read_text().replace('title = "Base"', 'title = "Another base"')
    changed = copy.run.parent / "tiny.toml"
    changed.write_text(text)
    bench = Bench(changed, copy.run)
    code = (
        "import os, signal, sys\n"
        "from harness.core import artefact\n"
        "whole = artefact.os.replace\n"
        "def die(source, target):\n"
        "    if str(target).endswith('train.json'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    whole(source, target)\n"
        "artefact.os.replace = die\n"
        "from harness.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = bench.command("train", "--arm", "base")[3:]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, env=bench.environment)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == old
    assert list(path.parent.glob(".train.json.*.part"))
    bench.do("train", "--arm", "base")
    assert bench.artefact("train", "base")["profile"]["arms"]["base"]["title"] == "Another base"
    assert not list(path.parent.glob(".*.part"))


def test_a_writer_killed_at_any_moment_leaves_a_whole_artefact(copy: Bench, tmp_path: Path) -> None:
    target = tmp_path / "big.json"
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from harness.core.artefact import read_artefact, write_artefact\n"
        "one = read_artefact(Path(sys.argv[1]), made_by='x')\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    write_artefact(Path(sys.argv[2]), one.model_copy(update={'result': {'n': [n] * 20000}}))\n"
        "    print(n, flush=True)\n"
    )
    pause = random.Random(1)
    for _ in range(8):
        command = [sys.executable, "-c", code, str(copy.run / "prepare.json"), str(target)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause.uniform(0, 0.15))
            process.kill()
            last = [1, *map(int, process.stdout.read().split())][-1]
        numbers = read_artefact(target, made_by="x").result["n"]
        assert len(numbers) == 20000
        assert set(numbers) <= {last, last + 1}
        assert len(set(numbers)) == 1
