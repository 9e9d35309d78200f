"""Where every value of a profile comes from, as docs/provenance.md: `python docs/provenance.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from harness.core.artefact import write_text
from harness.core.errors import ProfileError
from harness.core.markdown_table import grid
from harness.core.paths import ROOT
from harness.profiles.profile import Profile, load_profile
from harness.profiles.toml_file import leaves, profile_names

PAGE = ROOT / "docs" / "provenance.md"
PAPER = "gemma-2-2b"
SAID = ("name", "title", "note", "paper_values", "sources", "assumed")
NOT_VALUES = (*SAID, "revisions", "published", "features", "studies", "search")


class Setting(NamedTuple):
    """A row of the paper's table 5.

    Attributes:
        title: as printed.
        printed: its value, `lost` where the text of the paper lost it.
        keys: where the profile has it; none where the code fixes it.
        fixed, source: the value that the code fixes, and where it is from.
        assumed: whether that value stands in for one that was lost.
    """

    title: str
    printed: str
    keys: tuple[str, ...] = ()
    fixed: str = ""
    source: str = ""
    assumed: bool = False


TABLE_5 = (
    Setting("Base Model", "Gemma-2-2B-it", ("model.id",)),
    Setting("Dataset ID", "princeton-nlp/llama3-ultrafeedback-armorm", ("data.id",)),
    Setting("Intervention Layer", "12", ("sae.layer",)),
    Setting("SAE ID", "layer_12/width_65k/average_l0_21", ("sae.sae_id",)),
    Setting("Learning Rate", "lost", ("arms.fsrl.learning_rate", "arms.full-simpo.learning_rate")),
    Setting("L1 Penalty", "lost", ("arms.fsrl.penalty_coefficient",)),
    Setting("SimPO Beta", "10", ("training.beta",)),
    Setting("SimPO Gamma Ratio", "0.5", ("training.gamma_beta_ratio",)),
    Setting("Epochs", "2", ("training.epochs",)),
    Setting(
        "Optimizer",
        "AdamW",
        fixed="torch's AdamW; DeepSpeed's for the CPU where the optimiser is offloaded to it",
        source="the paper, table 5",
    ),
    Setting("LR Scheduler", "Cosine", ("training.schedule",)),
    Setting("Warmup Ratio", "0.1", ("training.warmup_ratio",)),
    Setting(
        "Weight Initialization",
        "Uniform, its bounds lost",
        fixed="Uniform(-1e-9, 1e-9), bias 0",
        source="the bounds were lost in the paper's text; these are those of the authors' code",
        assumed=True,
    ),
    Setting("Device Batch Size", "2", ("training.pairs_per_device",)),
    Setting("Gradient Accumulation Steps", "16", ("training.accumulation",)),
    Setting("Precision", "BF16", ("model.dtype",)),
    Setting("Memory Optimization", "DeepSpeed ZeRO Stage 1", ("training.zero_stage",)),
)
HEAD = f"""\
# Where every value comes from

Made from the profiles by `python docs/provenance.py`; a test fails where the two differ.

*The paper* is arXiv 2509.12934v1 as text; its extraction lost formulas and several numbers. **A value that is
lost is never guessed**: what stands in its place is marked *assumed*, with its reason, and is overridden by
one line of a profile that says `extends = "{PAPER}"`. *The authors' code* is Jazhyc/feature-steering-RL at
commit fb467f1 of 2025-08-18 where nothing else is said. *SimPO* is princeton-nlp/SimPO.
"""


def values(profile: Profile) -> dict[str, Any]:
    """Every value of a profile by dotted path; what is empty or says nothing about a number is left out."""
    found = leaves({key: value for key, value in profile.resolved().items() if key not in NOT_VALUES})
    return {key: value for key, value in found.items() if value not in (None, "")}


def origin(profile: Profile, dotted: str) -> tuple[bool, str]:
    """Whether a value is assumed, and its reason or source: the one given for the longest part of its path.

    Raises:
        ProfileError: the profile says nothing about it.
    """
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ".".join(parts[:length])
        if path in profile.assumed:
            return True, profile.assumed[path]
        if path in profile.sources:
            return False, profile.sources[path]
    raise ProfileError(
        "a value of the profile has neither a source nor a reason",
        value=f"{profile.name}: {dotted}",
        remedy="name it in [sources] or in [assumed]",
    )


def page() -> str:
    """The whole document."""
    profiles = {name: load_profile(name) for name in profile_names()}
    paper = profiles[PAPER]
    variants = [name for name, one in profiles.items() if one.sources and name != PAPER]
    others = [name for name, one in profiles.items() if not one.sources]
    parts = [
        HEAD,
        "## The paper's table 5\n",
        grid(("table 5", "printed", "here", "assumed", "source or reason"), _table_5(paper)),
        f"\n## {PAPER}: every value\n",
        grid(("key", "value", "assumed", "source or reason"), _all(paper)),
    ]
    for name in variants:
        parts += [
            f"\n## {name}: where it differs from {PAPER}\n",
            f"{profiles[name].note}\n",
            grid(("key", PAPER, name, "assumed", "source or reason"), _differences(paper, profiles[name])),
        ]
    for name in others:
        found, reasons = values(profiles[name]), profiles[name].assumed
        rows = [(f"`{key}`", _shown(found[key]), why) for key, why in reasons.items()]
        parts += [
            f"\n## {name}: what is assumed\n",
            f"{profiles[name].note}\n",
            grid(("key", "value", "reason"), rows),
        ]
    return "\n".join(parts) + "\n"


def _table_5(paper: Profile) -> Iterable[Sequence[str]]:
    found = values(paper)
    for row in TABLE_5:
        if not row.keys:
            yield row.title, row.printed, row.fixed, _mark(row.assumed), row.source
        for key in row.keys:
            assumed, why = origin(paper, key)
            yield row.title, row.printed, f"`{key}` = {_shown(found[key])}", _mark(assumed), why


def _all(profile: Profile) -> Iterable[Sequence[str]]:
    for key, value in values(profile).items():
        assumed, why = origin(profile, key)
        yield f"`{key}`", _shown(value), _mark(assumed), why


def _differences(paper: Profile, variant: Profile) -> Iterable[Sequence[str]]:
    before, after = values(paper), values(variant)
    for key in after:
        assumed, why = origin(variant, key)
        named = key in {**variant.sources, **variant.assumed}
        if before.get(key) != after[key] or (named and (assumed, why) != origin(paper, key)):
            yield f"`{key}`", _shown(before.get(key, "")), _shown(after[key]), _mark(assumed), why
    for arm, section in paper.arms.items():
        if arm not in variant.arms:
            yield f"`arms.{arm}`", section.title, "left out", "", ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "all" if value == [] else str(value)


def _mark(assumed: bool) -> str:
    return "**assumed**" if assumed else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with --check say whether it is up to date."""
    parser = argparse.ArgumentParser(prog="python docs/provenance.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is old")
    given = parser.parse_args(arguments)
    text = page()
    if given.check:
        current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if current != text:
            print(
                f"{PAGE} is not what the profiles say: run `python docs/provenance.py`",
                file=sys.stderr,
            )
        return int(current != text)
    write_text(PAGE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
