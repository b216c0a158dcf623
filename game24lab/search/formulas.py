"""The formulas of PUCT, UCT and Gumbel MuZero as functions of numbers.

Values lie in [-1, 1]; `visits` is the visit count of a position, `followed` those of the edges to its children, and
priors are probabilities over the children. This module does not know what a position, a child or a search is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

_LEAST = 1e-300  # replaces 0 in logarithms and quotients


def measure_exploration(visits: int, pb_c_init: float, pb_c_base: float) -> float:
    """The factor of a prior in PUCT, c sqrt(N) with c = ln((N + pb_c_base + 1) / pb_c_base) + pb_c_init.

    AlphaZero (Silver et al. 2018), as TS-LLM (Wan et al. 2024, arXiv 2309.17179) has it. A child's score is
    Q + P c sqrt(N) / (n + 1), with n the visits of the child.
    """
    return (math.log((visits + pb_c_base + 1) / pb_c_base) + pb_c_init) * math.sqrt(visits)


def score_uct(q: float, visits: int, followed: int, w_exp: float) -> float:
    """UCT (Kocsis and Szepesvári 2006) as RAP has it: Q + w_exp sqrt(ln N / max(1, n)); no bonus before N = 1."""
    return q + w_exp * math.sqrt(math.log(max(1, visits)) / max(1, followed))


def add_virtual_loss(q: float, visits: int, pending: int, virtual_loss: float) -> float:
    """A child's value, each of its `pending` simulations counted as a visit of value -`virtual_loss`.

    Chaslot et al. 2008, Parallel Monte-Carlo Tree Search. A child without visits counts as visited once, with its own
    value.
    """
    known = max(1, visits)
    return (known * q - pending * virtual_loss) / (known + pending) if pending else q


def draw_dirichlet(rng: random.Random, alpha: float, count: int) -> list[float]:
    """`count` probabilities from a symmetric Dirichlet distribution; one of them is 1 where alpha is tiny."""
    draws = [rng.gammavariate(alpha, 1.0) for _ in range(count)]
    whole = sum(draws)
    if whole <= 0:  # all of them underflowed
        chosen = rng.randrange(count)
        return [float(number == chosen) for number in range(count)]
    return [draw / whole for draw in draws]


def draw_gumbels(rng: random.Random, count: int) -> list[float]:
    """`count` numbers from the standard Gumbel distribution."""
    return [-math.log(-math.log(max(rng.random(), _LEAST))) for _ in range(count)]


def to_logit(probability: float) -> float:
    """The natural log, finite at 0."""
    return math.log(max(probability, _LEAST))


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities in proportion to exp(logit); equal ones where every logit is -inf."""
    top = max(logits)
    if top == -math.inf:
        return [1 / len(logits)] * len(logits)
    weights = [math.exp(logit - top) for logit in logits]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def mix_value(value: float, qs: Sequence[float], followed: Sequence[int], priors: Sequence[float]) -> float:
    """The mixed value: an estimate for unvisited children from the position's value and its visited children's.

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
    """The sigma transform (c_visit + max n) c_scale q, which puts values on the scale of log-probabilities."""
    factor = (c_visit + max(followed, default=0)) * c_scale
    return [factor * q for q in qs]


def measure_lag(logits: Sequence[float], followed: Sequence[int]) -> list[float]:
    """softmax(logits) - n / (1 + sum n) for each child; the child with the largest one is visited next."""
    visits = 1 + sum(followed)
    return [share - count / visits for share, count in zip(softmax(logits), followed, strict=True)]


def plan_halving(simulations: int, children: int) -> list[tuple[int, int]]:
    """Sequential halving (Karnin et al. 2013): for each round, the children it keeps and the simulations of each.

    floor(log2(children)) rounds share the simulations equally; each round keeps half the children, but at least two,
    and the remainder goes to the last round. As in ReSCALE's published code, which fails where there are fewer
    simulations than children; here the first round then has as many children as there are simulations. A single child
    gets no simulation. The sum of the products never exceeds `simulations`, and falls short by less than the children
    of the last round.
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
