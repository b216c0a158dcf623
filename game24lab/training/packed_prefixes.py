"""Packs texts with their prefixes: one forward pass of the longest text gives a causal model's values of all of them.

A critic is trained on every line end of a chain (TS-LLM, Wan et al. 2024, arXiv 2309.17179); as texts of their own,
prefixes would be forwarded again for every line. This module does not know what a text says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

_NOWHERE = -1  # padding of `spots`


@dataclass(frozen=True)
class Packed:
    """A text that is forwarded, and those of the texts that are prefixes of it, itself included."""

    ids: tuple[int, ...]
    spots: tuple[int, ...]  # the position of the last token of each of them
    rows: tuple[int, ...]  # which of the texts each is


def pack_prefixes(encoded: Sequence[Sequence[int]]) -> list[Packed]:
    """Every text once; only texts that are no prefix of another are forwarded.

    A prefix of several texts belongs to one of them. The order is that of the longest texts' first rows. ValueError for
    an empty text.
    """
    if not all(len(ids) for ids in encoded):
        place = next(place for place, ids in enumerate(encoded) if not len(ids))
        raise ValueError(f"texts must hold at least one token each, got none in text {place}")
    held: dict[int, list[int]] = {}
    carrier = -1
    # backwards in the order of a dictionary, a text stands right behind the last of those that begin with it
    for row in sorted(range(len(encoded)), key=lambda row: tuple(encoded[row]), reverse=True):
        ids = tuple(encoded[row])
        if carrier < 0 or tuple(encoded[carrier][: len(ids)]) != ids:
            carrier = row
        held.setdefault(carrier, []).append(row)
    found = []
    for carrier in sorted(held):
        rows = sorted(held[carrier], key=lambda row: (len(encoded[row]), row))
        found.append(Packed(tuple(encoded[carrier]), tuple(len(encoded[row]) - 1 for row in rows), tuple(rows)))
    return found


@dataclass(frozen=True)
class PackedCollator:
    """Samples with `input_ids`, `spots` and `rows` as a batch: padded on the right, `spots` and `rows` by -1.

    The mask is all ones, as in `sft.RightPad` and for its reasons.
    """

    padding: int  # token id

    def __call__(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask` of shape (batch, tokens), `spots` and `rows` of shape (batch, spots)."""
        ids = [torch.tensor(sample["input_ids"]) for sample in samples]
        pad = torch.nn.utils.rnn.pad_sequence
        batch = {"input_ids": pad(ids, batch_first=True, padding_value=self.padding)}
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        for name in ("spots", "rows"):
            batch[name] = pad([torch.tensor(sample[name]) for sample in samples], batch_first=True,
                              padding_value=_NOWHERE)  # fmt: skip
        return batch


def measure_loss(
    model: Any, head: torch.nn.Module, batch: Mapping[str, torch.Tensor], targets: torch.Tensor
) -> torch.Tensor:
    """Mean binary cross-entropy between P at every spot of a batch and the targets in [0, 1] of its rows.

    model: a sequence classifier, called whole so that several processes share gradients; head: its value head.
    """
    outputs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
    wanted = batch["spots"] != _NOWHERE
    which, _ = wanted.nonzero(as_tuple=True)
    hidden = outputs.hidden_states[-1][which, batch["spots"][wanted]]
    logits = head(hidden).float().squeeze(-1)
    return binary_cross_entropy_with_logits(logits, targets.to(logits)[batch["rows"][wanted]])
