"""Recipes and grids of arms: lists as choices, estimates, files for each arm and seed; the recipes that ship."""

import sys
from pathlib import Path

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation import grid as recipes
from game24lab.evaluation.arms import STRATEGIES, Arm
from game24lab.evaluation.completions import read_completions
from game24lab.evaluation.grid import (
    check_arms,
    describe_cost,
    estimate_cost,
    expand_arms,
    find_family,
    run_arms,
    take_chunk,
)
from game24lab.runs.notebook import read_overrides, read_parameters
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.task import Game24

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "09_strategies.ipynb"
TASK, POLICY, CRITIC = Game24(), FakePolicy(), FakeCritic()
PUZZLES = list_solvable()[:6]
BOTH = ("rules", "verified")


def read_recipe(path):
    given = {name: parameter.default for name, parameter in read_parameters(NOTEBOOK).items()} | read_overrides(path)
    grid = given["arms"] or {given["strategy"]: {"parameters": given["options"], "budget": given["budget"]}}
    return expand_arms(grid, modes=given["modes"])


# -------------------------------------------------------------------------------------------------------- grids
def test_every_combination_of_lists_is_an_arm_called_after_what_differs():
    arms = expand_arms({
        "greedy": None,
        "beams": {"algorithm": "beam_search", "parameters": {"n": [4, 8], "beam_width": [2, 4], "lookahead": 0}},
        "mcts": {"parameters": {"simulations": 8}, "mode": ["verified"], "budget": {"sampled_tokens": [50, 100]}},
    }, modes=BOTH)  # fmt: skip
    assert list(arms)[:3] == ["greedy@rules", "greedy@verified", "beams@n=4,beam_width=2,rules"]
    assert list(arms)[-2:] == ["mcts@sampled_tokens=50", "mcts@sampled_tokens=100"]
    assert len(arms) == 2 + 2 * 4 + 2
    assert arms["beams@n=8,beam_width=2,verified"] == Arm(
        "beam_search", {"n": 8, "beam_width": 2, "lookahead": 0}, "verified"
    )
    assert arms["mcts@sampled_tokens=50"] == Arm("mcts", {"simulations": 8}, "verified", {"sampled_tokens": 50})
    assert {find_family(arm) for arm in arms} == {"greedy", "beams", "mcts"}
    assert list(expand_arms({"mcts": {}})) == ["mcts"]


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({}, "a mapping from names to strategies"),
        ({"mtcs": {}}, "did you mean 'mcts'"),
        ({"mcts": 3}, "arm 'mcts' must be a mapping with keys"),
        ({"mcts": {"paramters": {}}}, "arm 'mcts' has the key 'paramters'.*did you mean 'parameters'"),
        ({"mcts": {"parameters": {"widht": [1, 2]}}}, "arm 'mcts@widht=1': .*did you mean 'width'"),
        ({"mcts": {"parameters": {"width": []}}}, "arm 'mcts': width .*at least one value"),
        ({"mcts": {"mode": []}}, "arm 'mcts': mode .*at least one value"),
        ({"mcts@2": {"algorithm": "mcts"}}, "arm name must not hold @"),
        ({"the best": {"algorithm": "mcts"}}, "it becomes a file's"),
        ({"mcts": {"mode": "both"}}, "mode must be one of blind, rules, verified, got 'both'"),
    ],
)
def test_grids_that_make_no_sense_are_named(grid, reason):
    with pytest.raises(ValueError, match=reason):
        expand_arms(grid)


def test_parameters_that_contradict_each_other_are_found_before_any_model_is_called():
    arms = expand_arms({"greedy": {}, "beam_search": {"parameters": {"n": [4, 8], "beam_width": 8}}})
    policy, critic = FakePolicy(), FakeCritic()
    with pytest.raises(ValueError, match="arm 'beam_search@n=4': beam_width must be an integer from 1 to 4, got 8"):
        run_arms("nowhere", TASK, PUZZLES, arms, policy, critic, progress=False)
    with pytest.raises(ValueError, match=r"arm 'mcts': .*there is no critic"):
        check_arms(TASK, PUZZLES[0], {"mcts": Arm("mcts")}, policy)
    assert policy.calls == critic.calls == []
    assert not Path("nowhere").exists()


# --------------------------------------------------------------------------------------------------------- runs
def test_a_grid_is_a_file_for_each_arm_and_seed_and_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    arms = expand_arms({"greedy": {}, "best_of_n": {"parameters": {"n": [2, 4]}}}, modes=["rules"])
    settings = {"seeds": (3, 4), "chunk": 2, "progress": False, "traces": False}
    real, calls = recipes.write_completions, []

    def dying(path, task, problems, *rest, **given):
        calls.append(path.name)
        if len(calls) == 4:
            real(path, task, problems[:2], *rest, **given)
            raise KeyboardInterrupt
        return real(path, task, problems, *rest, **given)

    monkeypatch.setattr(recipes, "write_completions", dying)
    with pytest.raises(KeyboardInterrupt):
        run_arms(tmp_path, TASK, PUZZLES, arms, POLICY, CRITIC, **settings)
    monkeypatch.undo()
    assert "36 searches left, arms: 3. By 4 problems of each: about" in capsys.readouterr().out
    half = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(half) == 4
    paths = run_arms(tmp_path, TASK, PUZZLES, arms, POLICY, CRITIC, **settings)
    assert "16 searches left, arms: 2. By" in capsys.readouterr().out
    assert [path.name for path in paths] == [f"{arm}_seed{seed}_completions.jsonl" for arm in arms for seed in (3, 4)]
    assert paths[0].name == "greedy_seed3_completions.jsonl"
    for path in paths:
        assert [row["problem"] for row in read_completions(path)] == [" ".join(map(str, p)) for p in PUZZLES]
        assert path.read_bytes().startswith(half.get(path.name, b""))
    run_arms(tmp_path, TASK, PUZZLES, arms, POLICY, CRITIC, **settings)
    assert capsys.readouterr().err == ""


