"""`python -m harness prompts`: the prompts of a run against the committed ones of its profile."""

from __future__ import annotations

from pathlib import Path

from harness.core.artefact import write_json
from harness.core.console import say
from harness.core.errors import NotComparableError, RegressionError
from harness.core.paths import RESULTS, RunPaths
from harness.core.results import EvaluateResult
from harness.evaluation.committed_prompts import changes, read_snapshot, snapshot, snapshot_path, text_changes
from harness.profiles.profile import Profile
from harness.stages.inputs import Context
from harness.stages.options import Update

SHOWN_LINES = 40


def run(profile: Profile, paths: RunPaths, update: Update = False, results: Path = RESULTS) -> None:
    """Compares the first prompt of each task and arm, templates, BOS counts and stop ids with
    results/<profile>/prompts.json; with --update the run's become the committed ones.

    Raises:
        MissingInputError: an arm was not evaluated.
        NotComparableError: this profile has no committed prompts.
        RegressionError: a prompt, a template, a count or a stop id changed; the message shows the texts.
    """
    path = snapshot_path(profile.name, results)
    run = Context(profile, paths)
    new = snapshot({arm: EvaluateResult.model_validate(run.evaluated(arm).result) for arm in profile.arms})
    if update:
        write_json(path, new.model_dump(mode="json"))
        say(f"accepted: {path}")
        return
    committed = read_snapshot(path)
    again = f"python -m harness prompts --profile {profile.name} --update"
    if committed is None:
        raise NotComparableError(
            "no prompts are committed for this profile",
            value=path,
            remedy=f"accept this run's with `{again}`",
        )
    found = list(changes(committed, new.arms))
    if found:
        shown = text_changes(committed, new).splitlines()[:SHOWN_LINES]
        raise RegressionError(
            "the prompts differ from the committed ones:\n"
            + "\n".join([*(f"  - {line}" for line in found), *shown]),
            value=path,
            remedy=f"find what changed them; accept them with `{again}` if it was meant",
        )
    say(f"the prompts of {len(new.arms)} arms are the committed ones")
