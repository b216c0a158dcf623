"""Adapters (LoRA): small matrices beside frozen ones, for trainers that start from a checkpoint.

Whoever trains them merges them into the model at the end (`training.session`). It does not know who trains, or on
what.
"""

from __future__ import annotations

import warnings

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
