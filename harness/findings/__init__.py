"""What a run finds: its outcome, and one type for each study. Shares are shares of 1, losses are in nats."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from harness.core.documents import refused
from harness.findings.activity import (
    CensusResult,
    CompositionResult,
    DifferenceResult,
    RankingResult,
    UsageResult,
)
from harness.findings.answers import GenerationsResult
from harness.findings.audit import AuditResult
from harness.findings.classification import ClassificationResult
from harness.findings.controls import ControlsResult
from harness.findings.masked import AblationResult, TopKResult
from harness.findings.policy_form import PolicyFormResult
from harness.findings.probes import ProbesResult
from harness.findings.sweep import SweepResult

Finding = Annotated[
    CensusResult
    | CompositionResult
    | RankingResult
    | TopKResult
    | DifferenceResult
    | UsageResult
    | GenerationsResult
    | AblationResult
    | ClassificationResult
    | PolicyFormResult
    | SweepResult
    | AuditResult
    | ControlsResult
    | ProbesResult,
    Field(discriminator="kind"),
]
_FINDING: TypeAdapter[Finding] = TypeAdapter(Finding)


def parse_finding(data: Any, *, where: object) -> Finding:
    """A study's result, of any kind.

    Raises:
        DamagedFileError: none of the kinds, or another layout.
    """
    with refused("the study's result", where, "delete it and run `python -m harness study` again"):
        return _FINDING.validate_python(data)
