"""One pass over the test pairs: what the SAE's features and the steering vector do at every position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from harness.core.results import EvaluateResult
from harness.findings.activity import CONTEXTS, DENOMINATORS, CensusResult, ContextCensus, Padded
from harness.findings.features import CATEGORIES
from harness.stages.inputs import finished
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from fsrl.adapter import Adapter
    from fsrl.analysis.subject import Subject
    from fsrl.analysis.tally import Shares, Tally
    from fsrl.sae import Sae
    from harness.training.pairs import PairTokens

    Arrays = dict[str, NDArray[np.float64] | NDArray[np.int64]]

SUMMARY = "Count, at every position of the test pairs, the active SAE features and the steered ones."
LAYOUT = 2
READS: tuple[str, ...] = ()
ALL_ARMS = False
SOURCES = ("sae", "steering")
FILE = "census.safetensors"


class Config(Options):
    """Options.

    Attributes:
        padded: also keep the sums over padded batches, the paper's way of averaging.
        positions_at_once: rows of [positions, features] in memory.
        pairs: test pairs counted, from the front; 0 means all.
    """

    padded: bool = True
    pairs: Annotated[int, Field(ge=0)] = 0
    positions_at_once: Annotated[int, Field(gt=0)] = 1024


def run(config: Config, scene: StudyScene) -> Found:
    """Count. The file has by context and source, per feature, `count` and `total`, and per example
    `<denominator>.share.<category>` and `<denominator>.defined`."""
    from safetensors.numpy import save

    from fsrl.analysis.evaluation_loss import first
    from fsrl.analysis.subject import load_subject
    from harness.core.artefact import write_bytes

    result, arrays = count(config, scene, first(load_subject(scene), config.pairs))
    write_bytes(scene.folder / FILE, save(arrays))
    return Found(result, (scene.folder / FILE,))


def count(config: Config, scene: StudyScene, subject: Subject) -> tuple[CensusResult, Arrays]:
    """The counts of the adapter as it now is, over the subject's pairs; nothing is written."""
    import torch
    from tqdm import tqdm

    from fsrl.adapter import L0_FLOOR
    from harness.models.residual import residual_reader

    masks_FxC = category_masks(scene, subject.sae.d_sae).to(subject.model.device)
    classified_F = torch.zeros(subject.sae.d_sae, dtype=torch.bool, device=masks_FxC.device)
    classified_F[list(scene.features)] = True
    size = scene.profile.evaluation.loss_batch_size
    rows, contexts = subject.rows, {}
    arrays: Arrays = {}
    with residual_reader(subject.model, scene.profile.sae.layer) as read, torch.no_grad():
        for context, name in CONTEXTS.items():
            census = Census(subject.adapter, subject.sae, (masks_FxC, classified_F), len(rows), config)
            for start in tqdm(range(0, len(rows), size), desc=f"  {name}", leave=False, disable=None):
                batch = [sequence(row, context) for row in rows[start : start + size]]
                census.add(read, batch, subject.pad_id, start)
            contexts[context] = census.summary()
            arrays |= {f"{context}.{key}": value for key, value in census.arrays().items()}
    result = CensusResult(
        arm=scene.arm,
        d_sae=subject.sae.d_sae,
        examples=len(rows),
        floor=L0_FLOOR,
        contexts=contexts,
        categories={name: int(masks_FxC[:, i].sum()) for i, name in enumerate(CATEGORIES)},
        described=sum(bool(feature.description) for feature in scene.features.values()),
        classified=len(scene.features),
        evaluated_l0=EvaluateResult.model_validate(
            finished("evaluate", scene.profile, scene.paths, scene.arm).result
        ).preference.mean_l0,
    )
    return result, arrays


