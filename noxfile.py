"""Sessions. `nox -l` lists them; arguments behind `--` go to the harness, such as `-- --profile
gemma-2-2b`."""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]
PYTHON = str(Path(__file__).parent / ".nox" / "shared" / "bin" / "python")
STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")
BENCH_JSON = "--benchmark-json=runs/bench/pytest-benchmark.json"
SMOKE = ("--profile", "miniature-smoke")


def shared(session, *command):
    """Run a module in the one environment of all sessions."""
    session.run(sys.executable, "-m", "harness.environment", *session.posargs, external=True, log=False)
    session.run(PYTHON, "-m", *command, external=True)


@nox.session(name="reproduce-table1")
def reproduce_table1(session):
    """Train, evaluate and compare the three arms (default profile: miniature)."""
    for stage in STAGES:
        shared(session, "harness", stage, *session.posargs)


@nox.session
def tests(session):
    """The fast tests."""
    shared(session, "pytest", *session.posargs)


@nox.session(name="tests-slow")
def tests_slow(session):
    """The tests with the marker `slow`."""
    shared(session, "pytest", "-m", "slow", *session.posargs)


@nox.session(name="tests-gpu")
def tests_gpu(session):
    """The tests that need a CUDA GPU; skipped with a reason without one."""
    shared(session, "pytest", "-m", "gpu", *session.posargs)


@nox.session
def smoke(session):
    """All three arms through training, lm-eval and rendering, small."""
    for stage in STAGES:
        shared(session, "harness", stage, *SMOKE, *session.posargs)


@nox.session
def regress(session):
    """Run or reuse the smoke and compare it with the committed results (`-- --update` accepts new ones)."""
    for stage in STAGES:
        shared(session, "harness", stage, *SMOKE)
    shared(session, "harness", "regress", *SMOKE, *session.posargs)


@nox.session
def measure(session):
    """Memory and step time at the paper's shapes, random weights (on a CPU: `-- --shrink 8`)."""
    shared(session, "harness", "measure", *session.posargs)


@nox.session
def bench(session):
    """The lean path against a plain transcription, as ratios (`-- --update` accepts them)."""
    shared(session, "pytest", "tests/benchmarks", "-m", "bench", "--benchmark-enable", BENCH_JSON)
    session.run(PYTHON, "-m", "harness", "bench", *session.posargs, external=True)


@nox.session(name="build-miniature")
def build_miniature(session):
    """Rebuild the bundled miniature from its seed: world, model, SAE, feature labels."""
    shared(session, "harness.miniature.build", *session.posargs)


@nox.session
def lint(session):
    """Formatting, lint rules and the direction of imports."""
    shared(session, "ruff", "check", ".")
    shared(session, "ruff", "format", "--check", ".")
    session.run(str(Path(PYTHON).with_name("lint-imports")), external=True)


@nox.session
def types(session):
    """Strict types."""
    shared(session, "mypy")
