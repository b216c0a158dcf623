"""Laws: known exponents come back, intervals hold the truth, and what cannot be fitted is refused in one line."""

import numpy as np
import pandas as pd
import pytest

from game24lab.scaling.laws import (
    bootstrap_law,
    bound,
    check_seeds,
    fit_law,
    list_residuals,
    resample_cells,
    split_corner,
    tabulate_law,
)

N = np.array([83e3, 147e3, 424e3, 754e3, 1.75e6, 4.4e6])
D = np.array([0.5e6, 1e6, 2e6, 4e6, 8e6])
TRUTH = {"A": 40.0, "a": 0.38, "B": 900.0, "b": 0.52}  # what a power of N and one of D cost about equally


def make_cells(seeds=3):
    rows = [(f"{n:.0f}", n, d, seed) for n in N for d in D for seed in range(seeds)]
    return pd.DataFrame(rows, columns=["size", "parameters", "tokens", "seed"])


def law_of(cells):
    return TRUTH["A"] * cells["parameters"] ** -TRUTH["a"] + TRUTH["B"] * cells["tokens"] ** -TRUTH["b"]


def take(cells):
    return {"N": cells["parameters"], "D": cells["tokens"]}


def test_known_exponents_come_back_without_noise():
    cells = make_cells(1)
    law = fit_law(law_of(cells), take(cells))
    assert law.exponents == pytest.approx({"N": TRUTH["a"], "D": TRUTH["b"]}, rel=1e-4)
    assert law.coefficients == pytest.approx({"N": TRUTH["A"], "D": TRUTH["B"]}, rel=1e-3)
    assert law.error < 1e-6
    with_floor = fit_law(law_of(cells) + 0.7, take(cells), floor=True)
    assert with_floor.floor == pytest.approx(0.7, rel=1e-3)
    assert with_floor.exponents["N"] == pytest.approx(TRUTH["a"], rel=1e-2)


def test_a_product_comes_back_where_there_is_one_and_only_there():
    """What size is worth shrinks with tokens: no sum of a power of each says that."""
    cells = make_cells(1)
    n, d = cells["parameters"] ** -TRUTH["a"], cells["tokens"] ** -TRUTH["b"]
    law = fit_law(0.7 + 900 * d + 60_000 * n * d, take(cells), floor=True, product=True)
    assert law.exponents == pytest.approx({"N": TRUTH["a"], "D": TRUTH["b"]}, rel=1e-2)
    assert law.product == pytest.approx(60_000, rel=0.05)
    assert law.predict({"N": 1e6, "D": 1e7}) == pytest.approx(
        0.7 + 900 * 1e7 ** -TRUTH["b"] + 60_000 * 1e6 ** -TRUTH["a"] * 1e7 ** -TRUTH["b"], rel=1e-3)  # fmt: skip
    table = tabulate_law(law, [law, law]).set_index("name")
    assert table.loc["coefficient of N and D", "value"] == law.product == table.loc["coefficient of N and D", "low"]
    none = fit_law(law_of(cells), take(cells), product=True)
    assert none.exponents == pytest.approx({"N": TRUTH["a"], "D": TRUTH["b"]}, rel=1e-2)
    at = take(cells.iloc[:1])
    assert none.product * float(np.prod([at[name] ** -none.exponents[name] for name in at])) < 0.01


def test_known_exponents_come_back_within_two_per_cent_under_noise():
    """Three seeds a cell with 1 % of noise each, as seeds of one size differ in their exact loss. 20 studies."""
    cells, rng = make_cells(3), np.random.default_rng(7)
    errors = []
    for _ in range(20):
        y = law_of(cells) * np.exp(rng.normal(0, 0.01, len(cells)))
        law = fit_law(y, take(cells))
        errors.append([law.exponents["N"] / TRUTH["a"] - 1, law.exponents["D"] / TRUTH["b"] - 1])
    assert np.abs(np.mean(errors, 0)).max() < 0.005, "no bias"
    assert np.sqrt(np.mean(np.square(errors), 0)).max() < 0.02


def test_the_floor_that_is_known_is_worth_a_lot():
    cells, rng = make_cells(3), np.random.default_rng(3)
    known, fitted = [], []
    for _ in range(8):
        y = (law_of(cells) + 1.5) * np.exp(rng.normal(0, 0.003, len(cells)))
        known.append(fit_law(np.maximum(y - 1.5, 1e-6), take(cells)).exponents["N"])
        fitted.append(fit_law(y, take(cells), floor=True).exponents["N"])
    assert np.std(known) < np.std(fitted)


