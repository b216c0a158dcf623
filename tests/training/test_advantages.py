"""Advantages: by hand, against TRL's formula, over many calls as over one, through a checkpoint."""

import json
import math

import pytest
import torch

from game24lab.training.advantages import Baseline, measure_groups, normalise_groups, normalise_with_momentum

NAN = math.nan


def close(found, wanted):
    return torch.allclose(found, torch.tensor(wanted, dtype=found.dtype), atol=1e-6, rtol=1e-6)


def test_a_group_by_hand():
    # mean 0.5, squares 0.25 + 0.25, over n - 1 = 1: deviation 0.7071068
    assert close(normalise_groups(torch.tensor([1.0, 0.0]), 2), [0.5 / 0.7072068, -0.5 / 0.7072068])
    # equal rewards teach nothing
    assert normalise_groups(torch.tensor([0.3] * 4), 4).abs().max() == 0


def test_plain_groups_are_torchs_own_statistics():
    rewards = torch.rand(24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = rewards.view(3, 8)
    wanted = (rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + 1e-4)
    assert torch.allclose(normalise_groups(rewards, 8).view(3, 8), wanted, atol=1e-12)


# Four groups of two, max_momentum 0.2. Deviation of (a, b) is |a - b| / sqrt(2).
#   group     mean(r)  dev(r)    m     mean                            spread
#   1 0       0.5      0.707107  -     0.5                             0.707107
#   1 1       1.0      0         0.1   0.1 * 0.5 + 0.9 * 1 = 0.95      0.1 * 0.707107 = 0.0707107
#   0 0       0.0      0         0.2   0.2 * 0.95 = 0.19               0.2 * 0.0707107 = 0.01414214
#   0 0.5     0.25     0.353553  0.2   0.2 * 0.19 + 0.8 * 0.25 = 0.238 0.2 * 0.01414214 + 0.8 * 0.353553 = 0.28567114
HAND = [
    ((1.0, 0.0), (0.5 / 0.7072068, -0.5 / 0.7072068)),
    ((1.0, 1.0), (0.05 / 0.0708107, 0.05 / 0.0708107)),
    ((0.0, 0.0), (-0.19 / 0.01424214, -0.19 / 0.01424214)),
    ((0.0, 0.5), (-0.238 / 0.28577114, 0.262 / 0.28577114)),
]


def test_momentum_by_hand():
    rewards = torch.tensor([reward for group, _ in HAND for reward in group], dtype=torch.float64)
    found, baseline = normalise_with_momentum(rewards, 2, Baseline(), 0.2)
    assert close(found, [advantage for _, group in HAND for advantage in group])
    assert baseline == Baseline(pytest.approx(0.238), pytest.approx(0.28567114, abs=1e-8), 0.2, 4)


def test_calls_add_up_through_a_checkpoint():
    rewards = torch.rand(40, generator=torch.Generator().manual_seed(1))
    at_once, last = normalise_with_momentum(rewards, 4, Baseline(), 0.99)
    parts, baseline = [], Baseline()
    for begin in range(0, 40, 8):
        part, baseline = normalise_with_momentum(rewards[begin : begin + 8], 4, baseline, 0.99)
        parts.append(part)
        baseline = Baseline.from_dict(json.loads(json.dumps(baseline.to_dict())))
    assert torch.equal(torch.cat(parts), at_once)
    assert baseline == last
    assert last.momentum == pytest.approx(0.99)  # ten groups reach it
    assert last.groups == 10


def test_no_momentum_is_plain_grpo():
    rewards = torch.rand(32, generator=torch.Generator().manual_seed(2))
    found, baseline = normalise_with_momentum(rewards, 8, Baseline(), 0.0)
    assert torch.equal(found, normalise_groups(rewards, 8))
    again, _ = normalise_with_momentum(rewards, 8, baseline, 0)
    assert torch.equal(again, found)
    assert found.dtype == rewards.dtype


def test_the_leak_is_real():
    """An answer's worth depends on the prompt before: plain GRPO gives equal groups equal advantages, this does not."""
    easy, hard = [1.0, 0.9], [0.1, 0.0]
    after_easy, _ = normalise_with_momentum(torch.tensor(easy + hard), 2, Baseline(), 0.2)
    first, _ = normalise_with_momentum(torch.tensor(hard + easy), 2, Baseline(), 0.2)
    assert after_easy[2] < first[0]
    plain = normalise_groups(torch.tensor(easy + hard), 2)
    assert torch.allclose(plain[:2], plain[2:])


def test_what_cannot_be_scored_counts_nowhere():
    rewards = torch.tensor([1.0, NAN, 0.0, NAN, NAN, NAN])
    assert close(normalise_groups(rewards, 3)[:3], [0.5 / 0.7072068, 0.0, -0.5 / 0.7072068])
    found, baseline = normalise_with_momentum(rewards, 3, Baseline(), 0.2)
    assert found[3:].tolist() == [0, 0, 0]
    assert baseline.groups == 1
    nothing, still = normalise_with_momentum(torch.tensor([NAN, NAN]), 2, Baseline(), 0.2)
    assert nothing.tolist() == [0, 0]
    assert still == Baseline()
    means, spreads = measure_groups(torch.tensor([[0.5, NAN]]))
    assert (means.item(), spreads.item()) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("rewards", "size", "momentum", "named"),
    [
        ([1.0, 0.0], 1, 0.2, "group size must be an integer >= 2, got 1"),
        ([1.0, 0.0], True, 0.2, "group size must be .*, got True"),
        ([1.0, 0.0, 0.5], 2, 0.2, "shape"),
        ([1.0, math.inf], 2, 0.2, "rewards must be finite, got infinity at 1"),
        ([1.0, 0.0], 2, 1.0, r"max_momentum must be .*, got 1\.0"),
        ([1.0, 0.0], 2, -0.1, r"max_momentum must be .*, got -0\.1"),
        ([1.0, 0.0], 2, NAN, "max_momentum must be .*, got nan"),
        ([1.0, 0.0], 2, "0.2", r"max_momentum must be .*, got '0\.2'"),
    ],
)
def test_bad_input_is_named(rewards, size, momentum, named):
    with pytest.raises(ValueError, match=named) as error:
        normalise_with_momentum(torch.tensor(rewards), size, Baseline(), momentum)
    assert "must be" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"mean": 0.0, "spread": 1.0, "momentum": 0.1},
        {"mean": 0.0, "spread": 1.0, "momentum": 0.1, "groups": "1"},
        {"mean": NAN, "spread": 1.0, "momentum": 0.1, "groups": 1},
        {"mean": 0.0, "spread": 1.0, "momentum": None, "groups": 1},
    ],
)
def test_a_damaged_baseline_is_refused(values):
    with pytest.raises(ValueError, match="baseline"):
        Baseline.from_dict(values)
