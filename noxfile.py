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
ARMS = ("prepare", "train", "evaluate")
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


def study(session, *names):
    """The arms (reused where finished), studies of them (all where none is named), and the page."""
    for stage in ARMS:
        shared(session, "harness", stage, *session.posargs)
    shared(session, "harness", "study", *names, *session.posargs)
    for stage in ("analyse", "report", "page"):
        shared(session, "harness", stage, *session.posargs)


@nox.session(name="reproduce-paper")
def reproduce_paper(session):
    """The arms, every other table and figure of the paper, and one page with all of it."""
    study(session)


@nox.session(name="reproduce-table2")
def reproduce_table2(session):
    """Table 2: the composition of the active features."""
    study(session, "--study=table2")


@nox.session(name="reproduce-table3")
def reproduce_table3(session):
    """Table 3: the features that are steered most often."""
    study(session, "--study=table3")


@nox.session(name="reproduce-table4")
def reproduce_table4(session):
    """Table 4: the features with the largest mean steering."""
    study(session, "--study=table4")


@nox.session(name="reproduce-table6")
def reproduce_table6(session):
    """Table 6: categories of features from their explanations, against labels."""
    study(session, "--study=classification")


@nox.session(name="reproduce-figure2")
def reproduce_figure2(session):
    """Figure 2: the loss with the top k % of the features."""
    study(session, "--study=figure2")


@nox.session(name="reproduce-figure3")
def reproduce_figure3(session):
    """Figure 3: the mean difference between activation and steering."""
    study(session, "--study=figure3")


@nox.session(name="reproduce-figure5")
def reproduce_figure5(session):
    """Figure 5: usage of the steered features by rank."""
    study(session, "--study=figure5")


@nox.session(name="reproduce-ablation")
def reproduce_ablation(session):
    """Causal ablation: loss and scores with one kind of feature not steered."""
    study(session, "--study=ablation")


@nox.session(name="reproduce-answers")
def reproduce_answers(session):
    """Answers of all arms side by side."""
    study(session, "--study=answers")


@nox.session(name="reproduce-seeds")
def reproduce_seeds(session):
    """Table 1 over several training seeds (`-- --seeds 1,2,3`; `-- --commit` takes it over)."""
    shared(session, "harness", "seeds", *session.posargs)


@nox.session(name="planted-truth")
def planted_truth(session):
    """FSRL on rewards of known weights: do the analyses recover them?"""
    shared(session, "harness", "planted-truth", *session.posargs)


@nox.session
def report(session):
    """Render the page again from finished artefacts (`-- --committed`: from those below results/)."""
    shared(session, "harness", "page", *session.posargs)


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
def faults(session):
    """Real runs, killed and damaged: they go on, or are refused with a cause and a remedy."""
    shared(session, "pytest", "-m", "faults", "tests/faults", *session.posargs)


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
def lock(session):
    """Bring the hashes of the lock up to date with the versions in constraints.txt; asks pip."""
    shared(session, "harness.lock", *session.posargs)


@nox.session(venv_backend="venv")
def audit(session):
    """The locked packages against the published advisories; needs a network."""
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "-r", "constraints.txt")


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
