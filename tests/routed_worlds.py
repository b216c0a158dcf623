"""A world in which everything a router can know is known: levels of difficulty, arms that sample, exact chances."""

from itertools import combinations_with_replacement, islice

import numpy as np
import pandas as pd

from game24lab.routing.pareto import Grid

CHANCES = (0.02, 0.1, 0.3, 0.6, 0.95)  # of one sample, by level
SIZES = (1, 4, 16, 64)
TOKENS = 30.0  # of one sample


def name_puzzles(count):
    """Puzzles, each another multiset."""
    return [" ".join(map(str, numbers)) for numbers in islice(combinations_with_replacement(range(1, 14), 4), count)]


def make_world(count=300, seed=0, *, noise=0.0, part=True):
    """A tidy table and features. Level and luck are drawn; `noise` blurs what the features tell of the level.

    Arms draw n samples and are right if one is: p = 1 - (1 - q)^n; they cost n * 30 tokens, whatever happens.
    """
    rng = np.random.default_rng(seed)
    problems = name_puzzles(count)
    level = rng.integers(0, len(CHANCES), count)
    q = np.array(CHANCES)[level]
    rows = []
    for problem, chance in zip(problems, q, strict=True):
        for n in SIZES:
            rows.append({
                "problem": problem, "arm": f"best_of_n@{n}", "probability": 1 - (1 - chance) ** n, "trials": 64.0,
                "sampled_tokens": n * TOKENS, "calls": float(n), "seconds": 0.01 * n, "n": float(n), "width": 0.0,
                "simulations": 0.0, "depth": 0.0, "method": "best_of_n", "verified": True, "hardware": "a machine",
                "parameters": f'{{"n": {n}}}',
            })  # fmt: skip
    table = pd.DataFrame(rows)
    if part:
        dealt = rng.choice(["train", "stopping", "calibration", "test"], count, p=[0.5, 0.1, 0.15, 0.25])
        table["part"] = table["problem"].map(dict(zip(problems, dealt, strict=True)))
    features = pd.DataFrame({
        "sum": rng.integers(4, 60, count).astype(float), "try_level": level + noise * rng.normal(size=count),
        "try_tokens": 30.0, "try_calls": 1.0, "try_seconds": 0.01, "oracle_level": level.astype(float),
    }, index=pd.Index(problems, name="problem"))  # fmt: skip
    return table, features


def make_grid(count=40, arms=4, seed=0, *, blur=0.3, fee=2.0):
    """Random chances; costs that grow with the arm; predictions that mistake how hard a problem is by a `blur`."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count, 1)) + np.linspace(-1, 1.5, arms) + 0.3 * rng.normal(size=(count, arms))
    tokens = 10 * 3.0 ** np.arange(arms) * rng.uniform(0.8, 1.2, (count, arms))
    guessed = tokens * rng.uniform(0.9, 1.1, tokens.shape)
    return Grid(
        tuple(f"{seed} {number}" for number in range(count)), tuple(f"arm {place}" for place in range(arms)),
        1 / (1 + np.exp(-base)), tokens, tokens / 100, 1 / (1 + np.exp(-base - blur * rng.normal(size=(count, 1)))),
        guessed, guessed / 100, np.full((count, arms), fee), np.full((count, arms), fee / 100),
    )  # fmt: skip


def take(grid, places):
    """The grid of some of its problems."""
    arrays = [getattr(grid, name)[np.asarray(places, int)] for name in list(grid.__dataclass_fields__)[2:]]
    return Grid(tuple(grid.problems[place] for place in places), grid.arms, *arrays)
