"""The options that several commands share, and a function as a command that takes options."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

from typer import CallbackParam, Option

from harness.core.errors import UsageError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile, load_profile
from harness.profiles.toml_file import lock_path, profile_names
from harness.sources.synthetic.variant import random_variant
from harness.stages.inputs import spelled
from harness.stages.stage import refuse_stale


def number(help: str, least: float, panel: str | None = None) -> Any:
    """A number as an option, refused below `least`.

    Args:
        panel: the heading in the help; None: that of all options.
    """

    def checked(parameter: CallbackParam, value: float) -> float:
        if not value >= least:
            raise UsageError(f"{parameter.opts[0]} must be at least {least} (got {value})")
        return value

    return Option(metavar="N", help=help, callback=checked, rich_help_panel=panel)


ProfileName = Annotated[
    str, Option(metavar="NAME", help="bundled profile or .toml file", autocompletion=profile_names)
]
RunDir = Annotated[
    Path | None, Option(metavar="DIR", help="where the run keeps its files (default: runs/<profile>)")
]
Shrink = Annotated[
    int, number("divide widths, blocks, vocabulary, features and lengths by N (with random weights only)", 1)
]
Save = Annotated[bool, Option("--save", help="also copy the result into results/, so that you can commit it")]
Update = Annotated[bool, Option("--update", help="accept this result as the committed one")]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options that choose a run."""

    profile: ProfileName = "miniature"
    data_root: Annotated[
        Path | None,
        Option(metavar="DIR", envvar="HARNESS_DATA_ROOT", help="rows laid out ORG/NAME/CONFIG/SPLIT.jsonl"),
    ] = None
    run_dir: RunDir = None
    random_weights: Annotated[
        bool,
        Option(
            "--random-weights",
            help="the profile's exact shapes with random weights and synthetic pairs; "
            "only cost means anything",
        ),
    ] = False
    shrink: Shrink = 1

    changes: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="set a key of the profile, as in training.epochs=2 (repeatable); such a run has a folder "
            "of its own",
        ),
    ] = None

    def load(self) -> tuple[Profile, RunPaths]:
        """The profile, and the files of its run.

        Raises:
            ProfileError: no such profile, or one that cannot be used.
            UsageError: `--shrink` without `--random-weights`.
        """
        profile = load_profile(self.profile, self.changes or ())
        if self.changes:
            said = " ".join(f"--set {shlex.quote(one)}" for one in self.changes)
            spelled(profile.name, f"{self.profile} {said}")
        if self.random_weights:
            profile = random_variant(profile, shrink=self.shrink)
        elif self.shrink != 1:
            raise UsageError(
                "real weights cannot be divided",
                value=f"--shrink {self.shrink}",
                remedy="add --random-weights, or leave --shrink out",
            )
        return profile, RunPaths.of(profile.name, self.run_dir, self.data_root, lock_path(self.profile))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from `1,2,3`.

    Raises:
        UsageError: not two or more different integers from 0 on.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if len(seeds) < 2 or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise UsageError("--seeds needs at least two different integers, for example 1,2,3", value=text)
    return seeds


def command_of(function: Callable[..., Any], upto: str = "") -> Callable[..., None]:
    """What typer calls: a function that takes options.

    A parameter with an `Option` is one; each field of a dataclass is one; `profile` with `paths` are the
    options that choose a run; any other parameter keeps its default.

    Args:
        upto: the stage before which the results of the run must still fit the profile; empty: none.
    """
    groups: dict[str, Any] = {}
    options: list[inspect.Parameter] = []
    own = inspect.signature(function, eval_str=True).parameters
    for name, one in own.items():
        kind = RunOptions if name == "profile" and "paths" in own else one.annotation
        if is_dataclass(kind) and kind is not RunPaths:
            groups[name] = kind
            hints = get_type_hints(kind, include_extras=True)
            options += [
                inspect.Parameter(
                    part.name, one.KEYWORD_ONLY, default=part.default, annotation=hints[part.name]
                )
                for part in fields(kind)
            ]
        elif get_origin(one.annotation) is Annotated:
            options.append(one.replace(kind=one.KEYWORD_ONLY))

    def command(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{part.name: values.pop(part.name) for part in fields(kind)})
        if "paths" in own:
            values["profile"], values["paths"] = values["profile"].load()
            if upto:
                refuse_stale(upto, values["profile"], values["paths"])
        function(**values)

    vars(command)["__signature__"] = inspect.Signature(options)
    return command
