"""Linear weights in the layout in which oneDNN multiplies a few rows by them, for the steps of larger models on a CPU.

MKL lays a weight out anew in every product, which for few rows costs about as much as the product. It does not know of
decoders, nor when weights change: who holds packed weights asks for new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_WIDTH = 384  # of a model from which a step takes longer than oneDNN takes to make a kernel for a new number of rows
_STEPS = 16  # from which packing, a few steps' time, is earned back
_ROWS = 32  # for which the layout is chosen; it serves other numbers of rows as well
Packed = Mapping[torch.nn.Module, torch.Tensor]


def pays(model: PreTrainedModel, steps: int) -> bool:
    """Whether so many steps of a model are faster with packed weights: of float32 on a CPU, with oneDNN in torch."""
    here = model.device.type == "cpu" and model.dtype == torch.float32 and model.config.hidden_size >= _WIDTH
    return here and steps >= _STEPS and torch.backends.mkldnn.is_available() and (
        hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )  # fmt: skip


@torch.inference_mode()
def pack(linears: Iterable[torch.nn.Linear]) -> Packed:
    """Copies of weights, each of the size of its own, by layer."""
    return {linear: torch.ops.mkldnn._reorder_linear_weight(linear.weight, _ROWS) for linear in linears}


def multiply(x: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x of shape (rows, in) to (rows, out), as `torch.nn.functional.linear` does."""
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
