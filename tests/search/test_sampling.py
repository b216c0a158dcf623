"""Greedy and best-of-n: what they choose, when they stop, and what becomes of bad completions."""

import math

import pytest
from fake_models import FakeCompletion, FakeCritic, FakePolicy

from game24lab.search.engine import run
from game24lab.search.sampling import best_of_n, greedy
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Verdict

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (1, 4, 8, 8)]


class Scripted:
    """A policy that says given texts in turn."""

    parameters, name = 10, "scripted"

    def __init__(self, *texts, finish="stop", logprobs=None):
        self.texts, self.finish, self.said = list(texts), finish, 0
        self.logprobs = logprobs or [-1.0] * len(texts)

    def count(self, text):
        return len(text.split())

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        answers = []
        for count in n:
            answers.append([self.say() for _ in range(count)])
        return answers

    def say(self):
        place = self.said % len(self.texts)
        self.said += 1
        tokens = max(1, len(self.texts[place].split()))
        return FakeCompletion(self.texts[place], (1,) * tokens, (self.logprobs[place] / tokens,) * tokens, self.finish)


class Opinion:
    """A critic with given values by the numbers left, as in `n6_4`, 0 elsewhere."""

    parameters, name = 5, "opinion"

    def __init__(self, **values):
        self.values = {f"Input: {key.lstrip('n').replace('_', ' ')}\n": value for key, value in values.items()}

    def count(self, text):
        return len(text.split())

    def score(self, texts):
        return [self.values.get(text, 0.0) for text in texts]


def solve(policy, algorithm=best_of_n, mode="verified", critic=None, problem=(4, 6), **parameters):
    (outcome,) = run(Game24(), [problem], algorithm, policy, critic, parameters=parameters, mode=mode)
    return outcome


@pytest.mark.parametrize(
    ("text", "solved", "outcome", "status"),
    [
        ("4 * 6 = 24 (left: 24)\n", True, "solved", "solved"),
        ("4 * 6 = 24 (left: 24)\nThe answer is 4 * 6 = 24\n", True, "solved", "solved"),
        ("4 * 6 = 24 (left: 24)\nThe answer is 4 * 5 = 24\n", False, "illegal", "illegal"),
        ("4 * 6 = 24 (left: 24)\n24 + 0 = 24\n", False, "illegal", "illegal"),
        ("4 + 6 = 10 (left: 10)\n", False, "wrong value", "wrong"),
        ("4 * 6 = 25 (left: 25)\n", False, "illegal", "illegal"),
        ("\n\n", False, "unfinished", "unfinished"),
        ("", False, "unfinished", "unfinished"),
    ],
)
def test_a_completion_is_read_line_by_line(text, solved, outcome, status):
    found = solve(Scripted(text), greedy)
    assert (found.solved, found.outcome) == (solved, outcome)
    assert bool(found.answer) == solved
    assert found.tree.status[-1] == status
    assert found.tree.sampled == found.cost.sampled_tokens


def test_a_line_cut_off_by_the_token_limit_is_unfinished_not_illegal():
    found = solve(Scripted("4 * 6 = 2", finish="length"), greedy)
    assert found.outcome == "unfinished"
    assert found.tree.status == ["open", "unfinished"]


def test_greedy_takes_the_likeliest_lines_and_its_modes_differ_in_a_wrong_answer_only():
    policy = FakePolicy(illegal=0.01)
    verified = run(Game24(), PUZZLES, greedy, policy, mode="verified")
    by_rules = run(Game24(), PUZZLES, greedy, policy, mode="rules")
    assert {call["temperature"] for call in policy.calls} == {0.0}
    for one, other in zip(verified, by_rules, strict=True):
        assert (one.solved, one.outcome) == (other.solved, other.outcome)
        assert (one.answer == other.answer) == one.solved
        assert other.answer
        assert one.cost.policy_calls == one.cost.depth == one.candidates == 1


def test_verified_best_of_n_ends_with_the_batch_of_the_first_right_answer():
    policy = Scripted("4 + 6 = 10", "4 - 6 = -2", "4 * 6 = 24", "4 + 6 = 10")
    found = solve(policy, n=8, batch=1)
    assert (found.solved, found.stopped, found.candidates, found.correct) == (True, "solved", 3, 1)
    assert found.cost.policy_calls == 3
    assert found.cost.critic_calls == 0
    assert solve(Scripted("4 + 6 = 10"), n=5, batch=2).candidates == 5
    all_at_once = solve(Scripted("4 * 6 = 24"), n=8, batch=0)
    assert (all_at_once.candidates, all_at_once.correct, all_at_once.cost.policy_calls) == (8, 8, 1)


def test_by_the_rules_best_of_n_takes_the_position_that_the_critic_likes_best():
    policy = Scripted("4 + 6 = 10", "4 * 6 = 24", "4 - 6 = -2")
    found = solve(policy, mode="rules", critic=Opinion(n10=0.9, n24=0.1), n=3)
    assert (found.outcome, found.answer, found.correct) == ("wrong value", "4 + 6", 1)
    found = solve(policy, mode="rules", critic=Opinion(n24=0.1, n10=-1), n=3)
    assert (found.solved, found.answer) == (True, "4 * 6")
    assert found.tree.value[0] == 0.0
    assert found.tree.status == ["open", "wrong", "solved", "wrong"]


