"""The arm under study in memory: model, adapter, the whole SAE, and the tokenised test pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fsrl.sae import Sae
from fsrl.steer import NAME, Steering
from harness.core.errors import DataError, ProfileError
from harness.evaluation.score import load_ready
from harness.models.base_model import pad_id
from harness.training.pairs import Pair, PairTokens, TokenisedPairs
from harness.training.usable import usable_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from fsrl.adapter import Adapter
    from harness.arm import Arm
    from harness.study import StudyScene


class Subject(NamedTuple):
    """What a study works on."""

    arm: Arm
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    adapter: Adapter
    sae: Sae
    pairs: list[Pair]
    tokenised: TokenisedPairs

    @property
    def rows(self) -> list[PairTokens]:
        """Token ids of the test pairs."""
        return self.tokenised.rows

    @property
    def pad_id(self) -> int:
        """The id that fills a row."""
        return pad_id(self.tokenizer)


def load_subject(scene: StudyScene) -> Subject:
    """The arm as trained and the test pairs as `evaluate` sees them.

    Raises:
        ProfileError: the arm does not steer SAE features.
        DataError: a feature is described that the dictionary does not have.
    """
    profile, prepared = scene.profile, scene.prepared
    ready = load_ready(profile, scene.paths, scene.arm, prepared)
    steering = getattr(ready.model, NAME, None)
    if not isinstance(steering, Steering):
        raise ProfileError("the arm does not steer SAE features", value=scene.arm, remedy="name another arm")
    sae = Sae.from_folder(Path(prepared.sae_dir)).to(ready.model.device, steering.adapter.weight.dtype)
    beyond = [feature for feature in scene.features if feature >= sae.d_sae]
    if beyond:
        raise DataError(
            f"the feature descriptions name a feature that the SAE's {sae.d_sae} do not have",
            value=beyond[0],
            remedy="name the descriptions of this SAE in [features]",
        )
    path = Path(prepared.data_root) / profile.data.test
    usable = usable_pairs(path, profile.data.test_pairs, ready.tokenizer, profile.data)
    return Subject(ready.arm, ready.model, ready.tokenizer, steering.adapter, sae, *usable)
