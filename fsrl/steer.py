"""Steering the residual stream of a Hugging Face model: x' = x + v W_dec, as a forward hook on one block."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.hooks import RemovableHandle

from fsrl import active
from fsrl.adapter import L0_FLOOR, Activation, Adapter, largest
from fsrl.lean import LeanRelu
from fsrl.sae import Sae, gated_relu
from harness.core.errors import ProfileError
from harness.models.residual import added, blocks_to, hook_residual

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SteeringPath = Literal["lean", "full"]
NAME = "fsrl"
"""Name of the submodule under which a steered model holds its `Steering`."""


class Readings(NamedTuple):
    """What the last forward pass steered with, at each position.

    Attributes:
        l1_BxT: sum over features of abs(v), float32, differentiable.
        l0_BxT: features with abs(v) > 1e-6, float32.
        cost_BxT: what the penalty averages, differentiable: L1, or a JumpReLU's L0 (straight-through).
    """

    l1_BxT: Tensor
    l0_BxT: Tensor
    cost_BxT: Tensor


class Chunk(NamedTuple):
    """The parameters of C features, from `start` on; those of the encoder only on the full path."""

    start: int
    weight_CxD: Tensor
    bias_C: Tensor
    threshold_C: Tensor | None
    masked_C: Tensor
    W_dec_CxD: Tensor
    W_enc_DxC: Tensor | None
    b_enc_C: Tensor | None
    gate_C: Tensor | None


def lean_is_exact(activation: Activation, fusion_relu: bool) -> bool:
    """Whether x + v W_dec has the values and the gradients of equation 6.

    The fusion ReLU can change f + v where v is signed. Where v and f are 0 it also stops a gradient: a ReLU
    adapter has none there, a JumpReLU's straight-through threshold has.
    """
    return not fusion_relu or activation == "relu"


class Steering(nn.Module):
    """Equations 5 and 6: f' = f + v, x' = Dec(f') + (x - Dec(f)), which for a linear decoder is x + v W_dec.

    The lean path computes just that and never runs the SAE's encoder; without gradients it reads only the
    rows of W_dec that steer, where they are few (`fsrl.active`). The full path computes
    x + (f' - f) W_dec with f' = ReLU(f + v), or f + v without the fusion ReLU; it is taken where the
    fusion ReLU matters (`lean_is_exact`) or when asked for. Features go through in chunks that are computed
    again in the backward pass: memory does not grow with the dictionary.

    Args:
        adapter: the trainable part; v is computed in its dtype.
        sae: the frozen dictionary, cast to the adapter's dtype.
        fusion_relu: whether f + v goes through a ReLU.
        chunk_features: features a chunk; 0 takes all at once and keeps every activation for backward.
        path: force a path; None chooses.

    Attributes:
        path: the path that is taken.
        readings: of the last forward pass; None before the first.
        residual_dtype: of the residual stream, in which v W_dec is added; the adapter's until attached.
    """

    def __init__(
        self,
        adapter: Adapter,
        sae: Sae,
        *,
        fusion_relu: bool = False,
        chunk_features: int = 0,
        path: SteeringPath | None = None,
    ) -> None:
        super().__init__()
        exact = lean_is_exact(adapter.activation, fusion_relu)
        if path == "lean" and not exact:
            raise ValueError(f"with the fusion ReLU and {adapter.activation} the lean path is not exact")
        self.adapter, self.sae = adapter, sae.to(adapter.weight.dtype)
        self.fusion_relu, self.chunk_features = fusion_relu, chunk_features
        self.path: SteeringPath = path or ("lean" if exact else "full")
        self.readings: Readings | None = None
        self.residual_dtype = adapter.weight.dtype
        self._handle: RemovableHandle | None = None

    def attach(self, model: PreTrainedModel, layer: int) -> None:
        """Steer the residual stream after block `layer`.

        Raises:
            ProfileError: the model has no such block, is steered already, or the SAE does not fit it.
        """
        block = blocks_to(model, layer)[-1]
        if hasattr(model, NAME):
            raise ProfileError(
                "the model is steered already", value=type(model).__name__, remedy="load a fresh base model"
            )
        self.sae.check_fits(hidden_size=model.config.hidden_size, layer=layer)
        device = next(block.parameters()).device
        self.residual_dtype = model.dtype
        model.add_module(NAME, self.to(device))
        self._handle = hook_residual(model, layer, self)

    def remove(self, model: PreTrainedModel) -> None:
        """Take the hook and the submodule off again; the model is then the base model, bit for bit."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
            delattr(model, NAME)

    def forward(self, x: Tensor) -> Tensor:
        """Steer: (batch, position, d_in) -> the same shape and dtype. Where v is 0 the result is x."""
        x_NxD = x.reshape(-1, x.shape[-1])
        a_NxD = self.sae.encoder_input(x_NxD.to(self.adapter.weight.dtype))
        if self.written_by_hand:
            adapter, size = self.adapter, self.chunk_features or self.adapter.d_sae
            arguments = (a_NxD, adapter.weight, adapter.bias, adapter.masked, self.sae.W_dec, size)
            apply = LeanRelu.apply if torch.is_grad_enabled() else active.steer
            delta_NxD, l1_N, l0_N = apply(*arguments)
            return self._add(x, delta_NxD, [l1_N, l0_N, l1_N])
        chunks = self._chunks()
        top_NxK = self._select(a_NxD, chunks)
        recompute = len(chunks) > 1 and torch.is_grad_enabled()
        delta_NxD = torch.zeros(a_NxD.shape, dtype=torch.float32, device=x.device)
        sums = [torch.zeros(len(a_NxD), dtype=torch.float32, device=x.device) for _ in range(3)]
        for chunk in chunks:
            parts = (
                checkpoint(
                    self._steer_chunk, a_NxD, top_NxK, chunk, use_reentrant=False, preserve_rng_state=False
                )
                if recompute
                else self._steer_chunk(a_NxD, top_NxK, chunk)
            )
            delta_NxD = delta_NxD + parts[0]
            sums = [total + part for total, part in zip(sums, parts[1:], strict=True)]
        return self._add(x, delta_NxD, sums)

    @property
    def written_by_hand(self) -> bool:
        """Whether `LeanRelu` does the work: equation 5 on the lean path, all features kept."""
        adapter = self.adapter
        return self.path == "lean" and adapter.activation == "relu" and adapter.kept == adapter.d_sae

    def _add(self, x: Tensor, delta_NxD: Tensor, sums: list[Tensor]) -> Tensor:
        self.readings = Readings(*(total.reshape(x.shape[:-1]) for total in sums))
        return added(x, delta_NxD)

    def plain(self, x: Tensor) -> Tensor:
        """Equations 5 and 6 as printed, all features at once, with the whole SAE: `forward`'s oracle."""
        dtype = self.adapter.weight.dtype
        f = self.sae.encode(x.to(dtype))
        fused = f + self.adapter(self.sae.encoder_input(x.to(dtype)))
        fused = torch.relu(fused) if self.fusion_relu else fused
        return (self.sae.decode(fused) + (x - self.sae.decode(f))).to(x.dtype)

    def _chunks(self) -> list[Chunk]:
        size = self.chunk_features or self.adapter.d_sae
        adapter, sae, full = self.adapter, self.sae, self.path == "full"
        columns: Iterable[tuple[Any, ...]] = zip(
            range(0, adapter.d_sae, size),
            _split(adapter.weight, size),
            _split(adapter.bias, size),
            _split(adapter.threshold, size),
            _split(adapter.masked, size),
            _split(sae.W_dec, size),
            _split(sae.W_enc if full else None, size, dim=1),
            _split(sae.b_enc if full else None, size),
            _split(sae.threshold if full else None, size),
            strict=False,
        )
        return [Chunk(*column) for column in columns]

    def _steer_chunk(self, a_NxD: Tensor, top_NxK: Tensor | None, chunk: Chunk) -> tuple[Tensor, ...]:
        """The chunk's part of (f' - f) W_dec, (N, d_in) float32, and of L1, L0 and the cost, each (N,)."""
        v_NxC, step_NxC = self._values(a_NxD, chunk)
        dropped_NxC = chunk.masked_C
        if top_NxK is not None:
            dropped_NxC = dropped_NxC | ~_inside(top_NxK, chunk.start, v_NxC.shape[-1])
        v_NxC = v_NxC.masked_fill(dropped_NxC, 0)
        change_NxC = v_NxC if self.path == "lean" else self._fused_change(a_NxD, v_NxC, chunk)
        delta_NxD = (change_NxC @ chunk.W_dec_CxD).float()
        l1_N = v_NxC.abs().sum(-1, dtype=torch.float32)
        l0_N = (v_NxC.detach().abs() > L0_FLOOR).sum(-1, dtype=torch.float32)
        cost_N = l1_N if step_NxC is None else step_NxC.masked_fill(dropped_NxC, 0).sum(-1)
        return delta_NxD, l1_N, l0_N, cost_N

    def _values(self, a_NxD: Tensor, chunk: Chunk) -> tuple[Tensor, Tensor | None]:
        z_NxC = self.adapter.pre_activations(a_NxD, chunk.weight_CxD, chunk.bias_C)
        return self.adapter.activate(z_NxC, chunk.threshold_C)

    def units_on(self, x_NxD: Tensor) -> tuple[int, int, int]:
        """Entries of v: those not 0, those in a JumpReLU's bandwidth, and those that may steer; no top-k."""
        a_NxD = self.sae.encoder_input(x_NxD.to(self.adapter.weight.dtype))
        on = near = 0
        for chunk in self._chunks():
            open_C = ~chunk.masked_C
            z_NxC = self.adapter.pre_activations(a_NxD, chunk.weight_CxD, chunk.bias_C)
            v_NxC = self.adapter.activate(z_NxC, chunk.threshold_C)[0]
            on += int(torch.count_nonzero(v_NxC[:, open_C]))
            if self.adapter.activation == "jump_relu" and chunk.threshold_C is not None:
                gap_NxC = (torch.relu(z_NxC).float() - chunk.threshold_C.exp()).abs()
                near += int((gap_NxC < self.adapter.bandwidth / 2)[:, open_C].sum())
        return on, near, len(x_NxD) * int((~self.adapter.masked).sum())

    def _fused_change(self, a_NxD: Tensor, v_NxC: Tensor, chunk: Chunk) -> Tensor:
        """f' - f: exactly 0 where v is 0, since f is not negative."""
        if chunk.W_enc_DxC is None or chunk.b_enc_C is None or chunk.gate_C is None:
            raise ValueError("the full path needs the SAE's encoder, which was not loaded")
        f_NxC = gated_relu(a_NxD @ chunk.W_enc_DxC + chunk.b_enc_C, chunk.gate_C)
        fused_NxC = f_NxC + v_NxC
        return (torch.relu(fused_NxC) if self.fusion_relu else fused_NxC) - f_NxC

    @torch.no_grad()
    def _select(self, a_NxD: Tensor, chunks: list[Chunk]) -> Tensor | None:
        """Ids of the features kept at each position, (N, k), by a running top-k over chunks; None: all.

        Masked features count as 0. Of equal values the lower ids are kept, whatever the chunks.
        """
        k = self.adapter.kept
        if k == self.adapter.d_sae:
            return None
        best_NxK = torch.empty(len(a_NxD), 0, dtype=a_NxD.dtype, device=a_NxD.device)
        ids_NxK = torch.empty(len(a_NxD), 0, dtype=torch.int64, device=a_NxD.device)
        for chunk in chunks:
            v_NxC = self._values(a_NxD, chunk)[0].masked_fill(chunk.masked_C, 0).abs()
            new_C = torch.arange(chunk.start, chunk.start + v_NxC.shape[-1], device=a_NxD.device)
            best_NxK = torch.cat([best_NxK, v_NxC], dim=-1)
            ids_NxK = torch.cat([ids_NxK, new_C.expand(len(a_NxD), -1)], dim=-1)
            kept_NxK = largest(best_NxK, min(k, best_NxK.shape[-1]))
            best_NxK, ids_NxK = (part[kept_NxK].view(len(a_NxD), -1) for part in (best_NxK, ids_NxK))
        return ids_NxK


def _inside(ids_NxK: Tensor, start: int, size: int) -> Tensor:
    """Which of the features start ... start + size - 1 are among the ids: (N, size) bool."""
    local_NxK = ids_NxK - start
    local_NxK = local_NxK.masked_fill((local_NxK < 0) | (local_NxK >= size), size)
    kept = torch.zeros(len(ids_NxK), size + 1, dtype=torch.bool, device=ids_NxK.device)
    return kept.scatter_(-1, local_NxK, True)[:, :size]


def _split(tensor: Tensor | None, size: int, dim: int = 0) -> Iterable[Tensor | None]:
    """Parts of a tensor along a dimension; None over and over for None."""
    return repeat(None) if tensor is None else torch.split(tensor, size, dim=dim)
