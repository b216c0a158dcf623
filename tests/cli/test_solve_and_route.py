"""A router at work: arms by puzzle and budget, probes charged, none in vain; ablations and evaluation."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy
from routed_worlds import make_world

from game24lab.cli import solve as solving
from game24lab.routing import route as planning
from game24lab.routing.ablation import (
    compare_ablations,
    describe_schedules,
    list_ablations,
    list_choices,
    pick_ablation,
    train_and_evaluate,
)
from game24lab.routing.arms import keep_arms, name_modes
from game24lab.routing.evaluation import compare_ways, evaluate_router
from game24lab.routing.pareto import join_rows
from game24lab.routing.probe import PROBE_COSTS, Probe, group_columns, probe_problems
from game24lab.routing.probe_answer import add_probe_answers
from game24lab.routing.training import RouterConfig, train
from game24lab.search.cost import Cost
from game24lab.search.mcts import UNREPEATED, UNREPEATED_BLIND
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.puzzles import read_problem

PUZZLES = [(4, 5, 6, 10), (1, 1, 1, 8), (2, 3, 4, 6), (4, 5, 6, 10)]
GAME, POLICY, CRITIC = open_environment("game24"), FakePolicy(skill=4.0), FakeCritic()
TASK = GAME.task


def teach(columns, **probe):
    """A router of four arms that sees `columns` of a world in which `sum` is what makes puzzles hard."""
    table, features = make_world(120)
    level = features["try_level"]
    features = features.assign(sum=10.0 + 5 * level, try_value=level, try_logprob=level)
    facts = {"probe": vars(Probe(**probe)), "prices": {"verified": 1e-3}}
    config = RouterConfig(model="logistic")
    return train(config, table, features, columns=columns, facts=facts, progress=False)


@pytest.fixture(scope="module")
def router():
    return teach(["sum"])


def test_each_puzzle_gets_an_arm_and_is_searched_with_it(router):
    plans = planning.plan(router, GAME, PUZZLES, POLICY, CRITIC)
    assert [one.problem for one in plans] == ["4 5 6 10", "1 1 1 8", "2 3 4 6", "4 5 6 10"]
    assert plans[0] == plans[3]
    assert len({one.arm for one in plans}) > 1
    outcomes = planning.solve(router, TASK, PUZZLES, plans, POLICY, CRITIC)
    for one, outcome in zip(plans, outcomes, strict=True):
        assert outcome.candidates <= int(one.arm.partition("@")[2])
        assert outcome.mode == "verified"
    assert outcomes[0] == outcomes[3]


def test_problems_of_another_target_are_problems_of_their_own(router):
    plans = planning.plan(router, GAME, [read_problem("4 5 6 10"), read_problem("4 5 6 10 -> 36")], POLICY, CRITIC)
    assert [one.problem for one in plans] == ["4 5 6 10", "4 5 6 10 -> 36"]


def test_a_larger_budget_buys_more(router):
    spent = [np.mean([one.tokens for one in planning.plan(router, GAME, PUZZLES, POLICY, CRITIC, budget=budget)])
             for budget in (40, 200, 1000, 5000)]  # fmt: skip
    assert all(tokens <= budget for tokens, budget in zip(spent, (40, 200, 1000, 5000), strict=True))
    assert spent == sorted(spent)
    assert spent[-1] > spent[0]
    with pytest.raises(ValueError, match=r"budget must be >= .* got 3"):
        planning.plan(router, GAME, PUZZLES, POLICY, CRITIC, budget=3)


@pytest.mark.parametrize(
    ("columns", "sampled", "charged"),
    [(["sum"], False, False), (["sum", "try_value"], False, False), (["sum", "try_logprob"], True, True)],
)
def test_a_router_probes_what_it_uses_and_pays_for_it(columns, sampled, charged):
    router, policy = teach(columns), FakePolicy(skill=4.0)
    plans = planning.plan(router, GAME, PUZZLES[:3], policy, CRITIC)
    assert bool(policy.calls) == sampled
    assert all((one.probe_cost.sampled_tokens > 0) == charged for one in plans)
    bare = planning.solve(router, TASK, PUZZLES[:3], plans, policy, CRITIC)
    for one, outcome in zip(plans, bare, strict=True):
        assert outcome.cost.sampled_tokens > one.probe_cost.sampled_tokens
        assert one.tokens > one.probe_cost.sampled_tokens


def test_the_router_that_ships_plans_for_every_budget():
    shipped = planning.find_router()
    for mode in ("verified", "rules"):
        arms = [planning.plan(shipped, GAME, PUZZLES, POLICY, CRITIC, mode=mode, budget=budget)[0].arm
                for budget in (60, 200, 2000)]  # fmt: skip
        assert len(set(arms)) > 1
        assert all(mode in shipped.arms[arm]["mode"] for arm in arms)


def test_no_problem_is_probed_where_it_was_found_not_to_be_worth_it():
    router = teach(["sum", "try_logprob"])
    schedule = {"price": [1e-4, 1e-3, 1e-2], "arm": ["", "best_of_n@16", "best_of_n@1"], "cost": [900.0, 480.0, 30.0]}
    router = replace(router, facts={**router.facts, "schedules": {"verified": schedule}})
    for budget, arm in ((None, "best_of_n@16"), (500, "best_of_n@16"), (479, "best_of_n@1")):
        policy = FakePolicy(skill=4.0)
        plans = planning.plan(router, GAME, PUZZLES, policy, CRITIC, budget=budget)
        assert {one.arm for one in plans} == {arm}
        assert not policy.calls
        assert all(one.probe_cost.sampled_tokens == 0 for one in plans)
        found = planning.solve(router, TASK, PUZZLES, plans, policy, CRITIC)
        assert {outcome.mode for outcome in found} == {"verified"}
    policy = FakePolicy(skill=4.0)
    planning.plan(router, GAME, PUZZLES, policy, CRITIC, budget=1000)
    assert policy.calls
    with pytest.raises(ValueError, match=r"budget must be >= .* got 3"):
        planning.plan(router, GAME, PUZZLES, POLICY, CRITIC, budget=3)


def test_an_answer_of_the_probe_is_returned_where_that_is_best():
    table, features = make_world(200)
    features["try_value_best"] = np.where(features["oracle_level"] > 2, 1.0, -1.0)
    features["verdict_kept"] = features["verdict_any"] = (features["oracle_level"] > 2).astype(float)
    table = add_probe_answers(table.drop(columns="part"), features, 3)
    table["part"] = table["problem"].map(make_world(200)[0].groupby("problem")["part"].first())
    facts = {"probe": vars(Probe()), "prices": {"verified": 1e-3}}
    router = train(RouterConfig(model="logistic"), table, features, columns=["try_value_best"], facts=facts,
                   progress=False)  # fmt: skip
    policy, critic = FakePolicy(skill=4.0), FakeCritic()
    plans = planning.plan(router, GAME, PUZZLES, policy, critic)
    kept = [one for one in plans if one.arm == "kept,verified"]
    assert kept
    assert all(one.tokens == one.probe_cost.sampled_tokens for one in kept)
    before = len(policy.calls)
    outcomes = planning.solve(router, TASK, [PUZZLES[0]] * len(kept), kept, policy, critic)
    assert len(policy.calls) == before  # nothing more is sampled
    assert all(outcome.cost == one.probe_cost for one, outcome in zip(kept, outcomes, strict=True))
    assert all(outcome.solved and outcome.answer for outcome in outcomes)
    unseen = [replace(one, probed=None, probe_cost=Cost()) for one in kept]  # chosen without a probe
    again = planning.solve(router, TASK, [PUZZLES[0]] * len(kept), unseen, policy, critic)
    assert len(policy.calls) > before
    assert [(one.answer, one.cost.sampled_tokens) for one in again] == [
        (one.answer, one.cost.sampled_tokens) for one in outcomes
    ]  # fmt: skip


def test_answers_of_the_probe_are_an_arm_for_each_mode():
    table, features = make_world(20)
    assert add_probe_answers(table, features, 3) is table  # no answers that have verdicts
    features = features.assign(verdict_kept=0.0, verdict_any=1.0)
    both = pd.concat([table, table.assign(arm="greedy", verified=False)])
    more = add_probe_answers(both, features, 3)
    mine = more[more["method"] == "kept"].groupby("arm")[["probability", "sampled_tokens", "n"]].mean()
    assert mine.loc["kept,verified"].tolist() == [1.0, 30.0, 3.0]
    assert mine.loc["kept,rules"].tolist() == [0.0, 30.0, 3.0]
    blind = name_modes(both).assign(mode="blind")  # a probe by the rules has nothing that a blind router could return
    assert "kept" not in set(add_probe_answers(blind, features, 3)["method"])
    assert "kept,blind" in set(add_probe_answers(blind, features, 3, "blind")["arm"])
    assert name_modes(more.assign(arm=more["arm"].replace("kept,rules", "kept,unverified")).drop(columns="mode"))[
        ["arm", "mode"]
    ].equals(more[["arm", "mode"]])  # as a table from before names it
    with pytest.raises(ValueError, match="'1 1 1 1' has none"):
        add_probe_answers(table, features.drop("1 1 1 1"), 3)
    assert set(keep_arms(more, ["kept"])["method"]) == {"kept"}
    assert keep_arms(more)["arm"].tolist() == more["arm"].tolist()
    with pytest.raises(ValueError, match=r"method must be one of best_of_n, kept, .* of the 7 arms, got 'mcts'"):
        keep_arms(more, ["mcts"])


def test_routers_that_cannot_serve_say_why(router, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "SHIPPED", tmp_path / "router")
    with pytest.raises(ValueError, match=r"no router ships .* make one by `game24lab run 10_router`"):
        planning.find_router()
    router.save(tmp_path / "router")
    assert planning.find_router().arms == json.loads(json.dumps(router.arms))
    with pytest.raises(ValueError, match="none of its 4 arms is rules"):
        planning.plan(router, GAME, PUZZLES, POLICY, CRITIC, mode="rules")
    with pytest.raises(ValueError, match="embeddings by bert"):
        planning.plan(teach(["sum"], encoder="bert"), GAME, PUZZLES, POLICY, CRITIC)


def test_solving_checks_before_it_loads():
    for settings, named in (
        ({"strategy": "auto", "parameters": {"n": 3}}, r"takes no parameters \(a router chooses\), got n"),
        ({"strategy": "mcts", "parameters": {}, "router": "r"}, "strategy must be 'auto' with a router, got 'mcts'"),
        ({"strategy": "mcts", "parameters": {}, "budget": -1}, "budget must be a number >= 0, got -1"),
        ({"strategy": "auto", "parameters": {}, "router": "nowhere"}, r"router nowhere: router\.json is missing"),
    ):
        with pytest.raises(ValueError, match=named):
            solving.solve(GAME, PUZZLES, **settings)


def test_no_line_is_said_twice_where_nothing_forbids_it():
    free = solving.prefer_unrepeated("mcts", {"simulations": 7}, "verified", "auto", None)
    assert free == {**UNREPEATED, "simulations": 7}
    assert solving.prefer_unrepeated("mcts", {}, "blind", "auto", None) == UNREPEATED_BLIND
    assert 1 < UNREPEATED_BLIND["simulations"] < UNREPEATED["simulations"]
    for change in ({"strategy": "best_of_n"}, {"mode": "blind", "checks": 2}, {"backend": "ctranslate2"},
                   {"url": "http://x"}, {"parameters": {"width": 2}}, {"mode": "blind", "parameters": {"width": 2}}):
        asked = {"strategy": "mcts", "parameters": {}, "mode": "rules", "backend": "auto", "url": None} | change
        assert solving.prefer_unrepeated(**asked) == asked["parameters"]


@pytest.mark.parametrize("mode", ["verified", "blind"])
def test_the_light_decoder_says_no_line_twice(mode):
    """The shipped policy as `solve` opens it for a puzzle, without transformers."""
    (found,), _ = solving.solve(GAME, [GAME.read_name("4 5 6 10")], "mcts", {}, mode, trees=True)
    assert found.solved
    assert found.repeated_tokens == 0
    said = [(found.tree.parent[node], found.tree.line[node]) for node in range(1, len(found.tree))]
    assert len(said) == len(set(said))


# ------------------------------------------------------------------------------------------------------------ probes
def test_probes_gather_what_they_say():
    problems = ["4 5 6 10", "1 1 1 8"]
    numbers = probe_problems(Probe(tries="none"), GAME, problems, progress=False)
    assert (numbers[list(PROBE_COSTS)] == 0).all().all()
    assert numbers.loc["4 5 6 10", "sum"] == 25
    value = probe_problems(Probe(tries="value"), GAME, problems, critic=CRITIC, progress=False)
    texts = [TASK.text(TASK.start(puzzle)) for puzzle in ((4, 5, 6, 10), (1, 1, 1, 8))]
    assert value["try_value"].tolist() == pytest.approx(CRITIC.score(texts))
    assert (value["try_tokens"] == 0).all()
    full = probe_problems(Probe(), GAME, problems, POLICY, CRITIC, oracle=True, progress=False)
    assert (full["try_tokens"] > 0).all()
    assert full["try_value"].tolist() == pytest.approx(value["try_value"].tolist())
    groups = group_columns(full)
    assert list(groups) == ["all", "numbers", "try", "free", "none", "oracle"]
    assert set(groups["free"]) == {*groups["numbers"], "try_value"}
    assert not any(name.startswith("oracle_") for name in groups["all"])
    assert set(groups["oracle"]) - set(groups["all"]) == {"oracle_solutions", "oracle_alive"}
    assert list(group_columns(numbers)) == ["all", "none"]
    for wrong, named in (({"structure": "some"}, "structure"), ({"tries": "two"}, "tries"),
                         ({"structure": "none", "tries": "none"}, "must not all be none")):  # fmt: skip
        with pytest.raises(ValueError, match=named):
            Probe(**wrong)
    with pytest.raises(ValueError, match="the parts are needed"):
        probe_problems(Probe("none", "none", encoder="bert"), GAME, problems, progress=False)


# --------------------------------------------------------------------------------------- ablations and evaluation
@pytest.fixture(scope="module")
def ablations():
    table, features = make_world(200, noise=0.3)
    configurations = {"logistic, all": ["sum", "try_level"], "logistic, none": [],
                      "logistic, oracle": ["sum", "oracle_level"]}  # fmt: skip
    config = RouterConfig(model="logistic")
    return table, features, {name: (config, columns) for name, columns in configurations.items()}


def test_ablations_are_compared_and_the_fair_one_that_gains_most_is_picked(ablations):
    table, features, configurations = ablations
    measured = compare_ablations(table, features, configurations, repeats=20, progress=False).set_index("lesson")
    assert list(measured.index) == ["logistic, all", "logistic, none", "logistic, oracle"]
    assert measured["loss"].idxmin() == "logistic, oracle"
    assert measured["excess"].min() > 0
    assert measured["known_gain"].idxmax() == "logistic, oracle"  # which pays for no probe, too
    assert pick_ablation(measured.reset_index(), list_choices(configurations)) == "logistic, all"
    assert list_choices(configurations, group="none") == ["logistic, none"]
    with pytest.raises(ValueError, match="model mlp and features any must be one of logistic, all; "):
        list_choices(configurations, "mlp")
    trees = list_ablations(features[["sum"]], ["boosting", "logistic"], {})  # compared, and not stored
    assert list(trees) == ["boosting, all", "boosting, none", "logistic, all", "logistic, none"]
    choices = list_choices(trees)
    assert pick_ablation(pd.DataFrame({"lesson": list(trees), "known_gain": [3, 2, 1, 0]}), choices) == "logistic, all"
    with pytest.raises(ValueError, match="boosting is compared and not stored"):
        list_choices(trees, "boosting")
    published = list_ablations(features, [], {"seed": 3, "model": "mlp"}, published=True)
    assert list(published) == ["published, all"]
    assert (published["published, all"][0].hidden, published["published, all"][0].seed) == ((200, 200), 3)


def test_the_router_of_an_ablation_is_ready_to_be_used(ablations, tmp_path):
    table, features, configurations = ablations
    trained = train_and_evaluate(table, features, configurations, "logistic, all", repeats=20, facts={"task": "game24"})
    assert trained.evaluation.price == evaluate_router(trained.rows, repeats=2).price
    assert trained.timed.axis == "seconds"
    assert trained.reliability["n"].sum() == (trained.rows["part"] == "test").sum()
    router = planning.find_router(trained.router.save(tmp_path / "router"))
    assert router.facts["ablation"] == "logistic, all"
    assert router.facts["prices"] == {"verified": trained.evaluation.price}
    untimed = train_and_evaluate(table.drop(columns="seconds"), features, configurations, "logistic, none", repeats=2)
    assert untimed.timed is None
    with pytest.raises(ValueError, match="router: task must be game24, which it was trained on, got gsm8k"):
        planning.plan(router, open_environment("gsm8k", held_out=1), ["?"], POLICY, CRITIC)


def test_an_evaluation_is_of_test_puzzles_and_its_choices_are_not(ablations):
    table, features, configurations = ablations
    config, columns = configurations["logistic, all"]
    router = train(config, table, features, columns=columns, progress=False)
    rows = join_rows(table, router.predict(features), router.charge(features))
    judged = evaluate_router(rows, repeats=20)
    assert set(judged.grid.problems) == set(table.loc[table["part"] == "test", "problem"])
    assert judged.point["step"] == judged.price
    assert judged.point["gain"] > 0
    assert judged.hull[-1] == "best_of_n@64"
    other = rows.assign(probability=rows["probability"].where(rows["part"] != "test", 1 - rows["probability"]))
    assert evaluate_router(other, repeats=2).price == judged.price
    ways = compare_ways(judged, judged.point["cost"]).set_index("way")["accuracy"]
    assert ways["router"] == pytest.approx(judged.point["accuracy"])
    assert ways["hull of fixed arms"] == pytest.approx(judged.point["hull"])
    assert ways["oracle"] == pytest.approx(judged.point["oracle"])
    assert set(ways.index) == {"router", "hull of fixed arms", "oracle", "router's mix at random", "any arm at random",
                               "difficulty alone", "cascade, verified"}  # fmt: skip
    facts = describe_schedules(rows)
    assert facts["prices"] == {"verified": judged.price}
    schedule = facts["schedules"]["verified"]
    assert schedule["price"] == list(judged.at_prices["step"])
    assert set(schedule["arm"]) <= {"", *judged.grid.arms}
    assert json.loads(json.dumps(schedule)) == schedule
    assert evaluate_router(rows, "seconds", repeats=2).axis == "seconds"
    for spoilt, named in (
        (rows.drop(columns="part"), "must have the column 'part'"),
        (rows[rows["part"] != "test"], "no puzzles of the part test"),
        (rows[~rows["part"].isin(["calibration", "stopping"])], "calibration or stopping"),
    ):
        with pytest.raises(ValueError, match=named):
            evaluate_router(spoilt)
    with pytest.raises(ValueError, match="axis must be 'tokens' where the seconds"):
        evaluate_router(rows.drop(columns="seconds"), "seconds")


def test_modes_are_kept_apart():
    table, _ = make_world(4)
    both = pd.concat([table, table.assign(verified=False, arm=table["arm"] + " by rules")])
    assert keep_arms(both, mode="rules")["arm"].str.endswith("by rules").all()
    assert len(keep_arms(both, mode="both")) == len(both)
    blind = both.assign(mode="blind", arm=both["arm"] + " blind")
    every = pd.concat([name_modes(both), blind])
    assert {mode: keep_arms(every, mode=mode)["arm"].nunique() for mode in ("blind", "rules", "verified", "both")} == {
        "blind": 8, "rules": 4, "verified": 4, "both": 16,
    }  # fmt: skip
    pd.testing.assert_frame_equal(keep_arms(every, mode="unverified"), keep_arms(every, mode="rules"))
    with pytest.raises(ValueError, match="none of the 4 arms is rules"):
        keep_arms(table, mode="rules")
    with pytest.raises(ValueError, match=r"mode must be one of both, .* got 'half'"):
        keep_arms(table, mode="half")
