"""Pairs to prefer by: where a chain of thought first goes wrong, the solver goes on instead, and the two are compared.

The plan that LLM4Game24 (LiaoMengqi/LLM4Game24) wrote down and never built: sample, find the first bad step, keep what
stands before it, let the solver write the chosen continuation in the same style, and reject the model's own. This
module does not know who wrote the chain, nor of tokenizers or training.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from game24lab.tasks.numbers.arithmetic import State, Step, make_state
from game24lab.tasks.numbers.chains import STYLES, Judgement, Line, judge_chain, write_chain
from game24lab.tasks.numbers.puzzles import NumberProblem, as_problem
from game24lab.tasks.numbers.search_traces import Search, Visit, continue_in_order, list_moves
from game24lab.tasks.numbers.solution_lines import STYLE as LINES
from game24lab.tasks.numbers.solution_lines import add_answer, drop_answer
from game24lab.tasks.numbers.steps import judge_line
from game24lab.tasks.tags import strip_tags

FAULTS = ("wrong", "unsound", "dead end", "out of order", "no answer")
Trail = list[tuple[State, set[State]]]  # positions from the root down, each with those entered from it
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:/[1-9][0-9]{0,39})?")
_MOVE = re.compile(r"\(([^()]+)\) ([-+*/]) \(([^()]+)\) = ([^,]+),.*")


class Fault(NamedTuple):
    """The first bad line of a chain."""

    line: int  # counted from 0
    kind: str  # one of FAULTS


class Pair(NamedTuple):
    """Two ways to go on behind a prompt, of which the first is better."""

    prompt: str  # with the part of the chain that is kept
    chosen: str
    rejected: str
    chosen_ends: bool = True  # whether the end token belongs behind it: false where it was cut, or never ended
    rejected_ends: bool = True
    fault: str = ""  # what is wrong with the rejected one: one of FAULTS


def find_fault(
    problem: NumberProblem | Sequence[int], judged: Judgement, style: str, *, ended: bool = True
) -> Fault | None:
    """Where a chain first goes wrong, None where it does not: the earliest of

    - "wrong": the first line that is not right;
    - "unsound": the first line that leaves a position from which the target is still within reach;
    - "dead end": in the style `solution`, which takes no move back, the first move to a dead position;
    - "out of order": in an unfinished chain of the style `sound`, the first move to a dead position where the fixed
      order would have come to a living one before it;
    - "no answer": the end of a chain that its writer `ended` without any.
    """
    found = [Fault(line, kind) for line, kind in ((judged.first_wrong, "wrong"), (judged.first_unsound, "unsound"))
             if line is not None]  # fmt: skip
    if style == "solution":
        found += [Fault(place, "dead end") for place, line in enumerate(judged.lines) if line.dead][:1]
    if style == "sound" and not judged.finished:
        late = _find_late(as_problem(problem), judged)
        found += [] if late is None else [Fault(late, "out of order")]
    if ended and not judged.finished:
        found.append(Fault(len(judged.lines), "no answer"))
    return min(found, default=None)


def _find_late(problem: NumberProblem, judged: Judgement) -> int | None:
    trail: Trail = [(make_state(problem.numbers), set())]
    for place, line in enumerate(judged.lines):
        if line.kind == "move" and line.right:
            del trail[line.depth :]
            state, tried = trail[-1]
            for _, after in list_moves(state, problem.target, problem.alive) if line.dead else ():
                if after == line.left:
                    break
                if after not in tried and problem.alive(after, problem.target):
                    return place
            tried.add(line.left)
            trail.append((line.left, set()))
        elif line.kind == "rollback" and line.right:
            del trail[line.depth + 1 :]
    return None


def make_pair(
    problem: NumberProblem | Sequence[int],
    text: str,
    rng: random.Random,
    *,
    style: str = "sound",
    ended: bool = True,
    most_lines: int = 12,
    keep: float = 1.0,
) -> Pair | None:
    """The pair that a chain gives, None where nothing is wrong with it. Never raises on the text.

    The prompt is that of the puzzle with the lines before the fault. In the style `sound` the chosen continuation goes
    on with the search in order from where these lines stand: moves not yet tried, then those of the positions above.
    In the style `lines` (see `tasks.numbers.solution_lines`) neither side has an answer line. In other styles, whose
    searches are cut down at random, it goes back no further than it must and then straight on.

    Args:
        ended: whether the model ended the text by itself; a line that was cut off in the middle is left out.
        most_lines: what is longer is cut, on either side, and does not end: a long side would outweigh the other.
        keep: as `search_in_order`: the share of dead positions that the chosen search enters.

    None also for a text with think or answer tags, where the model's own part is but a line that was cut off, and where
    what is kept would end within a line. Raises ValueError for an unknown style and for numbers that cannot make the
    target.
    """
    if style not in (*STYLES, LINES):
        raise ValueError(f"style must be one of {', '.join((*STYLES, LINES))}, got {style!r}")
    if type(most_lines) is not int or most_lines < 1:
        raise ValueError(f"most_lines must be an integer >= 1, got {most_lines!r}")
    problem = as_problem(problem).using_all()
    numbers, target = problem.numbers, problem.target
    if not problem.is_alive(make_state(numbers)):
        raise ValueError(f"puzzle {' '.join(map(str, numbers))}: {target} cannot be made, nothing can be preferred")
    if bare := style == LINES:
        style, text = "solution", add_answer(problem, text) if ended else text
    judged = judge_chain(problem, text, style)
    fault = find_fault(problem, judged, style, ended=ended)
    if fault is None or strip_tags(text, target) != text:
        return None
    *lines, tail = text.split("\n")
    lines = [f"{line}\n" for line in lines] + ([tail] if ended and tail else [])
    kept, rest = "".join(lines[: fault.line]), lines[fault.line :]
    if not (rest or ended) or not f"\n{kept}".endswith("\n"):
        return None
    chosen = []
    if all(line.kind != "answer" for line in judged.lines[: fault.line]):
        chosen = _write_rest(problem, judged.lines[: fault.line], rng, style, keep)
    if bare:
        chosen, rest = drop_answer(target, chosen), drop_answer(target, rest)
    return Pair(
        prompt=problem.prompt + kept,
        chosen="".join(chosen[:most_lines]),
        rejected="".join(rest[:most_lines]),
        chosen_ends=len(chosen) <= most_lines,
        rejected_ends=ended and len(rest) <= most_lines,
        fault=fault.kind,
    )


def make_pairs(
    chains: Iterable[tuple[NumberProblem | Sequence[int], str, bool]], *, style: str = "sound", most_lines: int = 12,
    keep: float = 1.0, seed: int = 0, avoid: Container[Hashable] = frozenset(), dress: Callable[[str], str] = str,
) -> list[Pair]:  # fmt: skip
    """The pairs of many chains (problem, text, whether it ended by itself), each once, in the order of the chains.

    Pairs that name a position of `avoid`, truly or not, in the prompt or on either side, are left out: a strict split
    keeps positions out of training (`tasks.splits.Split.forbidden`). `dress` makes of a prompt what the model is shown
    (`tasks.numbers.task.Game24.dress`).

    Equal for equal arguments: what is drawn for a chain depends on the seed, the problem and the text alone. Raises
    ValueError as `make_pair` does.
    """
    found: dict[Pair, NumberProblem] = {}
    for problem, text, ended in chains:
        named = str(problem) if isinstance(problem, NumberProblem) else " ".join(map(str, problem))
        rng = random.Random(f"pair {seed}: {named}: {text}")
        pair = make_pair(problem, text, rng, style=style, ended=ended, most_lines=most_lines, keep=keep)
        if pair is not None:
            found.setdefault(pair, as_problem(problem))
    kept = [pair for pair, problem in found.items() if not avoid or not _names(problem, pair, avoid)]
    return [pair._replace(prompt=dress(pair.prompt)) for pair in kept]


def tell_style(styles: Iterable[str]) -> str:
    """The style that a policy writes in, from those of its chains as the judge names them.

    The most frequent of those with searches, where at least one chain of twenty has one; else "lines" where any chain
    is its own answer, or "solution".
    """
    counts = Counter(styles)
    searched = [(counts[style], style) for style in ("sound", "v3", "v2", "v1")]
    if sum(count for count, _ in searched) >= max(1, sum(counts.values()) / 20):
        return max(searched, key=lambda pair: pair[0])[1]
    return LINES if counts[LINES] else "solution"


def list_named(text: str) -> list[State]:
    """Every position that a line of a text says is left, right or not, in whatever style. Never raises on text."""
    found = []
    for rest in (part.strip() for line in text.split("\n") for part in line.split("left: ")[1:]):
        items = rest.removesuffix(")").split(", " if "," in rest or "=" in rest else " ")
        values = [item.rpartition("= ")[2] for item in items]
        if all(map(_NUMBER.fullmatch, values)):
            found.append(make_state(map(Fraction, values)))
    return found


def _names(problem: NumberProblem, pair: Pair, avoid: Container[Hashable]) -> bool:
    text = pair.prompt + pair.chosen + pair.prompt + pair.rejected
    return any(problem.place(position) in avoid for position in list_named(text))


def _write_rest(
    problem: NumberProblem, kept: Sequence[Line], rng: random.Random, style: str, keep: float
) -> list[str]:
    """The lines that the solver writes behind those of a chain that are kept, all of which are right and sound."""
    visits, trail = _follow(make_state(problem.numbers), kept)
    after = (continue_in_order(trail, rng, problem.target, keep, problem.alive) if style == "sound"
             else _solve(trail, problem))  # fmt: skip
    lines = write_chain(problem, (*visits, *after), style).splitlines(keepends=True)
    moves = [place for place, line in enumerate(lines) if not line.startswith("roll back")]
    rest = lines[-1:] if any(line.kind == "recap" for line in kept) else lines[moves[len(visits)] :]
    if not visits or not after:
        return rest
    # the lines that go back between the two, without those that the chain has already: it may stand above its last move
    back = lines[moves[len(visits) - 1] + 1 : moves[len(visits)]]
    last, here, target_depth = visits[-1].depth, len(trail) - 1, after[0].depth - 1
    if style == "sound":  # one line, whatever the distance
        return (back if target_depth < here else []) + rest
    return back[last - here :] + rest


def _follow(root: State, kept: Sequence[Line]) -> tuple[Search, Trail]:
    """Right lines as a search, and where it then stands, as `continue_in_order` takes it."""
    visits: list[Visit] = []
    trail: Trail = [(root, set())]
    for line in kept:
        if line.kind == "move":
            del trail[line.depth :]
            visits.append(Visit(line.depth, _read_step(trail[-1][0], line.text), line.left))
            trail[-1][1].add(line.left)
            trail.append((line.left, set()))
        elif line.kind == "rollback":
            del trail[line.depth + 1 :]
    return tuple(visits), trail


def _read_step(state: State, text: str) -> Step:
    """The move of a line that is known to be right."""
    match = _MOVE.fullmatch(text.strip())
    judged = judge_line(state, f"{match[1]} {match[2]} {match[3]} = {match[4]}" if match else text)
    return judged[0]


def _solve(trail: Trail, problem: NumberProblem) -> Search:
    """The moves of a solution from the lowest position of a trail that is not dead."""
    target, alive = problem.target, problem.alive
    depth = max(place for place, (state, _) in enumerate(trail) if alive(state, target))
    (state, tried), visits = trail[depth], []
    while state != (target,):
        step, state = next(m for m in list_moves(state, target, alive) if m[1] not in tried and alive(m[1], target))
        depth += 1
        visits.append(Visit(depth, step, state))
        tried = set()
    return tuple(visits)
