"""K-Steering (arXiv 2505.24535): the gradient of a classifier of the residual stream edits it.

x <- x - alpha decay^k gradient of (mean avoided logit - mean wanted logit), k = 0, 1, ..., each position
alone; the strength is alpha. The authors' code also averages the loss over a sequence or over all rows, which
is this with alpha / T or alpha / (B T), and lets an edit depend on the length of its batch
(`baselines.methods.label_gradient.steering`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from harness.training.fitted_arm import Change, FittedConfig, ResidualArm
from harness.training.fitted_file import Setting

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from baselines.methods.label_gradient import Layer
    from harness.arm import FitRows

LABELS = ("rejected", "chosen")
Labels = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]
Positive = Annotated[int, Field(gt=0)]


class Config(FittedConfig):
    """Options of the arm; the strengths of `grid` are alphas.

    Attributes:
        hidden: width of the two hidden layers; 0 for a linear classifier, whose edit is one constant vector.
        epochs: passes over the rows in training.
        pairs: pairs at most whose tokens are rows, from the front of those to fit on.
        steps: gradient steps of an edit.
        decay: of the step size from one step to the next.
        target, avoid: labels whose logits are raised and lowered: 0 is rejected, 1 is chosen.
    """

    hidden: Annotated[int, Field(ge=0)] = 128
    epochs: Positive = 3
    pairs: Positive = 2000
    steps: Positive = 1
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    target: Labels = (1,)
    avoid: Labels = (0,)


class Arm(ResidualArm):
    """A classifier of response tokens, chosen against rejected, after the tokens that both share."""

    config: Config

    def settings(self, model: PreTrainedModel, rows: FitRows) -> Sequence[Setting]:
        """A classifier for each block.

        Raises:
            ProfileError: labels that cannot be, or no rows of both.
        """
        from baselines.methods.label_gradient import loss_direction

        loss_direction(len(LABELS), self.config.target, self.config.avoid)
        return [self._setting(model, rows, layer) for layer in self.layers]

    def _setting(self, model: PreTrainedModel, rows: FitRows, layer: int) -> Setting:
        import torch

        from baselines.methods.label_gradient import fit_classifier

        fit = rows._replace(fit=rows.fit[: self.config.pairs])
        sides = [torch.cat(parts) for parts in zip(*_tokens(model, fit.fit, layer, rows), strict=True)]
        label_N = torch.cat([torch.full((len(side),), label) for label, side in enumerate(reversed(sides))])
        x_NxD = torch.cat(list(reversed(sides))).cpu()
        options = {"hidden": self.config.hidden, "epochs": self.config.epochs, "seed": rows.seed}
        layers = fit_classifier(x_NxD, label_N, len(LABELS), **options)
        tensors = {
            f"{name}{i}": part for i, one in enumerate(layers) for name, part in zip("wb", one, strict=True)
        }
        facts = {"classifier_rows": len(x_NxD), **_accuracy(model, rows, layer, layers)}
        return Setting({"layer": layer}, layer, tensors, facts)

    def change(self, setting: Setting, strength: float) -> Change:
        """What the gradient steps add."""
        from baselines.methods.label_gradient import Layer, loss_direction, steering

        held = setting.tensors
        layers = [Layer(held[f"w{i}"], held[f"b{i}"]) for i in range(len(held) // 2)]
        direction = loss_direction(len(LABELS), self.config.target, self.config.avoid)
        direction_K = direction.to(held["w0"])
        options = {"alpha": strength, "decay": self.config.decay, "steps": self.config.steps}
        return lambda x: steering(layers, x, direction_K, **options)  # type: ignore[arg-type]


def _tokens(
    model: PreTrainedModel, pairs: Sequence[Any], layer: int, rows: FitRows
) -> list[tuple[Tensor, Tensor]]:
    """Chosen and rejected rows of each pair, after the part that both share."""
    from harness.training.responses import responses

    read = responses(model, layer, pairs, pad_id=rows.pad_id, batch_size=rows.batch_size)
    return [(pair.chosen_WxD[pair.shared :], pair.rejected_LxD[pair.shared :]) for pair in read]


def _accuracy(model: PreTrainedModel, rows: FitRows, layer: int, layers: list[Layer]) -> dict[str, Any]:
    """Accuracy on the held-back pairs, by token and by the mean logit of a response.

    `no_signal`: the accuracy by token is not two standard errors, over pairs, above 1/2.
    """
    import math

    import torch

    from baselines.methods.label_gradient import Layer, logits_and_gradient

    placed = [Layer(*(part.to(model.device) for part in one)) for one in layers]
    none = torch.zeros(len(LABELS), device=model.device)
    tokens, answers = [], []
    for chosen, rejected in _tokens(model, rows.held_back, layer, rows):
        if not len(chosen) or not len(rejected):
            continue
        margins = [logits_and_gradient(placed, x, none)[0].diff(dim=-1)[:, 0] for x in (chosen, rejected)]
        tokens.append((float((margins[0] > 0).float().mean()) + float((margins[1] < 0).float().mean())) / 2)
        answers.append(float(margins[0].mean() > margins[1].mean()))
    n = len(tokens)
    mean = math.fsum(tokens) / n
    error = math.sqrt(math.fsum((one - mean) ** 2 for one in tokens) / max(n - 1, 1) / n)
    return {
        "token_accuracy": mean,
        "response_accuracy": math.fsum(answers) / n,
        "no_signal": mean <= 0.5 + 2 * error,
    }
