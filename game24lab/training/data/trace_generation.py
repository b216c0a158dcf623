"""Generates search traces in parallel: of chosen styles and lengths, over training puzzles and wider roots.

A trace depends on (seed, split, index) alone, by hashing: neither on how many others are made nor by how many
processes. Its length is counted by any tokenizer. This module does not know how a search or a style works
(tasks/numbers/search_traces.py, tasks/numbers/chains.py), nor of files, mixtures and training.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from game24lab.runs.checks import require, require_one_of
from game24lab.tasks.numbers.arithmetic import Step, make_state, remove
from game24lab.tasks.numbers.chains import STYLES, write_chain
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.search_traces import Search, Visit, search_at_random, search_in_order
from game24lab.tasks.numbers.solutions import Whole, list_roots
from game24lab.tasks.numbers.steps import sample_solution
from game24lab.tasks.tags import add_tags
from game24lab.training.data.trace_dataset import BUCKETS, Trace

ANY = "any"  # any length, up to the last bucket's
PUBLISHED_LINES = (6, 17)  # to how many lines a random search of any length is cut
# Fewest tokens that a move of a random search brings with it: from how many lines down to look for a bucket's length.
_FEWEST_TOKENS = {"v1": 10, "v2": 15, "v3": 24}
_TRIES = 1_000  # roots tried for one trace before its bucket is called out of reach
_FINISH_KEEP = 0.5  # up to which share of a search stands before an answer that alone is learnt
_CHUNK = 64  # traces that a process makes at a time


@dataclass(frozen=True)
class TokenCounter:
    """Counts the tokens of a text; pickles into other processes without models or heavy packages."""

    tokenizer: str  # as JSON, as in a tokenizer.json

    def __call__(self, text: str) -> int:
        return len(_read_tokenizer(self.tokenizer).encode(text, add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _read_tokenizer(text: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()  # a file may have both set; neither may change a count
    tokenizer.no_padding()
    return tokenizer


def make_counter(tokenizer: str | Path = "", vocabulary: str = "traces") -> TokenCounter:
    """The counter of a checkpoint folder's tokenizer.json; "" is the package's own tokenizer of a vocabulary.

    Raises ValueError where there is no such file or it is none.
    """
    if not str(tokenizer):
        from game24lab.models.tokenizer import make_tokenizer  # brings torch: not for the processes that make traces

        return TokenCounter(make_tokenizer(vocabulary).backend_tokenizer.to_str())
    path = Path(tokenizer) / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
        _read_tokenizer(text)
    except Exception as error:  # tokenizers raises plain Exception
        raise ValueError(f"tokenizer {tokenizer}: {path} cannot be read: {error}") from error
    return TokenCounter(text)


# ------------------------------------------------------------------------------------------------------ making
def make_traces(
    puzzles: Sequence[Whole] | Sequence[NumberProblem], count: int, *, held_out: Container[Any],
    styles: Sequence[str] = ("sound",), buckets: Sequence[str] = (ANY,), highest: int = 30, core_share: float = 0.15,
    thin_share: float = 0.0, finish_share: float = 0.0, tags: bool = False, target: int = 24, seed: int = 0,
    split: str = "train", count_tokens: Callable[[str], int] | None = None, workers: int = 1,
    progress: Callable[[Sequence[int]], Iterable[int]] = lambda indices: indices,
) -> list[Trace]:  # fmt: skip
    """`count` traces, equal for equal arguments and any number of workers.

    Args:
        puzzles: the training puzzles; `core_share` of the traces begin with one of them, the others with a wider root
            of `tasks.numbers.solutions.list_roots`. Problems with targets and rules of their own have no wider roots.
        held_out: puzzles, or positions of such problems, that no trace begins with or passes through.
        styles, buckets: every pair of them gets as many traces (an ablation's cells); `solution` is short only. The
            bucket "any" takes searches as they come: random ones of `PUBLISHED_LINES`, sound ones as they are.
        highest: of the numbers of wider roots.
        thin_share: share of sound traces that leave out some of what they could have tried: `keep` of
            `search_in_order` is drawn evenly from 0 to 1 for these and 1 for the others. A model that learns from
            such traces learns to skip (LOG.md).
        finish_share: share of sound traces of bucket "any" of which only recap and answer are to be learnt: a search
            thinned to at most half stands in the prompt. Composing the expression is the hardest line and the rarest.
        tags: whether think and answer tags stand around.
        count_tokens: text to number of tokens, must pickle; None counts by the package's own tokenizer of traces.
        workers: processes; more than one are spawned anew.
        progress: wraps the indices, such as `tqdm`.

    Raises ValueError for a count, share, style or bucket that is not accepted, for a held-out puzzle among the training
    puzzles, and where a bucket cannot be reached.
    """
    for name, value in {"core_share": core_share, "thin_share": thin_share, "finish_share": finish_share}.items():
        require(name, value, float, 0, 1)
    for name, value in {"count": count, "workers": workers}.items():
        require(name, value, int, 1)
    for name, given, known in (("style", styles, STYLES), ("bucket", buckets, (*BUCKETS, ANY))):
        for value in given:
            require_one_of(name, value, known)
    cells = tuple((style, bucket) for style in styles for bucket in buckets
                  if style != "solution" or bucket in ("short", ANY))  # fmt: skip
    if not cells:
        raise ValueError(f"styles {list(styles)}, buckets {list(buckets)}: no trace can be both; solutions are short")
    core, wider, passed = puzzles, [], held_out
    if not isinstance(puzzles[0], NumberProblem):
        core, wider = list_roots(puzzles, held_out=held_out, highest=highest, target=target, progress=progress)
        passed = frozenset(tuple(sorted(numbers)) for numbers in cast(Collection[Whole], held_out)
                           if len(numbers) < len(core[0]))  # fmt: skip
    elif not {"solution", "sound"}.issuperset(styles):
        raise ValueError("styles must be solution or sound for problems with rules of their own, got "
                         f"{', '.join(styles)}")  # fmt: skip
    recipe = _Recipe(core, wider, core_share if wider else 1.0, passed, cells, thin_share, finish_share, tags, target,
                     seed, split, count_tokens or make_counter())  # fmt: skip
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    if workers == 1:
        _prepare(recipe)
        return _gather(map(_make_chunk, chunks), count, progress)
    # spawned, not forked: threads of torch and tokenizers do not survive a fork
    with multiprocessing.get_context("spawn").Pool(min(workers, len(chunks)), _prepare, (recipe,)) as pool:
        return _gather(pool.imap(_make_chunk, chunks), count, progress)


def _gather(chunks: Iterable[list[Trace]], count: int, progress: Callable) -> list[Trace]:
    traces = chain.from_iterable(chunks)
    return [next(traces) for _ in progress(range(count))]


@dataclass(frozen=True)
class _Recipe:
    core: Sequence[Any]
    wider: Sequence[Any]
    core_share: float
    held_out: Container[Any]  # what a search could pass through
    cells: tuple[tuple[str, str], ...]
    thin_share: float
    finish_share: float
    tags: bool
    target: int
    seed: int
    split: str
    count_tokens: Callable[[str], int]


_recipes: list[_Recipe] = []  # the one that this process works by


def _prepare(recipe: _Recipe) -> None:
    _recipes[:] = [recipe]
    _count_whole.cache_clear()


def _make_chunk(indices: Iterable[int]) -> list[Trace]:
    return [_make_trace(_recipes[0], index) for index in indices]


def _make_trace(recipe: _Recipe, index: int) -> Trace:
    # seed, split and index are hashed, never added: neighbouring seeds share nothing
    digest = hashlib.sha256(f"trace {recipe.seed} {recipe.split} {index}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big"))
    style, bucket = recipe.cells[index % len(recipe.cells)]
    first, stop = BUCKETS.get(bucket, (0, BUCKETS["longer"][1]))
    thin = style == "sound" and rng.random() < recipe.thin_share
    if style == "sound" and bucket == ANY and rng.random() < recipe.finish_share:
        return _make_finish(recipe, index, rng)
    for _ in range(_TRIES):
        problem = _choose_root(recipe, rng)
        if style == "sound" and bucket != ANY:
            whole = _count_whole(problem)
            if whole < first or (whole >= stop and not thin):
                continue
        # how much of a search is shown: the more, the longer the text
        low, high = _list_shown(style, bucket, stop, thin)
        while high - low >= 0.01 or low == high:
            shown = rng.uniform(low, high)
            text = _write_trace(recipe, problem, style, shown, rng)
            tokens = recipe.count_tokens(text) if text else stop
            if first <= tokens < stop:
                return _describe_text(recipe, index, problem, style, text, tokens)
            if low == high:
                break
            low, high = (shown, high) if tokens < first else (low, shown)
    raise ValueError(f"bucket {bucket!r} of style {style!r}: none of {_TRIES} roots has a trace of {first} to "
                     f"{stop - 1} tokens; leave it out, or count the tokens otherwise")  # fmt: skip


def _make_finish(recipe: _Recipe, index: int, rng: random.Random) -> Trace:
    for _ in range(_TRIES):
        problem = _choose_root(recipe, rng)
        text = _write_trace(recipe, problem, "sound", rng.uniform(0, _FINISH_KEEP), rng)
        if text:
            *before, recap, answer = text.splitlines(keepends=True)
            trace = _describe_text(recipe, index, problem, "sound", recap + answer, recipe.count_tokens(recap + answer))
            return trace._replace(prompt=trace.prompt + "".join(before))
    raise ValueError(f"finish_share {recipe.finish_share}: all of {_TRIES} searches pass through what is held out")


def _choose_root(recipe: _Recipe, rng: random.Random) -> NumberProblem:
    root = rng.choice(recipe.core if rng.random() < recipe.core_share else recipe.wider)
    return root if isinstance(root, NumberProblem) else NumberProblem(root, recipe.target)


def _list_shown(style: str, bucket: str, stop: int, thin: bool) -> tuple[float, float]:
    """The range to draw from: of `keep` in sound traces, of `max_lines` in random ones; one value where there is no
    choice."""
    if style in ("solution", "sound"):
        return (0.0, 1.0) if thin else (1.0, 1.0)
    if bucket == ANY:
        return PUBLISHED_LINES[0] - 0.5, PUBLISHED_LINES[1] + 0.499
    return 4.0, 4.0 + stop / _FEWEST_TOKENS[style]


def _write_trace(recipe: _Recipe, problem: NumberProblem, style: str, shown: float, rng: random.Random) -> str:
    """The text of a search; "" for one that passes through what is held out."""
    numbers, target = problem.numbers, problem.target
    if style == "sound":
        search = search_in_order(numbers, rng, target, shown, problem.alive)
    elif style == "solution":
        search = _follow(numbers, sample_solution(numbers, rng, target, recipe.held_out, problem) or ())
    else:
        search = search_at_random(numbers, rng, target, round(shown))
    if not search or (recipe.held_out and any(problem.place(visit.left) in recipe.held_out for visit in search)):
        return ""
    text = write_chain(problem, search, style)
    return add_tags(text) if recipe.tags else text


def _follow(numbers: Whole, steps: Iterable[Step]) -> Search:
    state, visits = make_state(numbers), []
    for depth, step in enumerate(steps, start=1):
        state = make_state((*remove(state, step.left, step.right), step.result))
        visits.append(Visit(depth, step, state))
    return tuple(visits)


@lru_cache(maxsize=100_000)
def _count_whole(problem: NumberProblem) -> int:
    """Tokens of the whole sound trace of a root, which is always the same; a root is tried many times."""
    recipe = _recipes[0]
    return recipe.count_tokens(_write_trace(recipe, problem, "sound", 1.0, random.Random(0)))


def _describe_text(
    recipe: _Recipe, index: int, problem: NumberProblem, style: str, text: str, tokens: int
) -> Trace:
    return Trace(
        numbers=problem.numbers,
        style=style,
        bucket=next(name for name, (first, stop) in BUCKETS.items() if first <= tokens < stop),
        prompt=problem.prompt,
        completion=text,
        tokens=tokens,
        lines=text.count("\n"),
        rollbacks=text.count("roll back"),
        split=recipe.split,
        index=index,
        target=problem.target,
    )
