"""Tries over languages whose probabilities are known: random trees of tokens, looked behind without a model."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from game24lab.models.policy import Sampling
from game24lab.models.trie import HEAD, Book, Step, Trie

END = 0  # the token that ends a line


@dataclass
class Language:
    """Chances of tokens behind each prefix, drawn from a seed; `chances` are those of lines, by their ids."""

    seed: int = 0
    vocabulary: int = 4
    limit: int = 4
    spread: float = 1.5
    spell_by: int | None = None  # tokens that are equal modulo it spell the same letter
    looks: Counter = field(default_factory=Counter)  # how often each prefix was looked behind

    def behind(self, path):
        """log-probabilities of all tokens behind a path."""
        rng = np.random.default_rng([self.seed, 1, *path])
        logits = rng.normal(0, self.spread, self.vocabulary)
        return logits - np.logaddexp.reduce(logits)

    def forward(self, looks):
        steps = []
        for look in looks:
            self.looks[look.path] += 1
            logs = self.behind(look.path)
            order = np.argsort(-logs, kind="stable")[: None if look.whole else HEAD]
            others = np.delete(logs, order)
            rest = float(np.logaddexp.reduce(others)) if len(others) else -math.inf
            steps.append(Step(order, logs[order], logs[order], rest))
        return steps

    def spell(self, book, path):
        body = path[:-1] if path[-1] == END else path
        return " ".join(str(token if self.spell_by is None else token % self.spell_by) for token in body)

    def open(self, seed=0, order="random", book=None):
        sampling = Sampling(self.limit)
        return Trie(book or Book((7,), sampling, self.limit, frozenset([END])), seed, order)

    def chances(self):
        """The probability of every line, by its ids."""
        found, open_ = {}, [((), 0.0)]
        while open_:
            path, log = open_.pop()
            for token, own in enumerate(self.behind(path)):
                after = (*path, token)
                if token == END or len(after) == self.limit:
                    found[after] = math.exp(log + own)
                else:
                    open_.append((after, log + own))
        return found
