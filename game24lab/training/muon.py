"""Muon for the matrices inside a transformer, AdamW for everything else, behind one optimiser.

Muon (Jordan et al. 2024, `torch.optim.Muon`) takes two-dimensional weights only; embeddings, the output layer and norms
go to AdamW, as its authors advise. It does not know of schedules or trainers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


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
            torch.optim.Muon(matrices, lr=matrix_lr, weight_decay=weight_decay, momentum=0.95),
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
        """Restore both parts."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