def test_ties_of_value_go_to_the_likelier_answer():
    texts = ("4 + 6 = 10", "4 * 6 = 24")
    assert solve(Scripted(*texts, logprobs=[-2, -1]), mode="rules", critic=Opinion(), n=2).solved
    assert not solve(Scripted(*texts, logprobs=[-1, -2]), mode="rules", critic=Opinion(), n=2).solved


def test_without_a_critic_the_likeliest_answer_is_taken_when_asked_for():
    texts = ("4 + 6 = 10", "4 * 6 = 24")
    assert solve(Scripted(*texts, logprobs=[-2, -1]), mode="rules", n=2, choose="logprob").solved
    policy = Scripted(*texts)
    with pytest.raises(ValueError, match=r"no critic.*logprob"):
        solve(policy, mode="rules", n=2)
    assert policy.said == 0  # it was noticed before anything was sampled


def test_finished_answers_go_before_unfinished_ones():
    found = solve(Scripted("", "4 + 6 = 10", logprobs=[-0.1, -9]), mode="rules", n=2, choose="logprob")
    assert found.answer == "4 + 6"
    found = solve(Scripted("", "nonsense", logprobs=[-0.1, -9]), mode="rules", n=2, choose="logprob")
    assert (found.answer, found.outcome) == ("", "unfinished")


def test_the_nearest_miss_is_told_of_a_verified_search_without_success():
    assert solve(Scripted("nonsense", "", "4 + 6 = 10"), n=3).outcome == "wrong value"
    assert solve(Scripted("nonsense", ""), n=2).outcome == "unfinished"
    assert solve(Scripted("nonsense"), n=2).outcome == "illegal"


class Contrary(Game24):
    """A world whose judge says the opposite."""

    def verdict(self, state):
        true = super().verdict(state)
        return Verdict(not true.solved, "wrong value" if true.solved else "solved", true.answer, true.reason)


def test_a_choice_by_the_rules_never_depends_on_the_judge():
    policy = FakePolicy()
    arguments = (PUZZLES, best_of_n, policy, FakeCritic(policy))
    honest = run(Game24(), *arguments, mode="rules", parameters={"n": 12})
    contrary = run(Contrary(), *arguments, mode="rules", parameters={"n": 12})
    assert [one.answer for one in honest] == [other.answer for other in contrary]
    assert [one.solved for one in honest] == [not other.solved for other in contrary]


def test_a_puzzle_that_is_over_before_it_began_costs_nothing():
    for algorithm in (greedy, best_of_n):
        found = solve(Scripted("x"), algorithm, problem=(24,))
        assert (found.solved, found.answer, found.cost.sampled_tokens) == (True, "24", 0)
        assert not solve(Scripted("x"), algorithm, problem=(23,)).solved


def test_the_tree_is_a_star_of_chains():
    policy = FakePolicy(illegal=0.0)
    (found,) = run(Game24(), [(4, 5, 6, 10)], best_of_n, policy, FakeCritic(policy), mode="rules",
                   parameters={"n": 4})  # fmt: skip
    tree = found.tree
    assert len(tree.children(0)) == 4
    assert len(tree) == 1 + 4 * 3
    leaves = [node for node in range(len(tree)) if not tree.children(node)]
    assert all(len(tree.path(leaf)) == 4 for leaf in leaves)
    assert all(tree.tokens[node] == 0 for node in range(len(tree)) if node not in leaves)
    assert all(math.isfinite(tree.logprob[leaf]) and tree.value[leaf] is not None for leaf in leaves)
    assert tree.meta["strategy"] == "best_of_n"
    assert tree.meta["mode"] == "rules"
    assert tree.meta["answer"] == found.answer
    assert tree.from_json(tree.to_json()) == tree


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"n": 0}, "n must be an integer >= 1, got 0"),
        ({"n": 2.0}, "n must be an integer >= 1, got 2.0"),
        ({"n": True}, "n must be an integer >= 1, got True"),
        ({"batch": -1}, "batch must be an integer >= 0, got -1"),
        ({"temperature": "1e-1"}, "YAML reads 1e-4 as text"),
        ({"temperature": float("nan")}, "temperature must be a number >= 0, got nan"),
        ({"top_p": 0}, "top_p must be a number from 1e-06 to 1, got 0"),
        ({"max_tokens": 0}, "max_tokens must be an integer >= 1, got 0"),
        ({"choose": "vote"}, "choose must be one of value, logprob, got 'vote'"),
        ({"numer": 3}, "no parameter 'numer'"),
        ({"tempereture": 3}, "did you mean 'temperature'"),
    ],
)
def test_parameters_that_make_no_sense_are_named(parameters, reason):
    with pytest.raises(ValueError, match=reason):
        solve(Scripted("4 * 6 = 24"), **parameters)