def test_the_held_out_corner_is_predicted():
    cells, rng = make_cells(2), np.random.default_rng(1)
    y = law_of(cells) * np.exp(rng.normal(0, 0.01, len(cells)))
    away = split_corner(cells)
    assert away.sum() == 2 * 2 * 2
    law = fit_law(y[~away], take(cells[~away]))
    left = list_residuals(law, y[away], take(cells[away]))
    assert left["error"].abs().max() < 0.05
    with pytest.raises(ValueError, match="tokens: a corner of 4 leaves 1 values to fit on"):
        split_corner(cells, budgets=4)


def test_intervals_hold_the_truth():
    """Problems differ, seeds differ: the interval of an exponent is over both, and wider than over problems alone."""
    cells, rng = make_cells(3), np.random.default_rng(5)
    hardness = rng.lognormal(0, 0.5, 60)
    hardness /= hardness.mean()
    luck = np.exp(rng.normal(0, 0.02, len(cells)))
    values = (law_of(cells) * luck).to_numpy()[:, None] * hardness[None]
    columns = {"N": "parameters", "D": "tokens"}
    draws = bootstrap_law(values, cells, columns, repeats=40)
    low, high = bound([one.exponents["D"] for one in draws])
    assert low < TRUTH["b"] < high
    alone = bootstrap_law(values, cells, columns, repeats=40, over_seeds=False)
    assert np.ptp(bound([one.exponents["D"] for one in alone])) < high - low
    table = tabulate_law(fit_law(values.mean(1), take(cells)), draws)
    assert list(table["name"]) == ["exponent of N", "exponent of D", "coefficient of N", "coefficient of D"]
    assert (table["low"] <= table["value"]).all()


def test_seeds_of_a_size_are_drawn_with_all_their_budgets():
    cells = make_cells(3).sample(frac=1, random_state=0).reset_index(drop=True)
    rows, problems = resample_cells(cells, 10, np.random.default_rng(0))
    assert len(rows) == len(cells) * 2 / 3, "one seed fewer than there are"
    drawn = cells.iloc[rows].groupby(["size", "seed"])["tokens"].value_counts().unstack()
    assert (drawn.nunique(axis=1) == 1).all(), "each drawn seed with every budget"
    assert len(problems) == 10
    assert set(problems) <= set(range(10))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_means_of_few_seeds_spread_as_much_as_means_of_them_do(seeds):
    """As many draws as seeds would show (n - 1) / n of the variance: of two seeds the half."""
    cells = pd.DataFrame({"size": "a", "seed": range(seeds)})
    values, rng = np.random.default_rng(1).normal(0, 1, seeds), np.random.default_rng(0)
    drawn = [values[resample_cells(cells, 1, rng)[0]].mean() for _ in range(20_000)]
    assert np.var(drawn) == pytest.approx(values.var(ddof=1) / seeds, rel=0.05)


def test_three_terms_are_fitted():
    """N, D and samples k, as the T2 laws have them."""
    cells = pd.concat([make_cells(1).assign(k=k) for k in (1, 4, 16, 64)], ignore_index=True)
    law = fit_law(law_of(cells) + 0.3 * cells["k"] ** -0.6, take(cells) | {"k": cells["k"]})
    assert law.exponents["k"] == pytest.approx(0.6, rel=0.01)


@pytest.mark.parametrize(("rows", "message"), [
    (slice(0, 3), "a law of N, D has 4 unknowns: at least as many cells are needed, got 3"),
    (slice(0, 5), "N must have two different values at least"),
])  # fmt: skip
def test_too_little_is_refused(rows, message):
    cells = make_cells(1).iloc[rows]
    with pytest.raises(ValueError, match=message):
        fit_law(law_of(cells), take(cells))


def test_numbers_that_are_none_and_one_seed_are_refused():
    cells = make_cells(1)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        y = law_of(cells).to_numpy(copy=True)
        y[3] = wrong
        with pytest.raises(ValueError, match="y must hold positive numbers alone"):
            fit_law(y, take(cells))
    with pytest.raises(ValueError, match="an interval over seeds needs two seeds at least of some size, got 1 of each"):
        bootstrap_law(np.ones((len(cells), 2)), cells, {"N": "parameters", "D": "tokens"})
    check_seeds(make_cells(2))
