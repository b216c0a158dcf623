"""Answers of arms in rows: texts and what they earn, equal cost found, memory measured, rewards that may not speak."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import tiny_models

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.decoding import ANSWER, Scorer, match, open_inside, tabulate_answers
from game24lab.evaluation.evaluate import COLUMNS, evaluate
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.tasks.environments import list_text_alone, open_environment
from game24lab.tasks.numbers.task import Game24

PROBLEMS = [(4, 5, 6, 10), (1, 2, 3)]
GAME = open_environment("game24", held_out=2)
SCORER = Scorer(GAME, {"output": 1.0, "process": 0.5, "length": 0.0})
FORM = Scorer(GAME, {"length": 1.0, "finished": 0.5})
LOOK = {"max_tokens": 10, "simulations": 2, "depth": 1, "top_k": 2, "every": 4}


@pytest.fixture(scope="module")
def policy():
    return TransformersPolicy(*tiny_models.make("qwen3", seed=3), frozen=True)


@pytest.fixture(scope="module")
def rows(policy):
    arms = {
        "plain": Arm("lookahead", LOOK | {"simulations": 0}, "rules"),
        "look": Arm("lookahead", LOOK, "rules"),
        "look, verified": Arm("lookahead", LOOK),
        "best of 2": Arm("best_of_n", {"n": 2, "choose": "logprob", "max_tokens": 10}, "rules"),
        "best of 9": Arm("best_of_n", {"n": 9, "choose": "logprob", "max_tokens": 10}, "rules"),
    }
    return evaluate(Game24(), PROBLEMS, arms, policy, scorer=SCORER, form=FORM, seeds=(0, 1), progress=False)


def test_every_arm_has_a_row_for_each_problem_and_seed(rows):
    assert list(rows) == [*COLUMNS, *ANSWER, *(f"reward/{name}" for name in SCORER.weights)]
    assert len(rows) == 5 * 2 * 2
    assert set(rows["problem"]) == {"4 5 6 10", "1 2 3"}
    assert (rows["wall_seconds"] > 0).all()


def test_the_text_is_what_its_tokens_say_and_earns_what_the_judge_says(rows):
    inside = rows[rows["algorithm"] == "lookahead"]
    for row in inside.to_dict("records"):
        pieces = json.loads(row["pieces"])
        assert len(pieces) == row["answer_tokens"]
        assert "".join(text for text, _ in pieces).count("5") == row["text"].count("5")
    for row in rows.to_dict("records"):
        (earned,) = SCORER.score([tuple(map(int, row["problem"].split()))], [row["text"]])
        assert row["reward"] == earned["total"]
        assert all(row[f"reward/{name}"] == earned[name] for name in SCORER.weights)
    assert (rows.loc[rows["strategy"] == "plain", "decisions"] == 0).all()
    assert (rows.loc[rows["strategy"] == "look", "decisions"] > 0).all()


def test_summaries_hold_accuracy_rewards_and_speed(rows):
    table = tabulate_answers(rows).set_index("arm")
    assert list(table.index) == ["plain", "look", "look, verified", "best of 2", "best of 9"]
    part = rows[rows["strategy"] == "look"]
    assert table.loc["look", "reward"] == pytest.approx(part["reward"].mean())
    assert table.loc["look", "seconds_per_token"] == pytest.approx(part["seconds"].sum() / part["answer_tokens"].sum())
    assert table.loc["look", "wall_seconds"] == pytest.approx(part["wall_seconds"].unique().mean())


def make_row(arm, algorithm, solved, tokens, mode="verified", problem="a", seed=0, wall=1.0):
    return {"strategy": arm, "algorithm": algorithm, "parameters": '{"simulations": 3}', "mode": mode,
            "solved": solved, "sampled_tokens": tokens, "problem": problem, "seed": seed,
            "wall_seconds": wall}  # fmt: skip


def test_a_lookahead_is_held_against_the_cheapest_that_spends_as_much():
    table = pd.DataFrame([
        *(make_row("look", "lookahead", place < 6, 100, problem=str(place), wall=4.0) for place in range(10)),
        *(make_row("of 2", "best_of_n", place < 2, 60, problem=str(place), wall=1.0) for place in range(10)),
        *(make_row("of 4", "best_of_n", place < 5, 120, problem=str(place), wall=2.0) for place in range(10)),
        *(make_row("of 8", "best_of_n", place < 9, 240, problem=str(place), wall=3.0) for place in range(10)),
        *(make_row("other", "best_of_n", True, 100, "rules", str(place)) for place in range(10)),
    ])  # fmt: skip
    (tokens,) = match(table, "sampled_tokens").to_dict("records")
    assert (tokens["arm"], tokens["baseline"], tokens["enough"], tokens["problems"]) == ("look", "of 4", True, 10)
    assert (tokens["accuracy"], tokens["baseline_accuracy"]) == (0.6, 0.5)
    assert tokens["difference"] == pytest.approx(0.1)
    assert tokens["low"] <= 0.1 <= tokens["high"]
    (seconds,) = match(table, "wall_seconds").to_dict("records")
    assert (seconds["baseline"], seconds["enough"], seconds["spent"]) == ("of 8", False, 0.4)
    assert seconds["difference"] == pytest.approx(-0.3)
    assert match(table[table["algorithm"] == "best_of_n"], "sampled_tokens").empty
    with pytest.raises(ValueError, match=r"unit must be one of .*, got 'flops'"):
        match(table, "flops")


def test_where_all_differ_alike_the_interval_claims_no_certainty():
    table = pd.DataFrame(
        [
            *(make_row("look", "lookahead", True, 9, problem=str(place)) for place in range(8)),
            *(make_row("of 2", "best_of_n", False, 9, problem=str(place)) for place in range(8)),
        ]
    )
    (found,) = match(table, "sampled_tokens").to_dict("records")
    assert found["difference"] == 1.0
    assert found["low"] < 0.8


def test_only_rewards_of_the_text_alone_are_honest():
    assert FORM.honest
    assert not SCORER.honest
    assert Scorer(GAME, {"length": 1.0, "output": 0.0}).honest, "a metric pays nothing"
    assert SCORER.list_text_alone() == {"length": 1.0}
    assert list_text_alone() == {"strict_format", "soft_format", "xml_count", "calculations", "finished", "lines",
                                 "length", "rollbacks"}  # fmt: skip
    world = open_inside(Game24(), None, FORM)
    assert (world.honest, world.span) == (True, (0.0, 1.5))
    assert open_inside(Game24(), None).reward is None


def test_bad_weights_are_named():
    with pytest.raises(ValueError, match="did you mean 'length'"):
        Scorer(GAME, {"lenght": 1.0})


def test_memory_is_what_was_taken_on_top():
    """In a process of its own: what other tests leave behind, and give back at any moment, is none of the work's."""
    code = """
import gc, numpy as np
from game24lab.runs.memory import measure_memory
def work():
    gc.collect()
    return np.ones(30_000_000).sum()
held = [np.ones(15_000_000)]
held.append(held)
gc.disable()
del held
print(*measure_memory(work))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, taken = done.stdout.split()
    assert float(found) == 30_000_000
    assert taken == "None" or 200e6 < float(taken) < 400e6


def test_memory_does_not_depend_on_what_was_measured_before():
    """What earlier work has freed, but the allocator keeps, is given back first: else what follows seems to take none.
    """
    code = """
import gc, sys
from game24lab.runs.memory import measure_memory
pins = []
def work(megabytes):
    def take():
        held = [bytes(10_000) for _ in range(100 * megabytes)]
        pins.append(bytes(10_000))  # keeps what lies below it from being given back by itself
        return len(held)
    return take
for megabytes in map(int, sys.argv[1:]):
    print(measure_memory(work(megabytes))[1])
"""
    taken = {}
    for order in ("40 200", "200 40"):
        done = subprocess.run([sys.executable, "-c", code, *order.split()], capture_output=True, text=True, check=True)
        taken |= {(order, size): line for size, line in zip(order.split(), done.stdout.split(), strict=True)}
    if "None" not in taken.values():  # a system that tells
        for size in ("40", "200"):
            first, second = (float(taken[order, size]) for order in ("40 200", "200 40"))
            assert abs(first - second) < 0.25 * int(size) * 1e6
            assert first > 0.7 * int(size) * 1e6
