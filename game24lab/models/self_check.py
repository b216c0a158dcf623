"""A policy that checks its own calculations, as a critic of blind searches.

A policy that has learnt solutions claims the target at the end whether its calculation makes it or not. Asked for the
same calculation where nothing is to be gained by it, beside a number more and for another target, it says what it
knows of arithmetic: the probability of the claimed result there tells true lines from false ones. A line's numbers
left are held against the policy's word in the line's own place. No rule is asked and nothing is calculated here. It
does not know how a search uses a value.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
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
_BATCH = 256  # texts a forward pass
_KEPT = 1 << 20  # calculations and lines that are remembered

Span = tuple[str, str]  # a text, and what follows it


class SelfChecked:
    """A critic of positions made one of whole chains: P of the position claimed, times the policy's word on the lines.

    The word on a chain is that on its worst line: the probability of the claimed result in the kindest of some other
    `contexts`, or that of the numbers left in its own, whichever is smaller.
    """

    reads = "chains"

    def __init__(self, critic: Critic, model: Any, tokenizer: Any, task: Countdown, contexts: int) -> None:
        self.critic, self.model, self.tokenizer = critic, model.eval(), tokenizer
        self.world, self.contexts = task.believe(), contexts
        self.parameters, self.name = critic.parameters, f"{critic.name}, checked by the policy"
        self._known: dict[Span, float] = {}

    def count(self, text: str) -> int:
        """Tokens that scoring this text forwards, all its checks counted, those of lines met before too."""
        position, lines = self._take_apart(text)
        spans = [span for calculated, left in lines for span in (*calculated, left)]
        return self.critic.count(position) + sum(len(self._encode("".join(span))) for span in spans)

    def score(self, texts: Sequence[str]) -> list[float]:
        """One value in [-1, 1] a text, a position or a chain of lines."""
        parts = [self._take_apart(text) for text in texts]
        self._look_up([span for _, lines in parts for calculated, left in lines for span in (*calculated, left)])
        values = self.critic.score([position for position, _ in parts])
        return [(value + 1) * self._tell(lines) - 1 for value, (_, lines) in zip(values, parts, strict=True)]

    def _tell(self, lines: list[tuple[list[Span], Span]]) -> float:
        words = [min(max(self._known[span] for span in calculated), self._known[left]) for calculated, left in lines]
        return math.exp(min(words, default=0.0))

    def _take_apart(self, text: str) -> tuple[str, list[tuple[list[Span], Span]]]:
        """The position that a text claims, and for each line its calculation elsewhere and its numbers left."""
        state, lines = self.world.read(text), []
        left = state.numbers
        for said in state.lines:
            line = read_line(said)
            if isinstance(line, Line):  # an answer line has nothing to check
                head, _, tail = said.partition("(left:")
                lines.append((self._move(line), (f"{self._show(left, state.target)}{head}(left:", f"{tail}\n")))
                left = line.after
        return self._show(state.left, state.target), lines

    def _move(self, line: Line) -> list[Span]:
        spans = []
        for place in range(self.contexts):
            rng = random.Random(f"{line.left} {line.operator} {line.right} {place}")
            beside = rng.randint(_LOW, _HIGH)
            target = rng.choice([number for number in _TARGETS if number != line.result])
            shown = self._show(sorted((line.left, line.right, beside)), target)
            spans.append((f"{shown}{line.left} {line.operator} {line.right} =", f" {line.result}"))
        return spans

    def _show(self, numbers: Sequence[Any], target: int) -> str:
        return self.world.task.prompt(tuple(numbers), target)

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]

    def _look_up(self, spans: list[Span]) -> None:
        """Learn the log-probabilities of spans that are not known yet."""
        new = list(dict.fromkeys(span for span in spans if span not in self._known))
        if len(self._known) + len(new) > _KEPT:
            self._known = {span: self._known[span] for span in spans if span in self._known}
        for begin in range(0, len(new), _BATCH):
            part = new[begin : begin + _BATCH]
            whole = [self._encode("".join(span)) for span in part]
            starts = [len(self._encode(before)) for before, _ in part]
            longest = max(map(len, whole))
            ids = torch.tensor([one + [0] * (longest - len(one)) for one in whole], device=self.model.device)
            with torch.inference_mode():
                logprobs = torch.log_softmax(self.model(input_ids=ids).logits.float(), -1)
            said = logprobs[:, :-1].gather(2, ids[:, 1:, None]).squeeze(2).cpu()
            for row, (span, start, one) in enumerate(zip(part, starts, whole, strict=True)):
                self._known[span] = float(said[row, start - 1 : len(one) - 1].sum())


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
