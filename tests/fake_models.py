"""A policy and a critic over the Game of 24 with known behaviour, for tests of search, evaluation and the command line.

`FakePolicy` knows the game but plays it badly: a position's moves have fixed probabilities that lean towards moves from
which 24 can still be reached (`skill`) and are blurred by hashed noise (`blur`); some lines are illegal. `FakeCritic`
says how probable the policy is to solve a position (exactly computed) with hashed noise on the logit. Both are pure
functions of text and seed, so neither batches nor their order can matter.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache

from game24lab.tasks.numbers.arithmetic import Step, legal_steps, make_state, reachable
from game24lab.tasks.numbers.steps import judge_line, write_line

_TOKEN = re.compile(r"\d+|\(left:|[A-Za-z]+|\S|\n")
END = 0  # the id of the end token


@dataclass(frozen=True)
class FakeCompletion:
    """As `game24lab.models.load_policy.Completion`."""

    text: str
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str
    charged: int | None = None
    tokens = property(lambda self: len(self.ids) if self.charged is None else self.charged)
    logprob = property(lambda self: sum(self.logprobs))


def tokenize(text: str) -> list[str]:
    """Numbers, words, signs and line ends; spaces belong to no token."""
    return _TOKEN.findall(text)


def read_prompt(text: str) -> tuple[Fraction, ...]:
    """The position a prompt shows: its numbers after its legal lines."""
    first, *lines = text.splitlines()
    state = make_state(Fraction(number) for number in first.removeprefix("Input: ").partition(" Target: ")[0].split())
    for line in lines:
        state = judge_line(state, line)[1]
    return state


def gauss(*parts: object) -> float:
    """A standard normal number that is a pure function of its arguments."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big")).gauss(0, 1)


@dataclass
class FakeSaid:
    """As `game24lab.models.trie.Line`."""

    completion: FakeCompletion
    log: float


@dataclass
class FakeTrie:
    """As `game24lab.models.trie.Trie`, by the book: one line after another from those not said, in proportion."""

    policy: FakePolicy
    state: tuple
    rng: random.Random
    whole: bool  # answers, not lines
    max_tokens: int
    order: str
    said: list = field(default_factory=list)
    tokens: int = 0

    @property
    def left(self) -> float:
        return 0.0 if self.exhausted else max(1e-12, 1 - sum(math.exp(line.log) for line in self.said))

    @property
    def exhausted(self) -> bool:
        return len(self.state) == 1 or (not self.whole and len(self.said) == len(self.policy.moves(self.state)))

    def weigh(self) -> list[float]:
        return [math.exp(line.log) for line in self.said]

    def say(self) -> FakeCompletion | None:
        """The next line, charged for what it does not share with those before it."""
        texts = {line.completion.text for line in self.said}
        if self.exhausted:
            return None
        if self.whole:
            for _ in range(100):  # the first of its kind among answers drawn with replacement
                line = self.policy._say(self.state, self.rng, 1.0, self.max_tokens, False)
                if line.text not in texts:
                    break
            else:
                return None
        else:
            open_ = [move for move in self.policy.moves(self.state) if move[0] not in texts]
            pick = (max(open_, key=lambda move: move[1]) if self.order == "likeliest"
                    else self.rng.choices(open_, [chance for _, chance in open_])[0])  # fmt: skip
            line = replace(self.policy, only=pick[0])._say(self.state, self.rng, 1.0, self.max_tokens, True)
            line = replace(line, logprobs=(math.log(pick[1]), *line.logprobs[1:]))
        shared = max((_count_shared(line.ids, one.completion.ids) for one in self.said), default=0)
        self.said.append(FakeSaid(line, line.logprob))
        line = replace(line, charged=max(1, len(line.ids) - shared))
        self.tokens += line.tokens
        return line


