"""Sessions. `nox -l` lists them; arguments after `--` go to the harness: `-- --profile gemma-2-2b`."""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]
PYTHON = str(Path(__file__).parent / ".nox" / "shared" / "bin" / "python")
STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")
BENCH_JSON = "--benchmark-json=runs/bench/pytest-benchmark.json"
ARMS = ("prepare", "train", "evaluate")
BUILD = "harness.commands.build_miniature"
LOCKED = ("--extra", "dev", "--extra", "smollm2", "pyproject.toml", "--output-file", "constraints.txt")
SMOKE = ("--profile", "miniature-smoke")
METHODS = ("--profile", "miniature-methods")


def shared(session, *command):
    """Run a module in the one environment of all sessions."""
    session.run(
        sys.executable, "-m", "harness.environment.shared", *session.posargs, external=True, log=False
    )
    session.run(PYTHON, "-m", *command, external=True)


@nox.session(name="reproduce-table1")
def reproduce_table1(session):
    """Train, evaluate and compare the three arms, and make the page (default profile: miniature)."""
    for stage in (*STAGES, "page"):
        shared(session, "harness", stage, *session.posargs)


def study(name, summary, *studies):
    """Define a session: the arms (reused where finished), studies (all where none is named), the page."""

    def run(session):
        for stage in ARMS:
            shared(session, "harness", stage, *session.posargs)
        shared(session, "harness", "study", *(f"--study={one}" for one in studies), *session.posargs)
        for stage in ("analyse", "report", "page"):
            shared(session, "harness", stage, *session.posargs)

    run.__doc__ = summary
    nox.session(run, name=name)


study("reproduce-paper", "The arms, every other table and figure of the paper, and one page with all of it.")
study("reproduce-table2", "Table 2: the composition of the active features.", "table2")
study("reproduce-table3", "Table 3: the features that are steered most often.", "table3")
study("reproduce-table4", "Table 4: the features with the largest mean steering.", "table4")
study("reproduce-table6", "Table 6: categories of features, against labels.", "classification")
study("reproduce-figure2", "Figure 2: the loss with the top k % of the features.", "figure2")
study("reproduce-figure3", "Figure 3: the mean difference of activation and steering.", "figure3")
study("reproduce-figure4", "Figure 4: the sweeps of alpha and of the layer.", "sweep-alpha", "sweep-layer")
study("reproduce-figure5", "Figure 5: usage of the steered features by rank.", "figure5")
study("reproduce-ablation", "Loss and scores with one kind of feature not steered.", "ablation")
study("reproduce-answers", "Answers of all arms side by side.", "answers")


@nox.session(name="compare-methods")
def compare_methods(session):
    """Every method as an arm, in one table and two figures (default profile: miniature-methods)."""
    for stage in (*ARMS, "compare-methods"):
        shared(session, "harness", stage, *METHODS, *session.posargs)


def simple(name, summary, *command):
    """Define a session of one command."""

    def run(session):
        shared(session, *command, *session.posargs)

    run.__doc__ = summary
    nox.session(run, name=name)


simple("reproduce-seeds", "Table 1 over several seeds (`-- --seeds 1,2,3 --save`).", "harness", "seeds")
simple("search", "The trained arms' learning rates, chosen on development pairs.", "harness", "search")
simple("sweep", "A training for each alpha and each layer (`-- --axis alpha`).", "harness", "sweep")
simple("planted-truth", "FSRL on rewards of known weights: are they recovered?", "harness", "planted-truth")
simple("models", "The verdicts of several models side by side (`-- --save`).", "harness", "models")
simple("report", "The page again, from finished artefacts (`-- --committed`).", "harness", "page")
simple("measure", "Memory and step time at the paper's shapes, random weights.", "harness", "measure")
simple("build-miniature", "Rebuild the bundled miniature from its seed.", BUILD)
simple("tests", "The fast tests, in two processes.", "pytest", "--numprocesses=2", "--dist=loadfile")
simple("tests-slow", "The tests with the marker `slow`.", "pytest", "-m", "slow")
simple("tests-gpu", "The tests that need a CUDA GPU; skipped without one.", "pytest", "-m", "gpu")
simple("faults", "Kill and corrupt real runs.", "pytest", "-m", "faults", "tests/faults")
simple("types", "Strict types.", "mypy")


@nox.session
def smoke(session):
    """All three arms through training, lm-eval and rendering, small."""
    for stage in STAGES:
        shared(session, "harness", stage, *SMOKE, *session.posargs)


@nox.session
def regress(session):
    """Compare a smoke run with the committed results (`-- --update` accepts new ones)."""
    for stage in STAGES:
        shared(session, "harness", stage, *SMOKE)
    shared(session, "harness", "regress", *SMOKE, *session.posargs)


@nox.session
def bench(session):
    """Optimised training step vs. a plain reference: speed and memory ratios (`-- --update` accepts them)."""
    shared(session, "pytest", "tests/benchmarks", "-m", "bench", "--benchmark-enable", BENCH_JSON)
    session.run(PYTHON, "-m", "harness", "bench", *session.posargs, external=True)


@nox.session(venv_backend="venv")
def lock(session):
    """The lock from pyproject.toml; versions stay (`-- --upgrade-package NAME` moves one). Asks the index."""
    session.install("uv")
    compiled = ("pip", "compile", "--universal", "--generate-hashes", "--no-annotate", "--quiet")
    session.run("uv", *compiled, "--custom-compile-command", "nox -s lock", *LOCKED, *session.posargs)


@nox.session(venv_backend="venv")
def audit(session):
    """Check the locked packages against published advisories; needs a network."""
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "-r", "constraints.txt")


@nox.session
def lint(session):
    """Formatting, lint rules, the direction of imports, and the length of files and functions."""
    shared(session, "ruff", "check", ".")
    shared(session, "ruff", "format", "--check", ".")
    session.run(str(Path(PYTHON).with_name("lint-imports")), external=True)
    session.run(PYTHON, ".ci/sizes.py", external=True)
