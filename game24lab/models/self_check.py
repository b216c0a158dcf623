"""A policy that checks its own lines, as a critic of blind searches.

A policy that has learnt solutions claims the target at the end whether its calculation makes it or not. Asked for the
same calculation where nothing is to be gained by it, beside a number more and for another target, it says what it
knows of arithmetic: the probability of the claimed result there tells true lines from false ones. Asked which numbers
to take for other targets, it gives those that are there a fair share for one of them, invented ones for none. Numbers
left are held against its word in the line's own place. No rule is asked and nothing is calculated here. This module
does not know how a search uses a value.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from game24lab.models.checkpoints import load_checkpoint
from game24lab.runs.checks import require
from game24lab.tasks.numbers.countdown import Countdown
from game24lab.tasks.numbers.steps import Line, read_line

if TYPE_CHECKING:
    from game24lab.models.critic import Critic

_LOW, _HIGH = 2, 60  # of the number that stands beside
_TARGETS = range(10, 101)  # other targets
_OPERANDS = 3  # times as many targets for which the operands are looked at
_FAIR = math.log(0.05)  # a number that is there gets this share for one of the targets at least
_BATCH = 256  # texts a forward pass
_KEPT = 1 << 20  # pieces that are remembered

Piece = tuple[str, ...]  # a text, and what follows it, in parts


@dataclass(frozen=True)
class _Checks:
    """What the policy is asked about a line."""

    results: list[Piece]  # the result, elsewhere
    left: Piece  # the numbers left, in its own place
    operands: list[Piece]  # the operands, for other targets


class SelfChecked:
    """A critic of positions made one of whole chains: P of the position claimed, times the policy's word on the lines.

    The word on a chain is that on its worst line, and that on a line the smallest of three: the probability of the
    claimed result in the kindest of some other `contexts`; that of the numbers left; and that of the less likely
    operand for the kindest target, as a share of what is fair.
    """

    reads = "chains"

    def __init__(self, critic: Critic, model: Any, tokenizer: Any, task: Countdown, contexts: int) -> None:
        self.critic, self.model, self.tokenizer = critic, model.eval(), tokenizer
        self.world, self.contexts = task.believe(), contexts
        self.parameters, self.name = critic.parameters, f"{critic.name}, checked by the policy"
        self._known: dict[Piece, tuple[float, ...]] = {}

    def count(self, text: str) -> int:
        """Tokens that scoring this text forwards at most: all its checks, those that one before decides too."""
        position, lines = self._take_apart(text)
        pieces = [piece for line in lines for piece in (*line.results, line.left, *line.operands)]
        return self.critic.count(position) + sum(len(self._encode("".join(piece))) for piece in pieces)

    def score(self, texts: Sequence[str]) -> list[float]:
        """One value in [-1, 1] a text, a position or a chain of lines."""
        if len(self._known) > _KEPT:
            self._known.clear()
        parts = [self._take_apart(text) for text in texts]
        self._look_up(piece for _, lines in parts for line in lines for piece in (*line.results, line.left))
        doubtful = [line for _, lines in parts for line in lines if self._tell(line) > _FAIR]
        self._look_up(piece for line in doubtful for piece in line.operands)
        values = self.critic.score([position for position, _ in parts])
        return [(value + 1) * math.exp(min(map(self._tell, lines), default=0.0)) - 1
                for value, (_, lines) in zip(values, parts, strict=True)]  # fmt: skip

    def _tell(self, line: _Checks) -> float:
        """The logarithm of the policy's word on a line, as far as it was asked."""
        words = [max(self._known[piece][0] for piece in line.results), self._known[line.left][0]]
        if all(piece in self._known for piece in line.operands):
            shares = [min(first, second) for first, _, second in map(self._known.__getitem__, line.operands)]
            words.append(min(0.0, max(shares) - _FAIR))
        return min(words)

    def _take_apart(self, text: str) -> tuple[str, list[_Checks]]:
        """The position that a text claims, and what is asked about each line."""
        state, lines = self.world.read(text), []
        left = state.numbers
        for said in state.lines:
            line = read_line(said)
            if isinstance(line, Line):  # an answer line has nothing to check
                head, _, tail = said.partition("(left:")
                own = (f"{self._show(left, state.target)}{head}(left:", f"{tail}\n")
                lines.append(_Checks(self._ask_results(line), own, self._ask_operands(line, left)))
                left = line.after
        return self._show(state.left, state.target), lines

    def _ask_results(self, line: Line) -> list[Piece]:
        pieces = []
        for place in range(self.contexts):
            rng = random.Random(f"{line.left} {line.operator} {line.right} {place}")
            beside = rng.randint(_LOW, _HIGH)
            target = rng.choice([number for number in _TARGETS if number != line.result])
            shown = self._show(sorted((line.left, line.right, beside)), target)
            pieces.append((f"{shown}{line.left} {line.operator} {line.right} =", f" {line.result}"))
        return pieces

    def _ask_operands(self, line: Line, left: Sequence[Any]) -> list[Piece]:
        rng = random.Random(f"{left} {line.left} {line.operator} {line.right}")
        parts = str(line.left), f" {line.operator}", f" {line.right}"
        return [(self._show(left, target), *parts) for target in rng.sample(_TARGETS, _OPERANDS * self.contexts)]

    def _show(self, numbers: Sequence[Any], target: int) -> str:
        return self.world.task.prompt(tuple(numbers), target)

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]

    def _look_up(self, asked: Iterable[Piece]) -> None:
        """Learn the log-probabilities of the parts of pieces that are not known yet."""
        pieces = list(dict.fromkeys(asked))
        new = [piece for piece in pieces if piece not in self._known]
        for begin in range(0, len(new), _BATCH):
            batch = new[begin : begin + _BATCH]
            ends = [[len(self._encode("".join(piece[:end]))) for end in range(1, len(piece) + 1)] for piece in batch]
            whole = [self._encode("".join(piece)) for piece in batch]
            longest = max(map(len, whole))
            ids = torch.tensor([one + [0] * (longest - len(one)) for one in whole], device=self.model.device)
            with torch.inference_mode():
                logprobs = torch.log_softmax(self.model(input_ids=ids).logits.float(), -1)
            said = logprobs[:, :-1].gather(2, ids[:, 1:, None]).squeeze(2).cpu().tolist()
            for piece, row, stops in zip(batch, said, ends, strict=True):
                self._known[piece] = tuple(sum(row[first - 1 : last - 1]) for first, last in pairwise(stops))


def add_checks(critic: Critic, policy: str | Path, task: Any, contexts: int) -> Critic:
    """The critic of blind searches in which the policy of a checkpoint checks each calculation in some `contexts`.

    0: the critic itself. ValueError for a number below 0, and for a task whose problems name no targets of their own.
    """
    require("checks", contexts, int, 0)
    if not contexts:
        return critic
    if not isinstance(task, Countdown):
        raise ValueError(f"checks must be 0 for the task {task.name}, got {contexts}: only where problems name targets "
                         "of their own is there another one to ask for")  # fmt: skip
    return SelfChecked(critic, *load_checkpoint(policy), task, contexts)
