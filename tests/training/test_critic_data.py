"""Trajectories: judged exactly, kept as wanted; targets agree with the textbook and a sum by hand."""

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCompletion, FakePolicy

from game24lab.tasks.gsm8k.environment import open_word_game
from game24lab.tasks.numbers.solutions import make_solutions
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Sample
from game24lab.training.critic_data import (
    collect_trajectories,
    count_positions,
    find_targets,
    hold_out,
    label_lines,
    list_answers,
    list_open,
    list_right,
    list_siblings,
    mark_faults,
    measure_noise,
    name_target,
    require_moves,
    set_chances,
)

TASK = Game24()
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]
SOLUTION = "6 + 6 = 12 (left: 6 6 12)\n6 + 6 = 12 (left: 12 12)\n12 + 12 = 24 (left: 24)\n"
LOST = "6 / 6 = 1 (left: 1 6 6)\n6 / 6 = 1 (left: 1 1)\n1 + 1 = 2 (left: 2)\n"
ILLEGAL = "6 + 6 = 12 (left: 6 6 12)\n6 + 6 = 13\n"


def collect_positions(task, policy, problems, rollouts):
    """Positions of all rollouts of one policy, none left out."""
    return count_positions(collect_trajectories(task, {"": policy}, problems, samples=rollouts, keep=0,
                                                temperature=1.0, top_k=0))  # fmt: skip


class Recital:
    """A policy that recites these texts, one after the other."""

    parameters, name = 1, "recital"

    def __init__(self, *texts):
        self.texts = texts

    def generate(self, prompts, n, **_):
        says = [FakeCompletion(text, (1, 2), (-1.0, -0.5), "stop") for text in self.texts]
        return [[says[index % len(says)] for index in range(n)] for _ in prompts]


def test_trajectories_are_judged_line_by_line():
    table = collect_trajectories(TASK, {"a": Recital(SOLUTION, LOST, ILLEGAL)}, [(6, 6, 6, 6)], samples=3, keep=0)
    assert table.groupby("trajectory")["label"].apply(list).tolist() == [
        ["6 6 6 6", "6 6 12", "12 12", "24"], ["6 6 6 6", "1 6 6", "1 1", "2"], ["6 6 6 6", "6 6 12"]]  # fmt: skip
    assert table.groupby("trajectory")[["solved", "ended"]].first().values.tolist() == [
        [True, True], [False, True], [False, False]]  # fmt: skip
    last = table.groupby("trajectory").last()
    assert last["answer"].tolist()[2] == -1
    assert last["answer"].nunique() == 3
    assert (table["logprob"] == -1.5).all()
    assert table.groupby("label")["position"].nunique().eq(1).all()
    assert table.attrs["sampled_tokens"] == 6
    assert not table.loc[table["label"].isin(["1 1", "2"]), "truth"].any()


def test_right_chains_are_listed_with_all_their_beginnings():
    head = "Input: 6 6 6 6\n"
    table = list_right([Sample(head, SOLUTION), Sample(head, SOLUTION), Sample(head, SOLUTION.split("\n")[0] + "\n")])
    lines = SOLUTION.splitlines(keepends=True)
    assert table["text"].tolist() == [head + "".join(lines[:end]) for end in range(4)]
    assert (table[["visits", "solved", "copies"]] == 1).all(axis=None)
    assert list(list_right([])) == ["text", "visits", "solved", "copies"]
    world = TASK.believe()
    drawn = list_right(make_solutions([(4, 5, 6, 10), (1, 2, 3, 4)], 30, held_out=(), opening_share=0.0))
    assert all(world.truth(world.read(text)) for text in drawn["text"])


def test_texts_are_kept_once_and_so_many_a_problem_and_policy():
    policies = {"a": Recital(LOST, LOST, SOLUTION, ILLEGAL), "b": Recital(SOLUTION)}
    table = collect_trajectories(TASK, policies, [(6, 6, 6, 6), (1, 1, 6, 6)], samples=8, keep=2)
    own = table[table["problem"] == "6 6 6 6"].groupby(["policy", "trajectory"], sort=False)["solved"].first()
    assert own.loc["a"].tolist() == [False, True]  # the first two distinct ones
    assert own.loc["b"].tolist() == [True]
    assert table.attrs["sampled_tokens"] == 2 * 2 * 8 * 2  # also of what was thrown away
    everything = collect_trajectories(TASK, policies, [(6, 6, 6, 6)], samples=8, keep=0)
    assert everything["trajectory"].nunique() == 16


def test_positions_can_be_begun_at_by_their_text():
    text = "Input: 8/3 3 8\n"
    right, wrong = "3 - 8/3 = 1/3 (left: 1/3 8)\n8 / 1/3 = 24 (left: 24)\n", "3 + 8 = 11 (left: 8/3 11)\n"
    table = collect_trajectories(TASK, {"a": Recital(right, wrong)}, [], texts=[text], samples=2, keep=0)
    assert table["label"].tolist() == ["8/3 3 8", "1/3 8", "24", "8/3 3 8", "8/3 11"]
    assert table["solved"].tolist() == [True] * 3 + [False] * 2
    assert table["problem"].unique().tolist() == [text]
    assert table["truth"].tolist() == [True, True, True, True, False]
    with pytest.raises(ValueError, match="must show a position of this game"):
        collect_trajectories(TASK, {"a": Recital(right)}, [], texts=["Input: eight\n"], samples=2)


