"""Words: a world to work searches out by hand in, a policy told what to say, a critic with a list."""

import math

from fake_models import FakeCompletion

from game24lab.search.engine import run
from game24lab.tasks.task import Illegal, Verdict


class Letters:
    """Write a word a letter at a time; it is over at some length, or earlier at some words. The goal is one word.

    Equal keys: the same letters in any order, if `bag`.
    """

    name = "letters"

    def __init__(self, goal="bb", length=2, short=(), bag=False):
        self.goal, self.length, self.short, self.bag = goal, length, short, bag

    def believe(self):
        return self

    def start(self, problem):
        return ""

    def text(self, state):
        return f"{state}>"

    def label(self, state):
        return state or "-"

    def step(self, state, line):
        legal = len(line) == 1 and line.isalpha() and not self.is_terminal(state)
        return state + line if legal else Illegal(f"{line!r} is no letter")

    def is_terminal(self, state):
        return len(state) == self.length or state in self.short

    def verdict(self, state):
        solved = state == self.goal
        return Verdict(solved, "solved" if solved else "wrong value", state, f"is {state}")

    def key(self, state):
        return "".join(sorted(state)) if self.bag else state

    def truth(self, state):
        raise AssertionError("no search may ask for the truth")


class Sayings:
    """A policy with the letters that it says at each word, in turn, over and over; the greedy one stands in `greedy`.

    A letter can come with its probability, as in `a.5`. A line is one token.
    """

    parameters, name = 1, "sayings"

    def __init__(self, greedy=None, finish="stop", **lines):
        self.lines = {f"{word.replace('_', '')}>": said.split() for word, said in lines.items()}
        self.greedy = {f"{word.replace('_', '')}>": said for word, said in (greedy or {}).items()}
        self.said = dict.fromkeys(self.lines, 0)
        self.finish = finish
        self.asked = []  # prompt, number of lines, temperature

    def count(self, text):
        return len(text)

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        self.asked += [(prompt, count, temperature) for prompt, count in zip(prompts, n, strict=True)]
        return [[self.say(prompt, temperature, stop_line) for _ in range(count)]
                for prompt, count in zip(prompts, n, strict=True)]  # fmt: skip

    def say(self, prompt, temperature, stop_line):
        if temperature == 0:
            return self.complete(self.greedy.get(prompt, "a"))
        line = self.lines[prompt][self.said[prompt] % len(self.lines[prompt])]
        self.said[prompt] += 1
        return self.complete(line[:1], float(line[1:] or 1))

    def complete(self, line, chance=1.0):
        return FakeCompletion(line, (7,), (math.log(chance),), self.finish)


class Table:
    """A critic that looks values up, 0 where there is none."""

    parameters, name = 1, "table"

    def __init__(self, **values):
        self.values = {f"{word.replace('_', '')}>": value for word, value in values.items()}
        self.asked = []

    def count(self, text):
        return len(text)

    def score(self, texts):
        self.asked += texts
        return [self.values.get(text, 0.0) for text in texts]


def search(algorithm, policy, critic, task=None, mode="rules", merge=True, seed=0, budget=None, **parameters):
    """One search, its tree's tokens compared with what was charged."""
    (found,) = run(task or Letters(), ["x"], algorithm, policy, critic, parameters=parameters, mode=mode, merge=merge,
                   seed=seed, budget=budget)  # fmt: skip
    assert found.tree.sampled == found.cost.sampled_tokens == sum(count for _, count, _ in policy.asked)
    return found


def list_events(tree, kind):
    """The labels of the nodes of all events of a kind, in order."""
    return [tree.label[event[1]] for event in tree.events if event[0] == kind]


def label_end(tree):
    """The label of the node that the search committed to."""
    assert tree.events[-1][0] == "stop"
    return tree.label[tree.events[-1][1]]
