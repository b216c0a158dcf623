"""Which of several sampled answers to commit to: ways to choose compared on the very same samples.

After TS-LLM (Wan et al. 2024): a majority, the critic's favourite (`orm_max`), votes weighed by the critic
(`orm_vote`). The strategies of `game24lab.search` do the same within a search; here nothing is sampled, so that ways
differ by nothing but their choice. It does not know where answers and values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from game24lab.evaluation.statistics import bootstrap, pass_at_k
from game24lab.runs.checks import require_one_of
from game24lab.search.sampling import to_chance
from game24lab.search.voting import BALLOTS, vote


def compare_selections(
    answers: pd.DataFrame, ks: Sequence[int] | None = None, *, by: str = "position", repeats: int = 16, seed: int = 0
) -> pd.DataFrame:
    """Accuracy of each way to choose one of k answers: columns `arm`, `k`, `accuracy`, `low`, `high`, `problems`.

    Arms: "any" (a perfect chooser, pass@k exactly), "majority", "likeliest", and where answers have a `value`, "critic
    max" and "critic vote". Answers that reached no end are never chosen; where all are such, the choice is wrong. Votes
    count equal `position` or equal `answer`; the vote goes to the first of equals, and of its answers one with the
    highest value, then the likeliest, is taken. For k below the number of samples, the mean over `repeats` random
    subsets, the same ones for all arms. Intervals by bootstrap over problems.

    `answers` has the columns `problem`, `solved`, `ended`, `logprob`, `position`, `answer`, optional `value` (-1 to 1).
    `ks` defaults to the powers of two. ValueError for another `by`, or a k larger than the answers of a problem.
    """
    require_one_of("by", by, BALLOTS)
    problems = [part for _, part in answers.groupby("problem", sort=False)]
    fewest = min(map(len, problems), default=0)
    ks = list(ks or [2**power for power in range(fewest.bit_length())])
    if not ks or min(ks) < 1 or max(ks) > fewest:
        raise ValueError(f"ks must be integers from 1 to {fewest}, the fewest answers of a problem, got {ks}")
    valued = "value" in answers
    rng, table = np.random.default_rng(seed), []
    for k in ks:
        scores: dict[str, list[float]] = {}
        for part in problems:
            count = len(part)
            picks = [rng.permutation(count)[:k] for _ in range(repeats if k < count else 1)]
            solved = part["solved"].to_numpy(bool)
            scores.setdefault("any", []).append(pass_at_k(count, int(solved.sum()), k))
            for arm, choose in _read(part, by, valued).items():
                chosen = [choose(np.sort(pick)) for pick in picks]
                scores.setdefault(arm, []).append(float(np.mean([c is not None and solved[c] for c in chosen])))
        for arm, shares in scores.items():
            low, high = bootstrap(np.array(shares))
            table.append({"arm": arm, "k": k, "accuracy": float(np.mean(shares)), "low": low, "high": high,
                          "problems": len(problems)})  # fmt: skip
    order = {arm: place for place, arm in enumerate(scores)}
    return pd.DataFrame(table).sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)


def _read(part: pd.DataFrame, by: str, valued: bool) -> dict[str, Callable[[np.ndarray], int | None]]:
    """The ways to choose among answers of one problem: each takes places and returns one, None where none ended."""
    ended, logprob = part["ended"].to_numpy(bool), part["logprob"].to_numpy(float)
    ballots = part[by].to_numpy()
    value = part["value"].to_numpy(float) if valued else np.zeros(len(part))
    weights = np.array([to_chance(one) for one in value])

    def pick(places: np.ndarray) -> int | None:
        return max(places, key=lambda place: (value[place], logprob[place]), default=None)

    def elect(places: np.ndarray, weights: np.ndarray) -> int | None:
        given = places[ended[places]]
        winner = vote(ballots[given], list(weights[given]))
        return pick([place for place in given if ballots[place] == winner])

    def take_likeliest(places: np.ndarray) -> int | None:
        return max(places[ended[places]], key=logprob.__getitem__, default=None)

    ways = {"majority": lambda places: elect(places, np.ones(len(part))), "likeliest": take_likeliest}
    if valued:
        ways |= {"critic max": lambda places: pick(places[ended[places]]),
                 "critic vote": lambda places: elect(places, weights)}  # fmt: skip
    return ways
