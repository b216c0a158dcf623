"""Muon for the matrices inside a transformer, AdamW for everything else, behind one optimiser.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; `torch.optim.Muon`) takes two-dimensional weights
only; embeddings, the output layer and norms go to AdamW, as its authors advise. It does not know of schedules or
trainers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from game24lab.training.precision import computes_bf16

_MOST = 2**24  # numbers that are iterated over at once, which bounds the memory for large models


class MuonAdamW(torch.optim.Optimizer):
    """Both optimisers as one: their parameter groups side by side, so that one schedule scales both learning rates."""

    def __init__(self, model: nn.Module, *, lr: float, matrix_lr: float, weight_decay: float) -> None:
        head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
        outside = {id(p) for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
        outside |= {id(p) for p in head.parameters()} if head is not None else set()
        trained = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim == 2 and id(p) not in outside]
        others = [p for p in trained if p.ndim != 2 or id(p) in outside]
        self._parts = [
            BatchedMuon(matrices, lr=matrix_lr, weight_decay=weight_decay, momentum=0.95),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        ]
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Hold the very same group dictionaries as the parts: a schedule that writes one writes both."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step of both parts. Closures are not supported."""
        if closure is not None:
            raise ValueError("closure: MuonAdamW takes none")
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both parts."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both parts. ValueError for the state of another optimiser, or of another model's."""
        try:
            for part, state in zip(self._parts, state_dict["parts"], strict=True):
                part.load_state_dict(state)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"optimiser state must be of Muon and AdamW for these weights, got another one's: "
                             f"{type(error).__name__}: {error}") from error  # fmt: skip
        self._share_groups()


def make_optimizer(
    model: nn.Module, lr: float, *, weight_decay: float, matrix_lr: float | None = None
) -> torch.optim.Optimizer:
    """Muon and AdamW, or AdamW for all that is trained where there is no learning rate of matrices."""
    if matrix_lr is not None:
        return MuonAdamW(model, lr=lr, matrix_lr=matrix_lr, weight_decay=weight_decay)
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)


class BatchedMuon(torch.optim.Muon):
    """`torch.optim.Muon` with all matrices of one shape orthogonalised at once, in a format that the machine computes.

    Torch iterates matrix by matrix in bfloat16, which a CPU without bf16 units emulates: half of a training step there.
    State, groups and arithmetic are torch's, and so states are interchangeable.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step. Closures are not supported."""
        if closure is not None:
            raise ValueError("closure: BatchedMuon takes none")
        for group in self.param_groups:
            params: list[torch.Tensor] = []
            grads: list[torch.Tensor] = []
            buffers: list[torch.Tensor] = []
            self._init_group(group, params, grads, buffers)
            if not params:
                continue
            torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
            updates = torch._foreach_lerp(grads, buffers, group["momentum"]) if group["nesterov"] else buffers
            dtype = torch.bfloat16 if computes_bf16() else torch.float32
            updates = orthogonalise(updates, dtype, group["ns_coefficients"], group["ns_steps"], group["eps"])
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            for param, update in zip(params, updates, strict=True):
                param.add_(update, alpha=-group["lr"] * math.sqrt(max(1, param.shape[0] / param.shape[1])))


def orthogonalise(
    matrices: Sequence[torch.Tensor], dtype: torch.dtype, coefficients: tuple[float, float, float], steps: int,
    eps: float,
) -> list[torch.Tensor]:  # fmt: skip
    """The nearest matrices with singular values near 1, by the quintic Newton-Schulz iteration of Jordan et al.

    Matrices of any shapes come back in their order, computed in `dtype`. Those of one shape, or of one shape when lying
    on their longer side, are iterated over together.
    """
    a, b, c = coefficients
    places: dict[tuple[int, ...], list[int]] = {}
    for place, matrix in enumerate(matrices):
        places.setdefault((min(matrix.shape), max(matrix.shape)), []).append(place)
    found: list[Any] = [None] * len(matrices)
    for shape, alike in places.items():
        count = max(1, _MOST // math.prod(shape))
        for begin in range(0, len(alike), count):
            part = alike[begin : begin + count]
            lying = [matrices[i].mT if matrices[i].shape[0] > matrices[i].shape[1] else matrices[i] for i in part]
            x = torch.stack(lying).to(dtype)
            x /= torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=eps)  # no singular value is above 1
            for _ in range(steps):
                gram = torch.bmm(x, x.mT)
                x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
            for place, result in zip(part, x.unbind(), strict=True):
                found[place] = result.mT if matrices[place].shape[0] > matrices[place].shape[1] else result
    return found