def test_the_estimate_scales_a_trial_to_what_is_left():
    arms = expand_arms({"best_of_n": {"parameters": {"n": [2, 8], "batch": 0}}}, modes=["rules"])
    left = {"best_of_n@n=2": 0, "best_of_n@n=8": 600}
    policy = FakePolicy()
    estimate = estimate_cost(TASK, PUZZLES, arms, policy, CRITIC, left=left, trial=3, progress=False)
    (call,) = policy.calls
    assert call["prompts"] == [TASK.prompt(PUZZLES[place]) for place in (0, 2, 4)]
    tokens = sum(completion.tokens for answers in call["answers"] for completion in answers)
    (row,) = estimate.to_dict("records")
    assert (row["arm"], row["searches"], row["policy_calls"]) == ("best_of_n@n=8", 600, 600)
    assert row["sampled_tokens"] == pytest.approx(tokens / 3 * 600)
    said = describe_cost(estimate)
    assert said.startswith(f"600 searches left, arms: 1. By 3 problems of each: about {tokens * 200:,} sampled tokens,")
    assert said.endswith(" at this pace")
    nothing = estimate_cost(TASK, PUZZLES, arms, policy, CRITIC, left=dict.fromkeys(left, 0), progress=False)
    assert describe_cost(nothing) == "nothing is left to do"
    with pytest.raises(ValueError, match="trial must be an integer >= 1, got 0"):
        estimate_cost(TASK, PUZZLES, arms, policy, CRITIC, left=left, trial=0)


def test_chunks_of_a_list_of_problems():
    assert take_chunk(PUZZLES) == PUZZLES
    assert [*take_chunk(PUZZLES, 0, 4), *take_chunk(PUZZLES, 4)] == list(PUZZLES)
    assert take_chunk(PUZZLES, 4, 100) == PUZZLES[4:]
    for start, end in ((6, 0), (3, 2), (-1, 0), (0, -2)):
        with pytest.raises(ValueError, match=f"places among 6 problems.*got {start} and {end}"):
            take_chunk(PUZZLES, start, end)


# ------------------------------------------------------------------------------------------------- what ships
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_recipe_that_runs(name):
    arms = read_recipe(ROOT / "params" / "strategies" / f"{name}.yaml")
    assert list(arms) == [f"{name}@verified", f"{name}@rules"]
    assert {arm.algorithm for arm in arms.values()} == {name}
    check_arms(TASK, PUZZLES[0], arms, POLICY, CRITIC)


def test_the_routers_grid_holds_budgets_of_every_kind():
    assert not {path.stem for path in (ROOT / "params" / "strategies").iterdir()} - set(STRATEGIES)
    arms = read_recipe(ROOT / "params" / "lab" / "09_strategies.yaml")
    check_arms(TASK, PUZZLES[0], arms, POLICY, CRITIC)
    kinds = {arm.algorithm for arm in arms.values()}
    assert {"greedy", "best_of_n", "beam_search", "dvts", "mcts", "particle_filter"} <= kinds
    pool = [arm for arm in arms.values() if arm.algorithm == "best_of_n" and arm.mode == "rules"]
    assert max(arm.parameters["n"] for arm in pool) >= 32


def test_the_time_left_knows_what_arms_take():
    """40 s for the first of 120 searches that run together are not 1:20:42 for the rest."""
    bar = recipes._Bar(total=120, disable=True)
    bar.foretell({"a": 100, "b": 20}, {"a": 0.1, "b": 2.0})
    assert bar.find_time_left(0.0) == pytest.approx(50.0)
    bar.arm = "a"
    bar.update(1)
    assert bar.find_time_left(40.0) < 140
    bar.update(99)
    assert bar.find_time_left(20.0) == pytest.approx(0.8 * (20 + 0.8 * 50))
    bar.arm = "b"
    bar.update(20)
    assert bar.find_time_left(60.0) == 0.0


def test_without_a_trial_the_pace_so_far_tells_the_time_left():
    bar = recipes._Bar(total=10, disable=True)
    bar.foretell({"a": 10}, {})
    assert bar.find_time_left(5.0) is None
    bar.arm = "a"
    bar.update(5)
    assert bar.find_time_left(10.0) == pytest.approx(10.0)


def test_a_bar_shows_the_time_left(capsys):
    with recipes._Bar(total=4, mininterval=0, file=sys.stderr) as bar:
        bar.foretell({"a": 4}, {"a": 900.0})
        bar.refresh()
        assert bar.format_dict["rate"] == pytest.approx(4 / 3600, rel=0.01)
    assert "<1:00:00" in capsys.readouterr().err
