"""Word problems without end: stories of one to six calculations, made from a seed, with their exact solutions.

A problem's *structure* is the order of the pieces it is told with; its *core* is that and its numbers. Which side a
problem belongs to depends on hashes of these two alone, whatever the seed: no structure of "test" is ever in "train",
and no core of "familiar" is, whose structures are. So there is nothing to leak, however many are made. It does not know
how a solution is written out, nor of tokenizers, models or training.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

from game24lab.tasks.gsm8k.task import WordProblem
from game24lab.tasks.gsm8k.templates import ASIDES, BOXES, ITEMS, NAMES, THEMES, UNITS, Piece, Theme

SIDES = ("train", "test", "familiar")
OPERATIONS = (1, 2, 3, 4, 5, 6)
LARGEST = 999  # of any number in a problem or its solution
_TEST_SHARE = 0.15  # of structures
_FAMILIAR_SHARE = 0.05  # of the cores whose structure is for training
_TRIES = 10_000  # draws in a row that give no new problem, before it is said that there are no more


def make_problems(
    count: int,
    seed: int | str = 0,
    operations: Sequence[int] = OPERATIONS,
    *,
    side: str = "train",
    asides: float = 0.3,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
) -> list[WordProblem]:
    """`count` different problems, equal for equal arguments; a longer list begins with the shorter one.

    Args:
        operations: how many calculations a problem takes; each of these numbers is equally likely.
        side: "train"; "test": structures that training never sees; "familiar": training's structures, other numbers.
        asides: the chance that a sentence with a number that does not matter stands in a problem; of a second one too.
        progress: wraps the numbers of the problems, such as `tqdm`.

    ValueError for arguments outside these, and where there are not so many different problems.
    """
    if type(count) is not int or count < 0:
        raise ValueError(f"count must be an integer >= 0, got {count!r}")
    operations = tuple(operations)
    if not operations or not all(type(number) is int and number in OPERATIONS for number in operations):
        raise ValueError(f"operations must be integers from {OPERATIONS[0]} to {OPERATIONS[-1]}, at least one, got "
                         f"{list(operations)}")  # fmt: skip
    if side not in SIDES:
        raise ValueError(f"side must be one of {', '.join(SIDES)}, got {side!r}")
    if not isinstance(asides, int | float) or not 0 <= asides <= 1:
        raise ValueError(f"asides must be a chance from 0 to 1, got {asides!r}")
    found: dict[str, WordProblem] = {}
    draws = _draw(f"{seed} {side}", operations, side, asides)
    for _ in progress(range(count)):
        for _ in range(_TRIES):
            problem = next(draws)
            if problem is not None and problem.question not in found:
                break
        else:
            raise ValueError(f"count {count}: only {len(found)} different problems of {list(operations)} operations "
                             f"were found on the side {side!r}")  # fmt: skip
        found[problem.question] = problem
    return list(found.values())


def find_side(structure: str, core: str) -> str:
    """The side that a problem belongs to, by its structure and its structure with numbers."""
    if _hash("structure", structure) < _TEST_SHARE:
        return "test"
    return "familiar" if _hash("core", core) < _FAMILIAR_SHARE else "train"


def _hash(*parts: str) -> float:
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _draw(stream: str, operations: Sequence[int], side: str, asides: float) -> Iterator[WordProblem | None]:
    """Problem after problem of a stream; None for a draw that came to nothing."""
    rng = random.Random(int.from_bytes(hashlib.sha256(f"word problems {stream}".encode()).digest()[:8], "big"))
    while True:
        theme, size = rng.choices(THEMES, (4, 2, 1))[0], rng.choice(operations)
        pieces = _plot(rng, theme, size)
        structure = f"{theme.name}: " + ", ".join(piece.name for piece in pieces)
        if (_hash("structure", structure) < _TEST_SHARE) is not (side == "test"):
            yield None
            continue
        told = next(filter(None, (_tell(rng, pieces) for _ in range(50))), None)
        if told is None or find_side(structure, f"{structure} {told[0]}") != side:
            yield None
            continue
        yield _write(rng, theme, pieces, *told, size=size, structure=structure, asides=asides)


def _plot(rng: random.Random, theme: Theme, size: int) -> tuple[Piece, ...]:
    """An opening, turns and an ending that take so many calculations together."""
    while True:
        opening, ending = rng.choice(theme.openings), rng.choice(theme.endings)
        turns, left = [], size - opening.operations - ending.operations
        while left > 0:
            turn = rng.choice([turn for turn in theme.turns if turn not in turns[-1:]])  # nothing twice in a row
            turns.append(turn)
            left -= turn.operations
        if left == 0:
            return opening, *turns, ending


Calculation = tuple[int, str, int, int]  # left, sign, right, result


def _tell(rng: random.Random, pieces: Sequence[Piece]) -> tuple[list[dict[str, int]], list[list[Calculation]]] | None:
    """Numbers for every piece and the calculations it takes; None where these numbers lead to no whole ones."""
    numbers, calculations, value = [], [], 0
    for piece in pieces:
        drawn = {}
        for name, choice in piece.numbers.items():
            number = _choose(rng, choice, value)
            if number is None:
                return None
            drawn[name] = number
        done = _calculate(piece, drawn, value)
        if done is None:
            return None
        numbers.append(drawn)
        calculations.append(done)
        value = done[-1][3] if done else drawn.get("a", value)
    return numbers, calculations


def _choose(rng: random.Random, choice: tuple[int, int] | str, value: int) -> int | None:
    if choice == "below":
        return rng.randint(1, value - 1) if value > 1 else None
    if choice == "above":
        return value + rng.randint(2, 60)
    if choice == "divides":
        fitting = [number for number in range(2, 13) if value % number == 0 and value > number]
        return rng.choice(fitting) if fitting else None
    return rng.randint(*choice)


def _calculate(piece: Piece, drawn: dict[str, int], value: int) -> list[Calculation] | None:
    """The piece's calculations; None where one does not come to a whole number from 1 to `LARGEST`."""
    done: list[Calculation] = []
    for part in filter(None, map(str.strip, piece.formula.split(";"))):
        if " " not in part:
            continue
        known = {**drawn, "v": value, "@": done[-1][3] if done else value}
        left, sign, right = part.split(" ")
        a, b = (known[name] if name in known else int(name) for name in (left, right))
        if sign == "/" and a % b:
            return None
        result = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
        if not 1 <= result <= LARGEST:
            return None
        done.append((a, sign, b, result))
    return done