def test_answers_without_a_legal_move_are_refused_and_others_passed_on():
    """A critic of whole problems alone says one thing of everything, and nothing can be calibrated."""
    table = collect_trajectories(TASK, {"a": Recital("2 - 11 = 2 (left: 2 11)")}, [(6, 6, 6, 6)], samples=3, keep=0)
    with pytest.raises(ValueError, match=r"legal move, .* got none in 3 answers to 1 problems: train the policy"):
        require_moves(table)
    table = collect_trajectories(TASK, {"a": Recital(SOLUTION)}, [(6, 6, 6, 6)], samples=1, keep=0)
    assert require_moves(table) is table


def test_calls_in_parts_change_nothing_but_the_calls():
    whole = collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES, samples=6, seeds=range(5))
    parts = collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES, samples=6, seeds=range(5), chunk=2)
    pd.testing.assert_frame_equal(whole, parts)


def test_positions_count_outcomes_exactly():
    policy = FakePolicy()
    table = collect_positions(TASK, policy, PUZZLES, rollouts=8)
    assert table["label"].is_unique
    roots = table[table["depth"] == 0]
    assert (roots["visits"] == 8).all()
    assert len(roots) == len(PUZZLES)
    completions = policy.generate([TASK.text(TASK.start(p)) for p in PUZZLES], 8, max_tokens=48)
    assert table.attrs["sampled_tokens"] == sum(c.tokens for group in completions for c in group)
    last = table[~table["label"].str.contains(" ")]
    assert ((last["solved"] == last["visits"]) == (last["label"] == "24")).all()
    assert (table["solved"] <= table["visits"]).all()
    assert not table[(table["solved"] > 0) & ~table["truth"].astype(bool)].size


def test_validation_is_by_problem():
    table = collect_trajectories(TASK, {"a": FakePolicy(), "b": FakePolicy(skill=1)}, PUZZLES, samples=4)
    training, validation = hold_out(table, 0.4, seed=3)
    assert validation["problem"].nunique() == 2
    assert not set(training["problem"]) & set(validation["problem"])
    assert len(training) + len(validation) == len(table)
    assert not len(hold_out(table, 0.0, seed=3)[1])
    with pytest.raises(ValueError, match="held_out must be a number from 0 to below 1, got 1"):
        hold_out(table, 1, seed=3)


def test_targets_at_both_ends_of_lambda():
    table = collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES, samples=6)
    values = np.random.default_rng(0).uniform(-1, 1, len(table))
    outcome = np.where(table["solved"], 1.0, -1.0)
    assert np.allclose(find_targets(table, values, td_lambda=1.0), outcome)  # Monte Carlo
    assert np.array_equal(find_targets(table), outcome)
    last = table["trajectory"].to_numpy() != np.append(table["trajectory"].to_numpy()[1:], -1)
    one_step = np.where(last, outcome, np.append(values[1:], 0))
    assert np.allclose(find_targets(table, values, td_lambda=0.0), one_step)
    between = find_targets(table, values, td_lambda=0.5)
    assert (np.abs(between) <= 1).all()
    assert not np.allclose(between, one_step)


def test_targets_by_hand():
    """The sum over all n-step returns, (1 - l) sum of l^(n-1) G_n, written out for three positions and a second one."""
    table = pd.DataFrame({"trajectory": [0, 0, 0, 1], "depth": [0, 1, 2, 0], "solved": [True, True, True, False]})
    a, b = 0.2, -0.4
    targets = find_targets(table, [0.9, a, b, 0.3], td_lambda=0.5, gamma=0.9)
    first = 0.5 * (0.9 * a) + 0.25 * (0.81 * b) + 0.25 * 0.81
    assert targets == pytest.approx([first, 0.5 * 0.9 * b + 0.5 * 0.9, 1, -1])


def test_bad_arguments():
    with pytest.raises(ValueError, match="must be at least one each, got 1, 0 and 4"):
        collect_positions(TASK, FakePolicy(), [], rollouts=4)
    with pytest.raises(ValueError, match="must be at least one each, got 0"):
        collect_trajectories(TASK, {}, PUZZLES)
    with pytest.raises(ValueError, match=r"keep.*-1"):
        collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES, keep=-1)
    table = collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES[:1], samples=1)
    with pytest.raises(ValueError, match="without values"):
        find_targets(table, td_lambda=0.9)
    with pytest.raises(ValueError, match="td_lambda must be a number from 0 to 1, got 2"):
        find_targets(table, td_lambda=2)
    with pytest.raises(ValueError, match=r"values must be .* got 1"):
        find_targets(table, [0.0], td_lambda=0.9)


