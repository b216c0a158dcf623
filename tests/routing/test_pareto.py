"""The frontier against brute force: choices, hull, baselines, gains and the coverage of their intervals."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from routed_worlds import make_grid, make_world, take
from scipy.optimize import linprog

from game24lab.routing import evaluation as gains
from game24lab.routing.pareto import (
    Grid,
    Way,
    charge_probe_answers,
    choose,
    find_hull,
    find_price,
    list_prices,
    measure,
    mix,
    mix_evenly,
    mix_like,
    read_grid,
    route,
    route_by_difficulty,
    run_cascades,
    skip_probe,
    sweep,
    take_fixed,
    take_oracle,
)

GRID = make_grid()
PRICES = list_prices(GRID.predicted_chance, GRID.predicted_tokens, 25)


# ---------------------------------------------------------------------------------------------------------- choosing
def test_every_choice_is_the_best_of_all():
    for price, other in itertools.product((0.0, 1e-3, 0.1), (0.0, 0.5)):
        chosen = choose(GRID.chance, GRID.tokens, GRID.seconds, price, other)
        for row, place in enumerate(chosen):
            utilities = [GRID.chance[row, arm] - price * GRID.tokens[row, arm] - other * GRID.seconds[row, arm]
                         for arm in range(4)]  # fmt: skip
            assert utilities[place] == max(utilities)


def test_a_sweep_is_what_its_choices_come_to():
    way = sweep(GRID, PRICES)
    for step, price in enumerate(PRICES):
        chosen = route(GRID, price)
        for row, arm in enumerate(chosen):
            assert way.chance[step, row] == GRID.chance[row, arm]
            assert way.tokens[step, row] == GRID.tokens[row, arm] + 2.0
            assert way.seconds[step, row] == pytest.approx(GRID.seconds[row, arm] + 0.02)
    table = measure(way)
    assert table["accuracy"].iloc[0] == way.chance[0].mean()
    assert table["tokens"].iloc[-1] == pytest.approx((GRID.tokens.min(axis=1) + 2).mean(), rel=0.1)
    shares = mix(GRID, PRICES)
    assert shares.groupby("price")["share"].sum().to_numpy() == pytest.approx(1)
    assert len(shares) == 4 * len(PRICES)
    by_seconds = sweep(GRID, [price * 100 for price in PRICES], "seconds")
    assert (by_seconds.chance == way.chance).all()  # here a second is a hundred tokens


def test_prices_are_those_at_which_choices_turn():
    chance, costs = np.array([[0.2, 0.5, 0.4], [0.1, 0.1, 0.9]]), np.array([[10.0, 40, 20], [10, 20, 30]])
    prices = list_prices(chance, costs, 50)
    assert prices[0] == 0
    assert prices[1] == pytest.approx(0.1 / 20)  # from the third arm of the first problem to its second
    assert prices[-1] == pytest.approx(2 * 0.8 / 10)
    taken = {tuple(choose(chance, costs, costs, price)) for price in prices}
    assert taken == {(1, 2), (2, 2), (0, 2), (0, 0)}
    assert list_prices(np.ones((3, 2)), np.ones((3, 2))) == [0.0]


def test_prices_and_unknown_seconds_are_checked():
    with pytest.raises(ValueError, match=r"lambda_tokens must be a number >= 0, got -1\.0"):
        route(GRID, -1.0)
    blind = Grid(GRID.problems, GRID.arms, GRID.chance, GRID.tokens, GRID.seconds * np.nan, GRID.predicted_chance,
                 GRID.predicted_tokens, GRID.predicted_seconds * np.nan, GRID.fee_tokens, GRID.fee_seconds)  # fmt: skip
    assert not blind.timed
    assert GRID.timed
    assert (route(blind, 0.1) == route(GRID, 0.1)).all()
    with pytest.raises(ValueError, match="lambda_seconds must be 0 where the seconds are not known"):
        route(blind, 0.1, 0.1)


def test_a_budget_is_met_at_the_lowest_price():
    rows = np.arange(40)
    for budget in (20, 50, 200, 1000):
        price = find_price(GRID, budget)
        spent = (GRID.predicted_tokens[rows, route(GRID, price)] + 2).mean()
        assert spent <= budget
        assert price == 0 or (GRID.predicted_tokens[rows, route(GRID, price * 0.9)] + 2).mean() > budget * 0.9
    with pytest.raises(ValueError, match=r"budget must be >= .* 2 of them for the probe, got 5"):
        find_price(GRID, 5)


def test_rows_become_a_grid_in_any_order():
    table, _ = make_world(12)
    said = table.assign(predicted_probability=0.5, predicted_sampled_tokens=1.0)
    grid = read_grid(said.sample(frac=1, random_state=0).sort_values("arm", kind="stable"))
    row, arm = grid.problems.index("1 1 1 2"), grid.arms.index("best_of_n@16")
    wanted = said[(said["problem"] == "1 1 1 2") & (said["arm"] == "best_of_n@16")]["probability"].item()
    assert grid.chance[row, arm] == wanted
    assert not grid.timed
    assert (grid.fee_tokens == 0).all()
    with pytest.raises(ValueError, match="got 47 rows for 12 problems and 4 arms"):
        read_grid(said.iloc[1:])
    with pytest.raises(ValueError, match="predicted_probability"):
        read_grid(table)


def test_the_answer_of_a_probe_costs_a_router_the_probe_alone():
    fee = GRID.fee_tokens.copy()
    fee[:, 0] = 0.0  # the first arm returns an answer of the probe, which costs 7
    grid = replace(GRID, tokens=GRID.tokens.copy(), predicted_tokens=GRID.predicted_tokens.copy(), fee_tokens=fee)
    grid.tokens[:, 0] = grid.predicted_tokens[:, 0] = 7.0
    assert sweep(grid, [1e9]).tokens.tolist() == [[7.0] * 40]
    assert take_fixed(grid).tokens[0].tolist() == [7.0] * 40
    rows = pd.DataFrame({"problem": ["a", "a", "b"], "arm": ["greedy", "kept,verified", "kept,verified"],
                         "predicted_sampled_tokens": 50.0, "fee_tokens": [9.0, 9.0, 0.0],
                         "fee_seconds": [0.1, 0.1, 0.0]})  # fmt: skip
    settled = charge_probe_answers(rows)
    assert settled["predicted_sampled_tokens"].tolist() == [50.0, 9.0, 50.0]  # without a probe nothing is known
    assert settled["fee_tokens"].tolist() == [9.0, 0.0, 0.0]


def test_a_router_does_not_probe_where_a_fixed_arm_is_worth_more():
    dear = replace(GRID, fee_tokens=np.full_like(GRID.fee_tokens, 1e4))
    for grid, expected in ((dear, set(range(4))), (replace(GRID, fee_tokens=GRID.fee_tokens * 0), {-1})):
        skips = skip_probe(sweep(grid, PRICES[1:]), take_fixed(grid))
        assert set(skips) <= expected
        way, fixed = sweep(grid, PRICES[1:], skips=skips), take_fixed(grid)
        for step, price in enumerate(PRICES[1:]):
            best = (fixed.chance.mean(axis=1) - price * fixed.tokens.mean(axis=1)).max()
            assert way.chance[step].mean() - price * way.tokens[step].mean() >= best - 1e-12
    held = skip_probe(sweep(dear, [0.0, 1e3]), take_fixed(dear))
    assert held[1] == int(np.argmin(GRID.tokens.mean(axis=0)))
    assert (sweep(dear, [1e3], skips=held[1:]).tokens == GRID.tokens[:, held[1]]).all()  # and pays no fee
    shares = mix(dear, [1e3], skips=held[1:]).set_index("arm")["share"]
    assert shares[f"arm {held[1]}"] == 1
    assert mix_like(dear, [1e3], skips=held[1:]).tokens.mean() == pytest.approx(GRID.tokens[:, held[1]].mean())


# -------------------------------------------------------------------------------------------------------------- hull
@pytest.mark.parametrize(
    ("costs", "accuracies", "wanted"),
    [
        ([1, 2, 3, 4, 5], [0.2, 0.5, 0.5, 0.9, 0.8], [1, 3]),
        ([1, 2, 3], [0.1, 0.2, 0.3], [2]),  # on one line, with no answer at no cost
        ([1, 2, 3], [0.1, 0.15, 0.2], [0, 2]),
        ([4], [0.5], [0]),
        ([4, 4], [0.5, 0.7], [1]),
        ([2, 2, 5], [0.1, 0.4, 0.6], [1, 2]),  # one above another
        ([3, 1], [0.2, 0.6], [1]),  # the cheapest is the best
        ([0, 2], [0.5, 0.4], [0]),  # at no cost
        ([0, 2], [0.2, 0.4], [0, 1]),
        ([1, 2], [0.0, 0.0], []),  # nothing is ever right
    ],
)
def test_hull_by_hand(costs, accuracies, wanted):
    assert find_hull(costs, accuracies).tolist() == wanted


def read_hull(costs, accuracies, at):
    places = find_hull(costs, accuracies)
    return np.interp(at, [0, *costs[places]], [0, *accuracies[places]])


def test_hull_is_the_best_mix_of_points():
    rng = np.random.default_rng(0)
    for trial in range(20):
        costs, accuracies = rng.uniform(1, 100, 9), rng.random(9)
        for at in rng.uniform(0, 120, 3):
            mixed = linprog(-accuracies, A_ub=[costs, np.ones(9)], b_ub=[at, 1], bounds=(0, 1))  # the rest: no answer
            assert read_hull(costs, accuracies, at) == pytest.approx(-mixed.fun, abs=1e-7), trial


# --------------------------------------------------------------------------------------------------------- baselines
def test_nobody_beats_the_oracle_and_mixes_stay_below_the_hull():
    fixed, oracle = take_fixed(GRID), take_oracle(GRID)
    known = make_grid(seed=1)
    ways = (sweep(GRID, PRICES), fixed, mix_like(GRID, PRICES), mix_evenly(GRID),
            route_by_difficulty(known, GRID, PRICES))  # fmt: skip
    for step, price in enumerate(oracle.steps):
        best = oracle.chance[step] - price * oracle.tokens[step]
        for way in ways:
            assert (best.mean() >= (way.chance - price * way.tokens).mean(axis=1) - 1e-12).all()
    chance, tokens = fixed.chance.mean(axis=1), fixed.tokens.mean(axis=1)
    assert chance == pytest.approx(GRID.chance.mean(axis=0))
    for way in ways[2:4]:
        hull = read_hull(tokens, chance, way.tokens.mean(axis=1))
        assert (way.chance.mean(axis=1) <= hull + 1e-12).all()


def test_a_random_mix_is_what_dealing_at_random_comes_to():
    price = PRICES[12]
    chosen, rng = route(GRID, price), np.random.default_rng(0)
    rows = np.arange(40)
    dealt = [GRID.chance[rows, rng.permutation(chosen)].mean() for _ in range(2000)]
    assert mix_like(GRID, [price]).chance.mean() == pytest.approx(np.mean(dealt), abs=0.004)


def test_difficulty_alone_with_one_bin_is_the_best_fixed_arm():
    known = make_grid(seed=1)
    way = route_by_difficulty(known, GRID, PRICES, bins=1)
    for step, price in enumerate(PRICES):
        best = int((known.chance.mean(axis=0) - price * known.tokens.mean(axis=0)).argmax())
        assert (way.chance[step] == GRID.chance[:, best]).all()
        assert (way.tokens[step] == GRID.tokens[:, best] + 2.0).all()
    finer = route_by_difficulty(known, GRID, PRICES)
    assert finer.chance.shape == way.chance.shape
    for wrong, named in ((GRID, "must not be both known and evaluated"), (take(known, []), "got none"),
                         (make_grid(arms=3, seed=1), "known problems must have the arms")):  # fmt: skip
        with pytest.raises(ValueError, match=named):
            route_by_difficulty(wrong, GRID, PRICES)


def test_cascades_are_what_running_them_comes_to():
    known, rng = make_grid(seed=1), np.random.default_rng(0)
    way = run_cascades(known, GRID)
    assert max(len(name.split(" > ")) for name in way.steps) > 1
    costs = way.tokens.mean(axis=1)
    assert (np.diff(costs) > 0).all()
    chain = [GRID.arms.index(name) for name in way.steps[-1].split(" > ")]
    wins, spent = np.zeros(40), np.zeros(40)
    for _ in range(3000):
        going = np.ones(40, bool)
        for arm in chain:
            spent += going * GRID.tokens[:, arm]
            right = going & (rng.random(40) < GRID.chance[:, arm])
            wins, going = wins + right, going & ~right
    assert way.chance[-1] == pytest.approx(wins / 3000, abs=0.04)
    assert way.tokens[-1] == pytest.approx(spent / 3000, rel=0.05)
    names = [GRID.arms[place] for place in np.argsort(known.tokens.mean(axis=0))]
    assert all(sorted(step.split(" > "), key=names.index) == step.split(" > ") for step in way.steps)


# ------------------------------------------------------------------------------------------------------------- gains
def test_gains_by_hand():
    one = np.ones((1, 2))
    fixed = Way("fixed arm", ("a", "b"), np.array([[0.2, 0.4], [0.6, 0.8]]), np.array([[10, 10], [30, 30]]), one)
    oracle = Way("oracle", (0.0,), 0.9 * one, 20 * one, one)
    way = Way("router", (0.0,), np.array([[0.5, 0.8]]), np.array([[15.0, 25.0]]), one)
    (row,) = gains.compare_at_steps(way, fixed, oracle, repeats=50).to_dict("records")
    assert row["cost"] == 20
    assert row["hull"] == pytest.approx(0.5)  # halfway from (10, 0.3) to (30, 0.7)
    assert row["gain"] == pytest.approx(0.15)
    assert row["share"] == pytest.approx(0.15 / 0.4)
    assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    (at,) = gains.compare_at_costs(way, fixed, oracle, repeats=50).to_dict("records")
    assert at["arm"] == "b"  # at 10 tokens the router cannot be
    assert (at["cost"], at["accuracy"], at["hull"]) == pytest.approx((30, 0.65, 0.7))
    best = gains.match_best(way, fixed, repeats=50)
    assert (best["arm"], best["arm_accuracy"], best["cost"], best["ratio"]) == ("b", pytest.approx(0.7), None, None)
    better = Way("router", (0.0, 1.0), np.array([[0.4, 0.4], [1.0, 1.0]]), np.array([[10, 10], [20, 20]]), one[[0, 0]])
    found = gains.match_best(better, fixed, repeats=50)
    assert found["cost"] == pytest.approx(15)  # halfway between its two steps
    assert found["ratio"] == pytest.approx(0.5)
    assert found["reached"] == 1


def test_where_there_is_no_gap_there_is_no_share():
    grid = make_grid(arms=1)
    fixed, oracle = take_fixed(grid), take_oracle(grid)
    table = gains.compare_at_steps(sweep(grid, [0.0]), fixed, oracle, repeats=20)
    assert table["share"].isna().all()
    assert table["share_low"].isna().all()
    assert table["gain"].item() == pytest.approx(0, abs=1e-12)


def test_the_operating_point_is_that_of_the_largest_gain():
    way, fixed, oracle = sweep(GRID, PRICES), take_fixed(GRID), take_oracle(GRID)
    table = gains.compare_at_steps(way, fixed, oracle, repeats=2)
    assert gains.pick_step(way, fixed) == table["gain"].idxmax()
    at_costs = gains.compare_at_costs(way, fixed, oracle, repeats=2)
    assert gains.average_gain(way, fixed) == pytest.approx(at_costs["gain"].sum() / 4)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of puzzles drawn anew, again and again, from a world whose gain is known: 95 % intervals hold it."""
    world = make_grid(5000, seed=7, blur=0.7, fee=0.5)

    def judge(grid, repeats):
        way, fixed, oracle = sweep(grid, [4e-3]), take_fixed(grid), take_oracle(grid, count=60)
        return gains.compare_at_steps(way, fixed, oracle, repeats=repeats).iloc[0]

    truth, rng, held = judge(world, 1), np.random.default_rng(8), {"gain": 0, "share": 0}
    assert truth["gain"] > 0.01
    assert 0.3 < truth["share"] < 0.9
    for _ in range(50):
        found = judge(take(world, rng.integers(0, 5000, 100)), 150)
        for name in held:
            held[name] += found[f"{name}_low"] <= truth[name] <= found[f"{name}_high"]
    assert all(42 <= count <= 50 for count in held.values()), held
