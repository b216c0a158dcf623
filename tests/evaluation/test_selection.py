"""Ways to choose: by hand on a few answers, and the same as the strategies of the search on the same samples."""

import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.selection import compare_selections
from game24lab.search.engine import run
from game24lab.search.sampling import best_of_n
from game24lab.search.voting import majority, weighted_majority
from game24lab.tasks.numbers.task import Game24
from game24lab.training.critic_data import collect_trajectories, list_answers

TASK = Game24()
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6), (1, 1, 4, 6), (2, 3, 5, 12)]
# five answers to one problem: two wrong ones agree, the critic likes one right one, one has no end
ANSWERS = pd.DataFrame({
    "problem": "a", "solved": [False, False, True, True, False], "ended": [True, True, True, True, False],
    "position": [1, 1, 2, 2, 3], "answer": [1, 1, 2, 3, -1], "logprob": [-1.0, -1.0, -2.0, -3.0, -0.1],
    "value": [0.0, 0.0, -0.8, 0.5, 1.0],
})  # fmt: skip


def choose(answers, k, **settings):
    table = compare_selections(answers, [k], **settings)
    return dict(zip(table["arm"], table["accuracy"], strict=True))


def test_choices_by_hand():
    assert choose(ANSWERS, 5) == {"any": 1, "majority": 0, "likeliest": 0, "critic max": 1, "critic vote": 0}
    # one ballot more for 24: the vote is even, and the first of equals wins
    assert choose(ANSWERS, 5, by="answer")["majority"] == 0
    assert choose(ANSWERS.assign(value=[0.0, 0.0, 0.2, 0.5, 1.0]), 5)["critic vote"] == 1
    assert choose(ANSWERS.iloc[2:].reset_index(drop=True), 3)["majority"] == 1
    assert choose(ANSWERS.iloc[4:].reset_index(drop=True), 1) == dict.fromkeys(
        ("any", "majority", "likeliest", "critic max", "critic vote"), 0)  # fmt: skip
    assert choose(ANSWERS.drop(columns="value"), 5).keys() == {"any", "majority", "likeliest"}


def test_of_one_answer_all_choices_are_alike():
    table = compare_selections(ANSWERS, [1], repeats=500)
    assert table["accuracy"].to_numpy() == pytest.approx([0.4] * 5, abs=0.07)
    assert table["accuracy"].iloc[0] == pytest.approx(0.4)  # pass@k is exact


class Repeating:
    """A policy that samples alike whatever the seeds: search and collection see the same answers."""

    def __init__(self):
        self.inner, self.parameters, self.name = FakePolicy(), 1000, "repeating"

    def count(self, text):
        return self.inner.count(text)

    def generate(self, prompts, n, *, seeds=None, **settings):
        return self.inner.generate(prompts, n, seeds=[len(prompt) + ord(prompt[7]) for prompt in prompts], **settings)


def test_the_search_chooses_the_same():
    policy, critic = Repeating(), FakeCritic()
    answers = list_answers(
        collect_trajectories(TASK, {"a": policy}, PUZZLES, samples=8, keep=0, temperature=1.0, top_k=0)
    )
    answers["value"] = critic.score(answers["text"].tolist())
    found = choose(answers, 8)
    strategies = {
        "critic max": (best_of_n, {"batch": 0}),
        "majority": (majority, {}),
        "likeliest": (best_of_n, {"batch": 0, "choose": "logprob"}),
        "critic vote": (weighted_majority, {}),
    }
    for arm, (algorithm, more) in strategies.items():
        outcomes = run(TASK, PUZZLES, algorithm, policy, critic, parameters={"n": 8, **more}, mode="rules")
        assert found[arm] == pytest.approx(sum(o.solved for o in outcomes) / len(PUZZLES)), arm
    assert 0 < found["majority"] <= found["any"]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"by must be one of .*, got 'text'"):
        compare_selections(ANSWERS, by="text")
    with pytest.raises(ValueError, match=r"ks must be integers from 1 to 5, .*got \[8\]"):
        compare_selections(ANSWERS, [8])
