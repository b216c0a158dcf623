"""Lines without replacement: a trie for each prompt that says no text twice, and knows how much it has not said yet.

Ancestral Gumbel-top-k sampling (Kool, van Hoof, Welling 2020, JMLR 21(47)), the lazy form of stochastic beam search
(Kool et al. 2019, arXiv 1903.06059): every prefix has a Gumbel number for the best line behind it, a child's being
conditioned on its parent's, and the prefix of the highest is looked behind first. So lines come in the order in which
sampling without replacement draws them, nothing is forwarded that does not lead to a line that is said, and, as in
incremental sampling (Shi, Bieber, Sutton 2020, arXiv 2002.09067), a later draw goes on where the last one stopped:
lines depend on the trie's seed alone, not on how they are parted among draws, nor on the other tries of a batch. With
the order "likeliest" the prefixes' own probabilities take the place of the Gumbel numbers, and lines come exactly from
the likeliest to the least likely.

Where a book allows certain lines alone, tokens that lead to no such line are left out, and what is left of a prefix's
mass is divided anew: constrained decoding, whose lines' own probabilities stay the model's.

Behind a prefix only the `HEAD` likeliest tokens have numbers of their own. All others share one, for their mass
together, which is exact too: where it comes first, the prefix is looked at again, all tokens of it.

What counts is a token that is taken into the trie: a prefix that is forwarded, and the last token of a line. A shared
beginning counts once. This module does not know of models or tokenizers, which look behind prefixes and spell lines,
nor of tasks.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from game24lab.models.counted_random import derive_keys, draw_gumbels, make_keys
from game24lab.models.policy import Completion, Sampling
from game24lab.runs.checks import require, require_one_of

HEAD = 32  # tokens behind a prefix that have a number each
ORDERS = ("random", "likeliest")
_REST = -1  # stands for all tokens behind a prefix that are not among the first `HEAD`
_SURE = 700.0  # of an exponent's exponent: a line that is surely among those said
_EXACT = 1e-6  # mass below which what is left is added up anew: 1 minus the rest would be rounding alone

Ids = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Step:
    """What may come behind a prefix: tokens from the likeliest on, with logs of their probabilities.

    Tokens of probability 0 are left out. `rest` is the log of the mass of the tokens that are not listed, -inf: none.
    """

    tokens: np.ndarray  # int64
    logs: np.ndarray  # float64, as lines are drawn: with temperature, top-k and top-p
    own: np.ndarray  # float64, the model's own: at temperature 1 over all tokens
    rest: float = -math.inf


@dataclass(eq=False, slots=True)
class Look:
    """A prefix to look behind; `whole`: at all tokens, not the likeliest only; `forced`: at these, one after the other,
    which alone are allowed."""

    book: Book
    path: Ids
    whole: bool = False
    forced: Ids = ()


Forward = Callable[[Sequence[Look]], Sequence[Step]]
Spell = Callable[["Book", Ids], str]


@dataclass(eq=False)
class Allowed:
    """Some lines alone, and which tokens may follow a prefix of theirs; found for the prefixes that are asked for."""

    lines: Sequence[Ids]
    _behind: dict[Ids, tuple[Sequence[Ids], frozenset[int]]] = field(default_factory=dict)

    def find(self, path: Ids) -> frozenset[int]:
        """The tokens that may follow a prefix; none behind a whole line, and behind what no line begins with."""
        return self._look(path)[1]

    def _look(self, path: Ids) -> tuple[Sequence[Ids], frozenset[int]]:
        if (known := self._behind.get(path)) is None:
            place = len(path)
            lines = [line for line in self._look(path[:-1])[0] if line[place - 1] == path[-1]] if path else self.lines
            lines = [line for line in lines if len(line) > place]
            known = self._behind[path] = lines, frozenset(line[place] for line in lines)
        return known


@dataclass(eq=False)
class Book:
    """What is known behind a prompt; tries of one prompt and one `Sampling` may share it."""

    prompt: Ids
    sampling: Sampling
    limit: int  # tokens of a line at most; one that long is a line, though cut off
    stops: frozenset[int]  # tokens that end a line
    alone: bool = False  # whether its text ends at the first line end
    allowed: Allowed | None = None  # None: any line
    steps: dict[Ids, Step] = field(default_factory=dict)  # by prefix
    counted: set[Ids] = field(default_factory=set)  # lines whose last token has been counted

    def find_forced(self, path: Ids) -> Ids:
        """The tokens behind a prefix as far as there is no choice: one allowed token after the other."""
        forced: Ids = ()
        if self.allowed is None or self.sampling.top_k or self.sampling.top_p < 1 or not self.sampling.temperature:
            return forced
        while len(path) < self.limit and len(allowed := self.allowed.find(path)) == 1:
            path, forced = (*path, *allowed), (*forced, *allowed)
        return forced


@dataclass(eq=False)
class Line:
    """A text that was said. Where several rows of tokens spell it, those found so far."""

    completion: Completion  # the first of them
    log: float  # natural log of the probability with which lines are drawn, all rows together
    score: float  # its Gumbel number, or `log` in the order "likeliest"


@dataclass(eq=False, slots=True)
class _Family:
    """The children of a prefix, best first, and which is next."""

    at: _Open
    tokens: np.ndarray
    logs: np.ndarray  # of the prefixes that the children are
    owns: np.ndarray
    scores: np.ndarray
    keys: np.ndarray | None  # none in the order "likeliest", which draws nothing
    next: int = 0


@dataclass(eq=False, slots=True)
class _Open:
    """A prefix that has to be looked behind before the trie can go on."""

    path: Ids
    key: int
    own: tuple[float, ...]  # log-probabilities of the path's tokens, the model's own
    log: float
    score: float
    whole: bool = False


@dataclass(eq=False)
class Trie:
    """Lines behind one prompt, of which `draw` says the next ones."""

    book: Book
    seed: int
    order: str = "random"
    said: list[Line] = field(default_factory=list)
    mass: float = 0.0  # probability of all that has been said
    tokens: int = 0  # taken into the book by draws of this trie
    _texts: dict[str, Line] = field(default_factory=dict)
    _heap: list[tuple[float, int, _Family]] = field(default_factory=list)
    _made: int = 0  # families so far
    _open: _Open | None = None

    def __post_init__(self) -> None:
        require_one_of("order", self.order, ORDERS)
        key = int(make_keys([self.seed], [0])[0])
        score = float(draw_gumbels(np.array([key], np.uint64))[0]) if self.order == "random" else 0.0
        self._open = _Open((), key, (), 0.0, score)

    @property
    def exhausted(self) -> bool:
        """Whether every line has been said."""
        return self._open is None and not self._heap

    @property
    def left(self) -> float:
        """The probability mass of the lines that have not been said; exactly 0 where there are none."""
        if self.exhausted:
            return 0.0
        left = 1.0 - self.mass
        if left > _EXACT:
            return left
        logs = [log for _, _, family in self._heap for log in family.logs[family.next :].tolist()]
        return math.fsum(map(math.exp, logs)) if logs else 1.0

    def weigh(self) -> list[float]:
        """A weight for each text said, in order: sums of weights times anything estimate its expectation unbiasedly.

        p / P(the line is among those said), given the Gumbel number of the next (Vieira 2017; Kool et al. 2019, 2020);
        where all has been said, p itself. They add up to 1 on average only. In the order "likeliest", which draws
        nothing, p: sums are lower bounds.
        """
        if self.order != "random" or self.exhausted:
            return [math.exp(line.log) for line in self.said]
        waiting = [-low for low, _, _ in self._heap[:1]] + ([self._open.score] if self._open else [])
        bar = max(waiting)
        return [math.exp(line.log) / -math.expm1(-math.exp(min(_SURE, line.log - bar))) for line in self.said]

    def advance(self, wanted: int, spell: Spell) -> Look | None:
        """Say lines until there are `wanted`, or none is left (None), or a prefix must be looked behind."""
        while self._open is None and self._heap and len(self.said) < wanted:
            _, made, family = self._heap[0]
            place = family.next
            family.next += 1
            if family.next < len(family.scores):
                heapq.heapreplace(self._heap, (-family.scores.item(family.next), made, family))
            else:
                heapq.heappop(self._heap)
            at, token = family.at, family.tokens.item(place)
            log, score = family.logs.item(place), family.scores.item(place)
            if token == _REST:
                self._open = _Open(at.path, at.key, at.own, log, score, whole=True)
                break
            path, own = (*at.path, token), (*at.own, family.owns.item(place))
            if token in self.book.stops or len(path) == self.book.limit:
                self._say(path, own, log, score, spell)
            else:
                self._open = _Open(path, family.keys.item(place) if family.keys is not None else 0, own, log, score)
        if self._open is None or len(self.said) >= wanted:
            return None
        forced = () if self._open.whole else self.book.find_forced(self._open.path)
        return Look(self.book, self._open.path, self._open.whole, forced)

    def _add(self, family: _Family) -> None:
        heapq.heappush(self._heap, (-family.scores.item(0), self._made, family))
        self._made += 1

    def _say(self, path: Ids, own: tuple[float, ...], log: float, score: float, spell: Spell) -> None:
        self.mass += math.exp(log)
        self.tokens += path not in self.book.counted
        self.book.counted.add(path)
        text = spell(self.book, path)
        known = self._texts.get(text)
        if known is not None:
            known.log = float(np.logaddexp(known.log, log))
            return
        finish = "stop" if path[-1] in self.book.stops else "length"
        line = Line(Completion(text, path, own, finish), log, score)
        self._texts[text] = line
        self.said.append(line)


@dataclass(frozen=True)
class Drawn:
    """What a draw from a trie brought: fewer lines than were asked for where the trie has no more."""

    lines: list[Completion]
    tokens: int  # that were taken into the trie for them
    seconds: float = 0.0  # that the model's passes took, its share of them


def draw(tries: Sequence[Trie], counts: Sequence[int], forward: Forward, spell: Spell) -> list[Drawn]:
    """The next lines of each trie, `counts[i]` of trie i or all that it has left; tries must be distinct.

    `forward` looks behind prefixes, as many at once as there are tries at most; `spell` gives the text of a line's ids.
    A line's `charged` are the tokens taken into the trie since the line before. ValueError for counts below 1.
    """
    for count in counts:
        require("n", count, int, 1)
    begun = [len(trie.said) for trie in tries]
    before = [trie.tokens for trie in tries]
    marks: list[list[int]] = [[] for _ in tries]  # the trie's tokens at each line
    going = list(range(len(tries)))
    while going:
        asked: dict[tuple[int, Ids, bool], tuple[Look, list[int]]] = {}
        for place in going:
            look = _advance(tries[place], begun[place], counts[place], marks[place], spell)
            if look is not None:
                asked.setdefault((id(look.book), look.path, look.whole), (look, []))[1].append(place)
        looks, found = [look for look, _ in asked.values()], []
        for (look, places), step in zip(asked.values(), forward(looks) if looks else (), strict=True):
            if look.forced:
                step = _keep_forced(look, step)
                tries[places[0]].tokens += len(look.forced) - 1
            elif look.book.allowed is not None:
                step = _restrict(step, look.book.allowed.find(look.path))
            if not look.whole:
                look.book.steps[look.path] = step
                tries[places[0]].tokens += bool(look.path)
            found += [(tries[place], step) for place in places]
        attach(found)
        going = [place for _, places in asked.values() for place in places]
    drawn = []
    for place, trie in enumerate(tries):
        paid = [int(tokens) for tokens in np.diff([before[place], *marks[place]])]
        if paid:
            paid[-1] += trie.tokens - marks[place][-1]  # rows of tokens of texts that were known
        lines = [replace(line.completion, charged=tokens) for line, tokens in
                 zip(trie.said[begun[place] :], paid, strict=True)]  # fmt: skip
        drawn.append(Drawn(lines, trie.tokens - before[place]))
    return drawn


def _advance(trie: Trie, begun: int, count: int, marks: list[int], spell: Spell) -> Look | None:
    """Go on through what the book knows; the look that is missing, or None at the end."""
    while len(marks) < count:
        look = trie.advance(begun + len(marks) + 1, spell)
        if look is None:
            if len(trie.said) == begun + len(marks):
                return None  # exhausted
            marks.append(trie.tokens)
        elif look.whole or look.path not in trie.book.steps:
            return look
        else:
            attach([(trie, trie.book.steps[look.path])])
    return None


def attach(found: Sequence[tuple[Trie, Step]]) -> None:
    """Take in what is behind the prefix that `advance` asked about, in tries that are distinct, all together."""
    groups: dict[tuple[str, int, bool], list[tuple[Trie, _Open, Step]]] = {}
    for trie, step in found:
        at, trie._open = trie._open, None
        if at.whole:
            step = _list_others(trie.book.steps[at.path], step)
        if len(step.tokens):
            groups.setdefault((trie.order, len(step.tokens), step.rest > -math.inf), []).append((trie, at, step))
    for (order, _, more), rows in groups.items():
        above = np.array([at.log for _, at, _ in rows])[:, None]
        tokens, logs, owns = (np.stack([getattr(s, part) for *_, s in rows]) for part in ("tokens", "logs", "own"))
        logs += above
        if more:
            last = np.array([step.rest for *_, step in rows])[:, None] + above
            tokens, logs, owns = (np.concatenate(pair, 1) for pair in (
                (tokens, np.full_like(last, _REST, tokens.dtype)), (logs, last), (owns, np.full_like(last, -np.inf)),
            ))  # fmt: skip
        if order == "random":
            keys = derive_keys(np.array([at.key for _, at, _ in rows], np.uint64)[:, None], tokens)
            scores = _condition(logs + draw_gumbels(keys), np.array([at.score for _, at, _ in rows])[:, None])
            best = np.argsort(-scores, axis=1, kind="stable")
            tokens, logs, owns, scores, keys = (
                np.take_along_axis(part, best, 1) for part in (tokens, logs, owns, scores, keys)
            )
        else:  # the rest comes no later than the likeliest of it could
            scores, keys = logs.copy(), None
            if more:
                np.minimum(logs[:, -1], logs[:, -2], out=scores[:, -1])
        for row, (trie, at, _) in enumerate(rows):  # copies: a family keeps nobody else's in memory
            parts = (part[row].copy() for part in (tokens, logs, owns, scores))
            trie._add(_Family(at, *parts, keys=None if keys is None else keys[row].copy()))


def _list_others(first: Step, whole: Step) -> Step:
    """What a step of all tokens adds to one of the first ones; it weighs as much as the rest was said to."""
    others = ~np.isin(whole.tokens, first.tokens)
    logs = whole.logs[others]
    return Step(whole.tokens[others], logs - _add_logs(logs) if len(logs) else logs, whole.own[others])


def _keep_forced(look: Look, step: Step) -> Step:
    """Note what is behind each prefix of a forced row of tokens; returns what is behind the first."""
    for place in range(len(look.forced)):
        one = Step(step.tokens[place : place + 1], np.zeros(1), step.own[place : place + 1])
        look.book.steps[*look.path, *look.forced[:place]] = one
    return look.book.steps[look.path]


def _restrict(step: Step, allowed: frozenset[int]) -> Step:
    """The allowed tokens of a step of all tokens, which divide the mass among them."""
    kept = np.isin(step.tokens, list(allowed))
    logs = step.logs[kept]
    return Step(step.tokens[kept], logs - _add_logs(logs) if len(logs) else logs, step.own[kept])


def _add_logs(logs: np.ndarray) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))


def _condition(gumbels: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Rows of Gumbel numbers given that each row's largest is `most`, in the stable form of Kool et al. 2019, B.3."""
    top = gumbels.max(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        v = most - gumbels + np.log1p(-np.exp(gumbels - top))
    return most - np.maximum(v, 0.0) - np.log1p(np.exp(-np.abs(v)))
