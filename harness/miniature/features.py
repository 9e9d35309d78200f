"""Explains and labels every SAE feature from the world: each generated token has a known role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from harness.miniature.text import ROLES, Role, Spans, plain, role_per_character

if TYPE_CHECKING:
    from sae_lens import SAE

LABELS: tuple[tuple[Role, str], ...] = (("style", "style"), ("truth", "alignment"))
SHARE, LIFT = 0.5, 2.0
TOP_TOKENS = 5
MIN_ACTIVE = 20
AT_ONCE = 8192

RULE = (
    "style where the share of the feature's activation mass on style tokens is at least 0.5 and at least "
    "2 times the share of style tokens; alignment by the same rule on truth tokens; other in every other "
    "case, or where fewer than 20 tokens activate it"
)


@dataclass(frozen=True)
class RoleTokens:
    """Token ids of one text (length L, ``<bos>`` included) and the index in ROLES of each token's role."""

    ids: list[int]
    roles: list[int]


def with_roles(tokenizer: PreTrainedTokenizerFast, spans: Spans) -> RoleTokens:
    """Tokenise the spans' text; a token has the role of its first character that is not a space."""
    text, roles = plain(spans), role_per_character(spans)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found = []
    for start, end in encoded["offset_mapping"]:
        first = next((i for i in range(start, end) if text[i] != " "), start)
        found.append(ROLES.index(roles[first]))
    return RoleTokens(list(encoded["input_ids"]), found)


@torch.no_grad()
def feature_mass(
    sae: SAE[Any], activations: Tensor, roles: Tensor, ids: Tensor, vocabulary: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Each feature's summed activation by role (RxF) and by token id (VxF), and its active tokens (F)."""
    by_role, by_token = torch.zeros(len(ROLES), sae.cfg.d_sae), torch.zeros(vocabulary, sae.cfg.d_sae)
    count = torch.zeros(sae.cfg.d_sae)
    parts = (torch.split(rows, AT_ONCE) for rows in (activations, roles, ids))
    for rows, role, tokens in zip(*parts, strict=True):
        features = sae.encode(rows)
        by_role.index_add_(0, role, features)
        by_token.index_add_(0, tokens, features)
        count += (features > 0).sum(dim=0)
    return by_role, by_token, count


def label_of(shares: Mapping[Role, float], base: Mapping[Role, float], active: int) -> str:
    """``style``, ``alignment`` or ``other`` by RULE.

    Args:
        shares: share of the feature's activation mass by role; sums to 1 for an active feature.
        base: share of the tokens by role.
        active: number of tokens that activate the feature.
    """
    if active < MIN_ACTIVE:
        return "other"
    for role, label in LABELS:
        if shares[role] >= SHARE and shares[role] >= LIFT * base[role]:
            return label
    return "other"


def describe(label: str, tokens: list[str]) -> str:
    """One sentence in the manner of an automatic explanation."""
    if not tokens:
        return "never active on the miniature's chat"
    what = {
        "style": "formatting or politeness",
        "alignment": "truth, honesty, hedging or certainty",
        "other": "content of the world",
    }[label]
    return f"{what}: " + ", ".join(repr(token) for token in tokens)


def feature_rows(
    sae: SAE[Any], activations: Tensor, ids: Tensor, roles: Tensor, tokenizer: PreTrainedTokenizerFast
) -> list[dict[str, Any]]:
    """One row per feature: id, description, label, shares of activation mass by role, and counts.

    Args:
        sae: the trained SAE.
        activations: residual stream at N tokens of the chat text, NxD.
        ids: their token ids, N.
        roles: indices into ROLES, N.
        tokenizer: for the text of the tokens.
    """
    mass, by_token, count = feature_mass(sae, activations, roles, ids, len(tokenizer))
    base_counts = Counter(roles.tolist())
    base = {role: base_counts[i] / len(roles) for i, role in enumerate(ROLES)}
    rows = []
    for feature in range(sae.cfg.d_sae):
        total = float(mass[:, feature].sum())
        shares = {
            role: round(float(mass[i, feature]) / total, 4) if total else 0.0 for i, role in enumerate(ROLES)
        }
        best = [int(i) for i in np.argsort(-by_token[:, feature].numpy(), kind="stable")[:TOP_TOKENS]]
        tokens = [tokenizer.decode([i]) for i in best if by_token[i, feature] > 0]
        label = label_of(shares, base, int(count[feature]))
        rows.append(
            {
                "feature": feature,
                "description": describe(label, tokens),
                "label": label,
                "mass_share": shares,
                "base_share": {role: round(share, 4) for role, share in base.items()},
                "active_tokens": int(count[feature]),
                "tokens": len(roles),
                "mean_active": round(total / max(int(count[feature]), 1), 4),
            }
        )
    return rows