def _write(
    rng: random.Random, theme: Theme, pieces: Sequence[Piece], numbers: Sequence[dict[str, int]],
    calculations: Sequence[Sequence[Calculation]], *, size: int, structure: str, asides: float,
) -> WordProblem:  # fmt: skip
    """The story in words."""
    (who, other, third), (items, extras), (box, boxes) = rng.sample(NAMES, 3), rng.sample(ITEMS, 2), rng.choice(BOXES)
    words = {"who": who, "other": other, "third": third, "items": items, "extras": extras, "box": box, "boxes": boxes}
    sentences = [
        rng.choice(piece.wordings).format(**words, **drawn) for piece, drawn in zip(pieces, numbers, strict=True)
    ]
    for aside in rng.sample(ASIDES, (rng.random() < asides) + (rng.random() < asides)):
        sentences.insert(rng.randrange(1, len(sentences)), aside.format(**words, a=rng.randint(3, 60)))
    steps = [
        f"{left} {sign} {right} = {result} {(piece.unit or UNITS[theme.name]).format(**words)}"
        for piece, done in zip(pieces, calculations, strict=True)
        for left, sign, right, result in done
    ]
    result = next(done[-1][3] for done in reversed(calculations) if done)
    return WordProblem(" ".join(sentences), Fraction(result), tuple(steps), size, structure)