def _count_shared(one: tuple, other: tuple) -> int:
    """How many tokens two lines begin with in common."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)))  # fmt: skip


@dataclass(frozen=True)
class FakeDrawn:
    """As `game24lab.models.trie.Drawn`."""

    lines: list
    tokens: int
    seconds: float = 0.125  # of its passes, whatever it takes


@dataclass(frozen=True)
class FakePolicy:
    """The Policy protocol. `only` makes it say one line for ever."""

    skill: float = 3.0  # log-odds in favour of a move that keeps 24 reachable
    blur: float = 1.5  # spread of the noise on a move's logit
    illegal: float = 0.03  # share of illegal lines
    only: str | None = None
    parameters: int = 1000
    name: str = "fake"
    calls: list = field(default_factory=list, compare=False, hash=False)  # every call with its raw output

    def count(self, text: str) -> int:
        return len(tokenize(text))

    def moves(self, state: tuple[Fraction, ...]) -> tuple[tuple[str, float], ...]:
        """The lines that can be said in a position, with their probabilities."""
        return _moves(self.skill, self.blur, self.illegal, state) if self.only is None else ((self.only, 1.0),)

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        counts = [n] * len(prompts) if isinstance(n, int) else list(n)
        seeds = list(range(len(prompts))) if seeds is None else seeds
        answers = []
        for prompt, count, seed in zip(prompts, counts, seeds, strict=True):
            rng = random.Random(seed)
            state = read_prompt(prompt)
            answers.append([self._say(state, rng, temperature, max_tokens, stop_line) for _ in range(count)])
        self.calls.append({"prompts": list(prompts), "n": counts, "temperature": temperature, "seeds": list(seeds),
                           "stop_line": stop_line, "answers": answers})  # fmt: skip
        return answers

    def open_trie(self, prompt, seed, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False,
                  order="random", beside=None):  # fmt: skip
        return FakeTrie(self, read_prompt(prompt), random.Random(seed), not stop_line, max_tokens, order)

    def draw(self, tries, counts):
        assert len(set(map(id, tries))) == len(tries)
        found = [[line for _ in range(count) if (line := trie.say())]
                 for trie, count in zip(tries, counts, strict=True)]  # fmt: skip
        return [FakeDrawn(lines, sum(line.tokens for line in lines)) for lines in found]

    def _say(self, state, rng, temperature, max_tokens, stop_line) -> FakeCompletion:
        lines, logprobs = [], []
        while len(state) > 1 and len(lines) < (1 if stop_line else 8):
            options = self.moves(state) if self.only is None else ((self.only, 1.0),)
            if temperature == 0:
                line, chance = max(options, key=lambda option: option[1])
            else:
                weights = [chance ** (1 / temperature) for _, chance in options]
                line, chance = rng.choices(options, weights)[0]
            tokens = len(tokenize(line)) + 1  # the line end
            lines.append(line)
            logprobs += [math.log(chance)] + [0.0] * (tokens - 1)
            judged = judge_line(state, line)
            if isinstance(judged, str):
                break
            state = judged[1]
        if not stop_line or not lines:
            logprobs.append(0.0)  # the end token
        text = "\n".join(lines) + ("\n" if lines and not stop_line else "")
        ids = tuple(1 + len(token) for token in tokenize(text))
        ids = (*ids, *([END] * (len(logprobs) - len(ids))))
        if len(ids) > max_tokens:
            pieces = list(re.finditer(_TOKEN, text))[:max_tokens]
            return FakeCompletion(text[: pieces[-1].end()], ids[:max_tokens], tuple(logprobs[:max_tokens]), "length")
        return FakeCompletion(text, ids, tuple(logprobs), "stop")


@dataclass(frozen=True)
class FakeCritic:
    """The Critic protocol: 2 P(solved) - 1 of this policy, with noise on the logit."""

    policy: FakePolicy = field(default_factory=FakePolicy)
    noise: float = 1.0
    parameters: int = 900
    name: str = "fake"
    calls: list = field(default_factory=list, compare=False, hash=False)  # the texts of every call

    def count(self, text: str) -> int:
        return len(tokenize(text))

    def score(self, texts) -> list[float]:
        self.calls.append(list(texts))
        return [self._score(read_prompt(text)) for text in texts]

    def _score(self, state: tuple[Fraction, ...]) -> float:
        chance = min(max(chance_of(self.policy.skill, self.policy.blur, self.policy.illegal, state), 0.01), 0.99)
        return math.tanh((math.log(chance / (1 - chance)) + self.noise * gauss("critic", state)) / 2)


@cache
def _moves(skill: float, blur: float, illegal: float, state: tuple) -> tuple[tuple[str, float], ...]:
    weights: list[tuple[str, float]] = []
    for step, after in legal_steps(state):
        weight = math.exp(skill * reachable(after) + blur * gauss("policy", state, step))
        if step.operator in "+*" and step.left != step.right:  # said in both orders: other lines, the same position
            other = Step(step.right, step.operator, step.left, step.result)
            weights.append((write_line(other, after), 0.2 * weight))
            weight *= 0.8
        weights.append((write_line(step, after), weight))
    whole = sum(weight for _, weight in weights) / (1 - illegal)
    wrong = f"{state[0]} + {state[1]} = {state[0] + state[1] + 1}"
    return ((wrong, illegal), *((line, weight / whole) for line, weight in weights))


@cache
def chance_of(skill: float, blur: float, illegal: float, state: tuple) -> float:
    """The probability that the policy solves a position, at temperature 1."""
    if not reachable(state):
        return 0.0
    if len(state) == 1:
        return 1.0
    chance = 0.0
    for line, weight in _moves(skill, blur, illegal, state):
        judged = judge_line(state, line)
        chance += 0.0 if isinstance(judged, str) else weight * chance_of(skill, blur, illegal, judged[1])
    return chance
