"""Adapters (LoRA): small matrices beside frozen ones, for trainers that start from a checkpoint.

Whoever trains them merges them into the model at the end (`training.session`); on the way a merged copy can be kept,
and gone back to. It does not know who trains, or on what.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel


def adapt(model: PreTrainedModel, rank: int, task: str = "CAUSAL_LM") -> PeftModel:
    """The model with fresh adapters (LoRA, alpha twice the rank) on all its linear layers but the output layer.

    `task` is one of peft's: "CAUSAL_LM", or "SEQ_CLS", whose value head is trained whole.
    """
    adapters = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type=task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that has been replaced
        return get_peft_model(model, adapters)


def find_plain(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model that adapters were put into, which computes with them; a model without any is itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def merge_copy(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """A model without adapters that computes the same: a copy where there are some, else the model itself."""
    return copy.deepcopy(model).merge_and_unload() if isinstance(model, PeftModel) else model


@torch.no_grad()
def go_back(model: PreTrainedModel | PeftModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a model the weights of a merged copy of it; adapters then add nothing to them."""
    if not isinstance(model, PeftModel):
        model.load_state_dict(weights)
        return
    for name, parameter in model.get_base_model().named_parameters():
        if "lora_B" in name:
            parameter.zero_()
        elif "lora_" not in name:
            parameter.copy_(weights[name.replace(".base_layer", "")])
