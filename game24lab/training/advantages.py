"""Advantages from rewards of groups: GRPO's own normalisation, and the published one with momentum.

A group holds the completions of one prompt, side by side. NaN rewards are left out and get advantage 0, as in TRL.
Everything is computed in float64, so that processes that gathered the same rewards get the same bits. It does not know
of rewards by name, models or trainers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

EPSILON = 1e-4  # added to the spread before dividing: TRL's and the publication's
GROWTH = 0.1  # of the momentum, for each group


@dataclass(frozen=True)
class Baseline:
    """The state of `normalise_with_momentum` between groups; a new one for a new run.

    A checkpoint keeps `to_dict()`, plain numbers for JSON, from which `from_dict` makes an equal one.
    """

    mean: float | None = None  # running mean of the rewards, None before the first group
    spread: float | None = None  # running standard deviation
    momentum: float = 0.0  # the share of the past in the next group's baseline
    groups: int = 0  # how many were seen

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Baseline:
        """The baseline that a checkpoint holds; ValueError where a field is missing, unknown or no number."""
        names = [field.name for field in fields(cls)]
        if set(values) != set(names):
            raise ValueError(f"baseline must have the fields {', '.join(names)}, got {', '.join(map(str, values))}")
        for name, value in values.items():
            empty = value is None and name in ("mean", "spread")
            if not empty and (type(value) not in (int, float) or not math.isfinite(value)):
                raise ValueError(f"baseline's {name} must be a finite number, got {value!r}")
        return cls(**values)


def split_groups(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """Rewards (completions,) as float64 (groups, size).

    ValueError for a group of one, a length that the size does not divide, or an infinite reward.
    """
    if type(size) is not int or size < 2:
        raise ValueError(f"group size must be an integer >= 2, got {size!r}")
    if rewards.ndim != 1 or len(rewards) % size:
        raise ValueError(f"rewards must be whole groups of {size} in one dimension, got shape {tuple(rewards.shape)}")
    if torch.isinf(rewards).any():
        raise ValueError(f"rewards must be finite, got infinity at {int(torch.isinf(rewards).nonzero()[0])}")
    return rewards.detach().to(torch.float64).view(-1, size)


def measure_groups(groups: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (of a sample, dividing by n - 1) of each row of (groups, size), NaN passed over.

    The mean of a row without numbers is NaN; the deviation of a row with fewer than two is 0.
    """
    means = torch.nanmean(groups, dim=1)
    counts = (~torch.isnan(groups)).sum(dim=1)
    squares = torch.nansum((groups - means[:, None]) ** 2, dim=1)
    return means, torch.sqrt(squares / (counts - 1).clamp(min=1))


def normalise_groups(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """GRPO's advantages, (completions,): A = (r - mean) / (deviation + 1e-4), both of the reward's own group.

    DeepSeekMath (arXiv 2402.03300), equation 3; TRL's `scale_rewards="group"`. ValueError as in `split_groups`.
    """
    groups = split_groups(rewards, size)
    means, spreads = measure_groups(groups)
    return _scale(groups, means, spreads).to(rewards.dtype)


def normalise_with_momentum(
    rewards: torch.Tensor, size: int, baseline: Baseline, max_momentum: float
) -> tuple[torch.Tensor, Baseline]:
    """Advantages (completions,) by *dynamic reward normalisation with momentum*, and the baseline to go on with.

    LiaoMengqi/LLM4Game24 (grpo/grpo.py). For one group after the other, m the momentum:

        mean <- m mean + (1 - m) mean(r)
        spread <- m spread + (1 - m) deviation(r)
        A = (r - mean) / (spread + 1e-4)

    The first group sets mean and spread; m begins at 0 and grows by 0.1 a group up to `max_momentum` (published run:
    0.2; the code's default: 0.99). 0 is plain GRPO: `normalise_groups`.

    **It leaks baselines between prompts.** Advantages depend on the prompts before and on their order: after an easy
    prompt all answers to a hard one get negative advantages, right ones too; in a group of equal rewards, whose GRPO
    advantages are 0, all have the same sign, and after many such groups they are large, as the spread is near 0. It is
    here as an ablation; TRL's `scale_rewards="batch"` is the principled neighbour.

    A group without numbers (all NaN) leaves the baseline as it is. ValueError as in `split_groups`, and for a
    `max_momentum` outside 0 <= m < 1.
    """
    valid = isinstance(max_momentum, int | float) and not isinstance(max_momentum, bool)
    if not valid or not 0 <= max_momentum < 1:
        raise ValueError(f"max_momentum must be a number from 0 (plain GRPO) to below 1, got {max_momentum!r}")
    groups = split_groups(rewards, size)
    means, spreads = measure_groups(groups)
    running_means, running_spreads = [], []
    mean, spread, momentum, seen = baseline.mean, baseline.spread, baseline.momentum, baseline.groups
    for now_mean, now_spread in zip(means.tolist(), spreads.tolist(), strict=True):
        if not math.isnan(now_mean):
            share = min(momentum, max_momentum)  # a resumed run may have been given a lower limit
            mean = now_mean if mean is None else share * mean + (1 - share) * now_mean
            spread = now_spread if spread is None else share * spread + (1 - share) * now_spread
            momentum, seen = min(max_momentum, momentum + GROWTH), seen + 1
        running_means.append(math.nan if mean is None else mean)
        running_spreads.append(0.0 if spread is None else spread)
    advantages = _scale(groups, groups.new_tensor(running_means), groups.new_tensor(running_spreads))
    return advantages.to(rewards.dtype), Baseline(mean, spread, momentum, seen)


def _scale(groups: torch.Tensor, means: torch.Tensor, spreads: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num((groups - means[:, None]) / (spreads[:, None] + EPSILON), nan=0.0).flatten()
