"""`nox -s bench`: seconds of a step, tokens/s and peak memory, at three widths and three lengths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from equal import assert_equal_steps
from evaluation import PAPERS_SHARE, Evaluation
from subject import Sizes
from variants import VARIANTS, Step

from harness.cost import measure
from harness.cost.bench import REPEAT
from harness.profiles.profile import load_profile, parse_profile

pytestmark = pytest.mark.bench
MAIN = Sizes()
CASES = [MAIN._replace(d_sae=4096), MAIN, MAIN._replace(d_sae=32_768)]
CASES += [MAIN._replace(max_length=128), MAIN._replace(max_length=256)]
CASES += [MAIN._replace(max_length=256, pairs=1), MAIN._replace(max_length=256, pairs=4)]
ROUNDS = 3
EVALUATIONS = 15
CORES = len(os.sched_getaffinity(0))


def label(sizes: Sizes) -> str:
    found = f"d_sae={sizes.d_sae},max_length={sizes.max_length}"
    return found if sizes.pairs == MAIN.pairs else f"{found},pairs={sizes.pairs}"


@pytest.fixture(autouse=True)
def _all_cores() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("sizes", CASES, ids=label)
def test_step(benchmark: Any, sizes: Sizes) -> None:
    """Every round runs all three, one after the other, so that load on the machine meets all alike; the
    transcription twice, so that a ratio of two equal paths is known."""
    steps = {variant: Step(variant, sizes) for variant in VARIANTS}
    steps[REPEAT] = steps["transcription"]
    seconds: dict[str, list[float]] = {variant: [] for variant in steps if variant != "lean"}

    def others() -> None:
        for variant, taken in seconds.items():
            started = time.perf_counter()
            steps[variant]()
            taken.append(time.perf_counter() - started)

    benchmark.pedantic(steps["lean"], setup=others, rounds=ROUNDS, warmup_rounds=1)
    lean = list(benchmark.stats.stats.data)
    benchmark.extra_info |= {
        "case": label(sizes),
        "tokens": steps["lean"].subject.tokens,
        "threads": CORES,
        "seconds": {variant: taken[1:] for variant, taken in seconds.items()} | {"lean": lean},
        "peak": {variant: peak(variant, sizes) for variant in VARIANTS},
    }


def peak(variant: str, sizes: Sizes) -> dict[str, float]:
    """Of a fresh process, as `peak.py` says."""
    script = Path(__file__).with_name("peak.py")
    given = [sys.executable, str(script), variant, json.dumps(sizes._asdict())]
    environment = {**os.environ, "OMP_NUM_THREADS": str(CORES), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(given, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("sizes", [PAPERS_SHARE, PAPERS_SHARE._replace(d_sae=MAIN.d_sae)], ids=label)
def test_evaluation(benchmark: Any, sizes: Sizes) -> None:
    """Base and steered one after the other in every round."""
    base, steered = Evaluation(False, sizes), Evaluation(True, sizes)
    seconds: list[float] = []

    def first() -> None:
        started = time.perf_counter()
        base()
        seconds.append(time.perf_counter() - started)

    benchmark.pedantic(steered, setup=first, rounds=EVALUATIONS, warmup_rounds=1)
    found = {"base": seconds[1:], "steered": list(benchmark.stats.stats.data)}
    benchmark.extra_info |= {"evaluation": label(sizes), "threads": CORES, "seconds": found}


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_in_full_size_losses_and_gradients_are_equal(variant: str) -> None:
    plain, lean = Step("transcription", MAIN), Step(variant, MAIN)
    assert_equal_steps(plain, lean)


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks(benchmark: Any, ranks: int, tmp_path: Path) -> None:
    """The real train stage on divided shapes; the cores are shared between the ranks."""
    data = load_profile("gemma-2-2b").resolved()
    data["training"] |= {"accumulation": 4 // ranks, "offload_optimizer": False, "ranks": ranks}
    data["model"]["dtype"] = "float32"
    data["arms"] = {"fsrl": data["arms"]["fsrl"]}
    data["assumed"], data["sources"] = {}, {}
    profile = parse_profile(data, where="the benchmark of ranks")
    folder = benchmark.pedantic(
        lambda: measure.run(
            profile, steps=4, warmup=1, shrink=8, run_dir=tmp_path / "run", results=tmp_path / "results"
        ),
        rounds=1,
    )
    cost = json.loads((folder / "measured.json").read_text(encoding="utf-8"))["arms"]["fsrl"]
    benchmark.extra_info |= {"ranks": ranks, "tokens_per_s": cost["tokens_per_s"]}