def test_counts_of_a_table_read_back(tmp_path):
    table = collect_trajectories(TASK, {"a": FakePolicy()}, PUZZLES, samples=3)
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(count_positions(pd.read_parquet(tmp_path / "t.parquet")), count_positions(table))


def test_answers_and_siblings():
    table = collect_trajectories(TASK, {"a": Recital(SOLUTION, LOST, ILLEGAL)}, [(6, 6, 6, 6)], samples=3, keep=0)
    assert list_answers(table)["label"].tolist() == ["24", "2", "6 6 12"]
    siblings = list_siblings(TASK, table["text"])
    assert set(siblings["parent"]) == set(table["text"]) - {"Input: 24\n", "Input: 2\n"}  # ends have no children
    assert siblings.groupby("parent")["text"].agg(lambda texts: texts.is_unique).all()
    roots = siblings[siblings["parent"] == "Input: 6 6 6 6\n"].set_index("label")["truth"]
    assert roots.to_dict() == {"6 6 12": True, "0 6 6": False, "6 6 36": True, "1 6 6": False}


def test_exact_chances_take_the_place_of_what_rollouts_say():
    """Live positions have the chance that was measured, dead ones and false chains none; chains that of their end."""
    false = "6 + 6 = 13 (left: 6 6 13)\n6 + 6 = 12 (left: 12 13)\n12 + 13 = 25 (left: 25)\n"
    table = collect_trajectories(TASK, {"a": Recital(SOLUTION, LOST, false)}, [(6, 6, 6, 6)], samples=3, keep=0,
                                 views=[TASK.believe()])  # fmt: skip
    asked = list_open(table)
    assert [TASK.label(TASK.read(text)) for text in asked] == ["6 6 6 6", "6 6 12", "12 12", "1 6 6"][: len(asked)]
    known = {text: 0.1 * place for place, text in enumerate(asked, 1)}
    exact = set_chances(table, known)
    chains = exact[exact["view"] == 1].groupby("trajectory")["chance"].apply(list).tolist()
    plain = exact[exact["view"] == 0].groupby("trajectory")["chance"].apply(list).tolist()
    assert plain[0] == pytest.approx([0.1, 0.2, 0.3, 1.0])
    assert chains[0] == plain[0]
    assert plain[1][0] == pytest.approx(0.1)
    assert plain[1][2:] == [0, 0]
    assert chains[2] == pytest.approx([0.1, 0, 0, 0])
    counted = count_positions(exact)
    assert counted.loc[counted["text"] == asked[0], "chance"].tolist() == pytest.approx([0.1])
    p, visits = counted["chance"], counted["visits"]
    assert measure_noise(counted) == pytest.approx((p * (1 - p) / visits).mean())
    with pytest.raises(ValueError, match="chances must hold every open position, got none of 'Input: 6 6 6 6"):
        set_chances(table, {})
    with pytest.raises(ValueError, match="truth must be known of every position"):
        set_chances(table.assign(truth=None), known)


# Word problems: nobody knows what half an answer can come to, but a false calculation is one.
def write(*lines, answer):
    return "\n".join(["<reasoning>", *lines, "</reasoning>", "<answer>", answer, "</answer>"]) + "\n"


def test_lines_of_word_problems_are_marked_by_their_calculations():
    environment = open_word_game(held_out=1, operations=[1])
    (question,), gold = environment.held_out, environment.know(environment.held_out[0]).written
    said = [write("2 + 2 = 4", answer=gold), write("2 + 2 = 5", "3 + 1 = 4", answer=gold),
            write("2 + 2 = 4", answer="-1"), "<reasoning>\n2 + 2 = 4\n3 + 1 = 5\n"]  # fmt: skip
    table = collect_trajectories(environment.task, {"a": Recital(*said)}, [question], samples=4, keep=0)
    assert (table["problem"] == question).all()
    assert table["truth"].isna().sum() == len(table) - 3, "the task knows ends alone"
    marked = mark_faults(table, environment.rewards.find_fault)
    assert marked.groupby("trajectory")["truth"].apply(list).tolist() == [
        [True] * 7, [True, True, False, False, False, False, False, True], [True] * 6 + [False], [True] * 3 + [False]
    ]  # fmt: skip
    assert table["truth"].isna().any(), "what was given is left alone"
    both = label_lines(marked, "both").groupby("trajectory")["solved"].apply(list).tolist()
    assert both[1] == [True, True, False, False, False, False, False, True]
    assert both[0] == [True] * 7
    assert not any(both[2] + both[3])
    assert label_lines(marked, "rollouts") is marked
    assert (name_target("calculations"), name_target("both")) == ("truth", "rollouts")
    with pytest.raises(ValueError, match="targets must be one of rollouts, calculations, both, got 'exact'"):
        name_target("exact")


def test_starts_of_word_problems_are_not_what_is_held_out():
    environment = open_word_game(held_out=20)
    starts, texts = environment.draw_starts(30)
    assert len({problem.question for problem in starts}) == 30
    assert not {problem.question for problem in starts} & set(environment.held_out)
    assert texts == []
    with pytest.raises(ValueError, match="problems must be an integer >= 1, got 0"):
        environment.draw_starts(0)