class Census:
    """The two tallies of one context.

    Args:
        masks: the features of each category, and those that have a label: see `Tally`.
        examples: how many there are.
    """

    def __init__(
        self, adapter: Adapter, sae: Sae, masks: tuple[Tensor, Tensor], examples: int, config: Config
    ) -> None:
        from fsrl.analysis.tally import Tally

        self.adapter, self.sae, self.config = adapter, sae, config
        masks_FxC, classified_F = masks
        self.tallies: dict[str, Tally] = {name: Tally(masks_FxC, examples, classified_F) for name in SOURCES}
        self.padding = 0

    def add(self, read: Any, batch: Sequence[Sequence[int]], pad_id: int, first: int) -> None:
        """Count a batch of sequences of the examples `first`, `first` + 1, ..."""
        import torch

        rows = padded(batch, pad_id)
        x_BxTxD: Tensor = read(**rows)
        real_BxT = rows["attention_mask"].bool().to(x_BxTxD.device)
        example_B = torch.arange(first, first + len(batch), device=x_BxTxD.device)
        example_BxT = example_B.unsqueeze(-1).expand_as(real_BxT)
        self.padding += int((~real_BxT).sum())
        kept_BxT = torch.ones_like(real_BxT) if self.config.padded else real_BxT
        size = self.config.positions_at_once
        parts = (torch.split(t[kept_BxT], size) for t in (x_BxTxD, example_BxT, real_BxT))
        for x_NxD, example_N, real_N in zip(*parts, strict=True):
            for name, values_NxF in self._values(x_NxD).items():
                self.tallies[name].add(values_NxF, example_N, real_N)

    def _values(self, x_NxD: Tensor) -> dict[str, Tensor]:
        x_NxD = x_NxD.to(self.adapter.weight.dtype)
        return {"sae": self.sae.encode(x_NxD), "steering": self.adapter(self.sae.encoder_input(x_NxD))}

    def summary(self) -> ContextCensus:
        tallies = self.tallies
        padded = {
            kind: {name: _padded(one.shares[kind]) for name, one in tallies.items()}
            if self.config.padded
            else {}
            for kind in DENOMINATORS
        }
        return ContextCensus(
            positions=tallies["sae"].positions,
            padding=self.padding,
            mean_l0={name: one.mean_l0 for name, one in tallies.items()},
            empty={name: one.empty for name, one in tallies.items()},
            padded=padded["active"],
            padded_classified=padded["classified"],
        )

    def arrays(self) -> Arrays:
        found: Arrays = {}
        for name, one in self.tallies.items():
            found |= {f"{name}.count": one.count_F.cpu().numpy(), f"{name}.total": one.total_F.cpu().numpy()}
            for kind, shares in one.shares.items():
                found[f"{name}.{kind}.defined"] = shares.defined_E.cpu().numpy()
                for i, category in enumerate(CATEGORIES):
                    found[f"{name}.{kind}.share.{category}"] = shares.share_ExC[:, i].cpu().numpy().copy()
        return found


def sequence(row: PairTokens, context: str) -> list[int]:
    """The tokens of a pair that a context is about."""
    answers = {"prompt": [], "prompt_chosen": row.chosen, "prompt_rejected": row.rejected}
    return row.prompt + answers[context]


def padded(sequences: Sequence[Sequence[int]], pad_id: int) -> dict[str, Tensor]:
    """The decoder's arguments for a batch: token ids padded on the right, and 1 on the real ones."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = [torch.tensor(sequence) for sequence in sequences]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }


def category_masks(scene: StudyScene, d_sae: int) -> torch.Tensor:
    """(d_sae, categories) float32: 1 where the feature belongs to the category."""
    import torch

    masks = torch.zeros(d_sae, len(CATEGORIES))
    for feature, known in scene.features.items():
        for i, name in enumerate(CATEGORIES):
            masks[feature, i] = float(name in known.categories)
    return masks


def _padded(one: Shares) -> Padded:
    def by_category(values: Tensor) -> dict[str, float]:
        return {name: float(value) for name, value in zip(CATEGORIES, values, strict=True)}

    return Padded(
        positions=one.padded_positions,
        total=by_category(one.padded_total_C),
        squares=by_category(one.padded_squares_C),
    )
