"""Prompting: an instruction in front of the first user turn, the best of a list on pairs held back.

AxBench (arXiv 2501.17148) lets a language model write its instruction from a description of the concept; here
the profile lists the instructions, since the pairs have no description, and the search takes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.arm import Fitted
from harness.core.artefact import write_json
from harness.core.documents import Strict, read_model
from harness.core.errors import ProfileError
from harness.training.untrained import NothingTrained

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.arm import FitRows, Scene
    from harness.models.instruction import Instruction
    from harness.profiles.sections import SaeSection
    from harness.training.search import Candidate

CARD = "prompting.json"
AGAIN = "run `train` again for this arm"


class Config(Strict):
    """Options of the arm.

    Attributes:
        instructions: what the search may put in front of a prompt; the base without any is tried beside them.
    """

    instructions: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Card(Strict):
    """What was chosen, for which model; empty: no instruction helped."""

    schema_version: int = 1
    model_sha256: str
    options: dict[str, Any]
    instruction: str


class Arm(NothingTrained):
    """The untouched base, asked with an instruction.

    Attributes:
        instruction: what evaluation puts into each prompt; None: nothing.
    """

    kind: ClassVar[Literal["fitted"]] = "fitted"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.scene = config, scene
        self.words = ""

    @staticmethod
    def frozen_through(config: Config, sae: SaeSection) -> None:
        """No block's output stays: every position sees the instruction."""

    def instruction(self, tokenizer: PreTrainedTokenizerBase) -> Instruction | None:
        """What evaluation puts into each prompt; None: nothing."""
        from harness.models.instruction import make_instruction

        return make_instruction(self.words, tokenizer) if self.words else None

    def fit(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: FitRows, folder: Path
    ) -> Fitted:
        """Try each instruction on the pairs held back.

        Raises:
            ProfileError: an instruction that is empty or stands there twice.
        """
        from harness.models.instruction import make_instruction
        from harness.training.search import Candidate, search

        texts = self.config.instructions
        if len(set(texts)) < len(texts):
            raise ProfileError(
                "an instruction stands there twice", value=list(texts), remedy="name each instruction once"
            )
        made = {text: make_instruction(text, tokenizer) for text in texts}
        plain = list(rows.held_back)

        @contextmanager
        def asked(candidate: Candidate) -> Iterator[None]:
            """The held-back pairs with the candidate's instruction, and without it again afterwards."""
            instruction = made.get(candidate.options.get("instruction", ""))
            if instruction:
                rows.held_back[:] = [one._replace(prompt=instruction.into_ids(one.prompt)) for one in plain]
            try:
                yield
            finally:
                rows.held_back[:] = plain

        candidates = [Candidate(0.0, {}), *(Candidate(1.0, {"instruction": text}) for text in texts)]
        found = search(model, rows, candidates, asked)
        self.words = found.best.options.get("instruction", "")
        card = Card(
            model_sha256=self.scene.model_digest,
            options=self.config.model_dump(mode="json"),
            instruction=self.words,
        )
        write_json(folder / CARD, card.model_dump(mode="json"))
        tokens = len(made[self.words].ids) if self.words else 0
        facts = {"instruction": self.words, "instruction_tokens": tokens, "helped": bool(self.words)}
        return Fitted(0, {**facts, "strength": float(bool(self.words))}, found)

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Take over the instruction; the model stays the base.

        Raises:
            MissingInputError, DamagedFileError: the card is missing or broken.
            ProfileError: it is of another base model or other options.
        """
        card = read_model(folder / CARD, Card, what="the chosen instruction", remedy=AGAIN)
        if (card.model_sha256, card.options) != (
            self.scene.model_digest,
            self.config.model_dump(mode="json"),
        ):
            raise ProfileError(
                "the instruction was chosen for another base model or from others", value=folder, remedy=AGAIN
            )
        self.words = card.instruction
        model.requires_grad_(False)
