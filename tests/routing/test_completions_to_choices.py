"""From completions files to choices: samples of known chances, labels without bias, a router as wise as algebra."""

import json

import numpy as np
import pandas as pd
import pytest
from routed_worlds import CHANCES, TOKENS, name_puzzles

from game24lab.routing.pareto import join_rows, read_grid, route
from game24lab.routing.splits import split_problems
from game24lab.routing.table import read_table
from game24lab.routing.training import RouterConfig, train

COUNT, POOL, SIZES = 160, 48, [1, 4, 16]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder as search-and-learn writes it: a pool of samples, right with a chance that a puzzle's level gives."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("completions")
    problems, level = name_puzzles(COUNT), rng.integers(0, len(CHANCES), COUNT)
    lines = []
    for problem, chance in zip(problems, np.array(CHANCES)[level], strict=True):
        right = rng.random(POOL) < chance
        texts = [f"sample {place}" for place in range(POOL)]
        lines.append(json.dumps({"problem": problem, "answer": "24", "completions": texts, "pred": texts[0],
                                 "scores": [[0.5]] * POOL, "correct": right.tolist(),
                                 "completion_tokens": [int(TOKENS)] * POOL}))  # fmt: skip
    (folder / "best_of_n_completions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_table(folder, rng, ns=SIZES, votes=["verified"], batch=1, progress=False)
    parts = split_problems(problems, rng)
    table["part"] = table["problem"].map(parts)
    features = pd.DataFrame({"level": level.astype(float)}, index=pd.Index(problems, name="problem"))
    return table, features


def find_chances(table, features):
    return np.array(CHANCES)[features.loc[table["problem"], "level"].astype(int)]


def test_labels_and_costs_are_unbiased(world):
    table, features = world
    q, n = find_chances(table, features), table["n"].to_numpy()
    for column, truth in (("probability", 1 - (1 - q) ** n), ("sampled_tokens", TOKENS * (1 - (1 - q) ** n) / q)):
        errors = (table[column] - truth).groupby([table["arm"], q])
        mean, spread = errors.mean(), errors.sem()
        assert (mean.abs() <= 4 * spread + 1e-9).all(), column


def test_the_router_decides_as_algebra_does(world):
    """Drawing up to n samples until one is right has the utility (1 - (1 - q)^n) (1 - price * tokens / q): more
    are worth it where a sample's chance is above the price of its tokens, whatever n is, and fewer where it is below.
    """
    table, features = world
    router = train(RouterConfig(steps=200, shrinkage=0.1), table, features, progress=False)
    rows = join_rows(table, router.predict(features), router.charge(features))
    grid = read_grid(rows[rows["part"] == "test"])
    assert not grid.timed  # nobody has measured seconds
    q = np.array(CHANCES)[features.loc[list(grid.problems), "level"].astype(int)][:, None]
    n, rows, decided = np.array(SIZES)[None], np.arange(len(grid.problems)), 0
    for price in (1e-4, 2e-3, 6e-3, 1.4e-2, 2.6e-2, 0.1):  # chances of a sample above .003, .06, .18, .42, .78, 3
        utility = (1 - (1 - q) ** n) * (1 - price * TOKENS / q)
        best = np.where(q[:, 0] > price * TOKENS, 2, 0)
        assert (utility.argmax(axis=1) == best).all()
        chosen = route(grid, price)
        lost = utility.max(axis=1) - utility[rows, chosen]
        clear = utility.max(axis=1) - np.sort(utility, axis=1)[:, -2] > 0.03
        assert (chosen == best)[clear].all(), price
        assert lost.mean() < 0.005
        decided += clear.sum()
    assert decided > 100
