"""Which way to go on in a tree: the formulas of PUCT, UCT and Gumbel as functions of numbers.

Values lie in [-1, 1], counts are those of simulations, `visits` those of the position one stands at, and priors are
probabilities over its children. This module does not know what a position, a child or a search is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

_LEAST = 1e-300  # what stands for 0 where a logarithm or a quotient is taken


def measure_exploration(visits: int, pb_c_init: float, pb_c_base: float) -> float:
    """The factor of a prior in PUCT, c sqrt(N) with c = ln((N + pb_c_base + 1) / pb_c_base) + pb_c_init.

    AlphaZero (Silver et al. 2018), as TS-LLM (Wan et al. 2024, arXiv 2309.17179) has it. A child's score is
    Q + P c sqrt(N) / (n + 1), with n the visits of the child.
    """
    return (math.log((visits + pb_c_base + 1) / pb_c_base) + pb_c_init) * math.sqrt(visits)


def score_uct(q: float, visits: int, followed: int, w_exp: float) -> float:
    """UCT (Kocsis and Szepesvári 2006) as RAP has it: Q + w_exp sqrt(ln N / max(1, n)); no bonus before N = 1."""
    return q + w_exp * math.sqrt(math.log(max(1, visits)) / max(1, followed))


def lose(q: float, visits: int, pending: int, virtual_loss: float) -> float:
    """A child's value while `pending` simulations are on their way through it, each taken to bring -`virtual_loss`.

    Virtual loss (Chaslot et al. 2008, Parallel Monte-Carlo Tree Search). A child without visits is taken to have one,
    of its own value.
    """
    known = max(1, visits)
    return (known * q - pending * virtual_loss) / (known + pending) if pending else q


def draw_dirichlet(rng: random.Random, alpha: float, count: int) -> list[float]:
    """`count` probabilities from a symmetric Dirichlet distribution; one of them takes all where alpha is tiny."""
    draws = [rng.gammavariate(alpha, 1.0) for _ in range(count)]
    whole = sum(draws)
    if whole <= 0:  # all of them underflowed
        lucky = rng.randrange(count)
        return [float(place == lucky) for place in range(count)]
    return [draw / whole for draw in draws]


def draw_gumbels(rng: random.Random, count: int) -> list[float]:
    """`count` numbers from the standard Gumbel distribution."""
    return [-math.log(-math.log(max(rng.random(), _LEAST))) for _ in range(count)]


def to_logit(probability: float) -> float:
    """The natural log, finite at 0."""
    return math.log(max(probability, _LEAST))


def soften(logits: Sequence[float]) -> list[float]:
    """Softmax: probabilities in proportion to exp(logit)."""
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def mix_value(value: float, qs: Sequence[float], followed: Sequence[int], priors: Sequence[float]) -> float:
    """What an unvisited child is taken to be worth: the position's own value mixed with its visited children's.

    (v + S sum(P q) / sum(P)) / (1 + S), sums over the visited children, S their visits: Danihelka et al. 2022 (Policy
    improvement by planning with Gumbel), appendix D. Without visits it is v.
    """
    visited = [(q, max(prior, _LEAST)) for q, count, prior in zip(qs, followed, priors, strict=True) if count]
    if not visited:
        return value
    total = sum(followed)
    mean = sum(prior * q for q, prior in visited) / sum(prior for _, prior in visited)
    return (value + total * mean) / (1 + total)


def complete_values(value: float, qs: Sequence[float], followed: Sequence[int], priors: Sequence[float]) -> list[float]:
    """Completed Q: a visited child's own, and `mix_value` for all others."""
    mixed = mix_value(value, qs, followed, priors)
    return [q if count else mixed for q, count in zip(qs, followed, strict=True)]


def scale_values(qs: Sequence[float], followed: Sequence[int], c_visit: float, c_scale: float) -> list[float]:
    """The sigma transform, (c_visit + max n) c_scale q: what a value weighs beside a log-probability."""
    factor = (c_visit + max(followed, default=0)) * c_scale
    return [factor * q for q in qs]


def measure_lag(logits: Sequence[float], followed: Sequence[int]) -> list[float]:
    """How far each child is behind its share: softmax(logits) - n / (1 + sum n); the furthest is the next to visit."""
    visits = 1 + sum(followed)
    return [share - count / visits for share, count in zip(soften(logits), followed, strict=True)]


def share_out(simulations: int, children: int) -> list[tuple[int, int]]:
    """Sequential halving (Karnin et al. 2013): how many children each round keeps, and the simulations of each.

    floor(log2(children)) rounds with equal parts of what is left, the children halved from round to round but never
    below two; what remains goes to the last round. As in ReSCALE's published code, but for budgets below the number of
    children, at which that fails: there the first round has as many children as there are simulations. One child
    alone needs no simulation. The sum of the products never exceeds `simulations`, and falls short by less than the
    children of the last round.
    """
    children = min(children, simulations)
    count = int(math.log2(children)) if children > 1 else 0
    rounds: list[tuple[int, int]] = []
    left = simulations
    for number in range(count):
        kept = children if number == 0 else max(2, rounds[-1][0] // 2)
        if left < kept:
            break
        each = max(1, left // ((count - number) * kept))
        rounds.append((kept, each))
        left -= kept * each
    if rounds:
        kept, each = rounds[-1]
        rounds[-1] = kept, each + left // kept
    return rounds
