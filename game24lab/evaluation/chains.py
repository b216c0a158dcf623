"""Chains of thought graded: one answer of a policy is one row, judged exactly; then tables by token budget.

Long chains are blind by nature: nothing but the model, judged after it has answered. One generation at the largest
budget serves all smaller ones: an answer of t tokens is unfinished at a budget below t. The environment brings prompts
and judge. This module does not know how a policy samples, how it was trained, nor how a table is drawn.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation import statistics
from game24lab.evaluation.statistics import bootstrap, wilson
from game24lab.runs.checks import require
from game24lab.runs.messages import condense
from game24lab.runs.run import write_atomically
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.judge import COLUMNS, OUTCOMES, WRONG

BUDGETS = (256, 512, 1024, 2048, 4096)
LINE_BINS = (8, 16, 32, 64, 128)  # last line count of each bin; the last bin is open
KEYS = ("numbers", "question")  # what names a problem, by task
_SETTINGS = ("model", "budget", "temperature", "top_p", "seed", "parameters")


def grade(
    environment: Environment,
    policy: Any,
    problems: Sequence[Any] | None = None,
    *,
    budget: int = 4096,
    samples: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    stage: str = "end",
    model: str = "",
    path: str | Path | None = None,
    progress: bool = True,
    batch: int = 256,
) -> pd.DataFrame:
    """Let a policy answer problems, by default the held-out ones, `samples` times each; one row an answer, judged.

    Columns are the environment's. What counts is its judge's matter: in a number game the policy must end the answer
    by itself within the `budget` (tokens, the end token included), of a word problem the answer's tag must be closed.
    Nobody chooses among samples. `seconds` is the answer's share of its batch, by tokens.

    With a `path` the rows are added to that parquet file after every batch, and problems that it holds with all their
    samples at this `stage` are not repeated; rows of other stages stay. The table returned holds what was asked for, in
    the order of the problems.

    Args:
        temperature: 0 is greedy, of one sample only.
        stage: when in a training this was: "start", "end", or any other name.
        model: what the policy is called.
        batch: answers that are made together and written together.

    ValueError for a problem that is none or listed twice, settings that make no sense, or a file that holds other
    settings for this stage; OSError where the file cannot be written.
    """
    require("budget", budget, int, 1)
    require("samples", samples, int, 1)
    require("batch", batch, int, 1)
    if samples > 1 and not temperature:
        raise ValueError(f"samples {samples} with temperature 0: they would be copies; 1, or a temperature above 0, "
                         "is accepted")  # fmt: skip
    problems = environment.held_out if problems is None else problems
    asked = {environment.write_name(problem): problem for problem in problems}
    if len(asked) < len(problems):
        names = [environment.write_name(problem) for problem in problems]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"problems: {twice[:60]} is listed twice")
    settings = {"stage": stage, "model": model, "budget": budget, "temperature": float(temperature),
                "top_p": float(top_p), "seed": seed}  # fmt: skip
    known = {name: environment.describe(problem) for name, problem in asked.items()}
    return _gather(policy, {name: environment.prompt(problem) for name, problem in asked.items()},
                   lambda name, answer: known[name] | environment.judge(asked[name], answer), settings,
                   environment.columns, samples=samples, path=path, progress=progress, batch=batch)  # fmt: skip


def _gather(
    policy: Any,
    prompts: Mapping[str, str],
    judge: Callable[[str, Any], Mapping[str, Any]],
    settings: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    samples: int,
    path: str | Path | None,
    progress: bool,
    batch: int,
) -> pd.DataFrame:
    """The loop of `grade`. The first of the columns is the problem's name; settings stand in every row."""
    path, key = None if path is None else Path(path), next(iter(columns))
    settings = {**settings, "parameters": policy.parameters, "backend": policy.name}
    stage, names = settings["stage"], list(prompts)
    rows = _open_grades(path, settings, columns)
    held = Counter(row[key] for row in rows if row["stage"] == stage)
    left = [name for name in names if held[name] < samples]
    rows = [row for row in rows if row["stage"] != stage or row[key] not in set(left)]  # half-done ones go
    each, total = max(1, batch // samples), len(names) * samples
    with tqdm(total=total, initial=total - len(left) * samples, disable=not progress, unit="answer") as bar:
        for begin in range(0, len(left), each):
            part = left[begin : begin + each]
            rows += [settings | row for row in _answer(policy, prompts, part, judge, key, samples, settings)]
            if path is not None:
                _write(path, rows, columns)
            bar.update(len(part) * samples)
    found = {(row[key], row["sample"]): row for row in rows if row["stage"] == stage}
    return _make_table([found[name, index] for name in names for index in range(samples)], columns)


def read_grades(path: str | Path, columns: Mapping[str, str] = COLUMNS) -> pd.DataFrame:
    """The rows that `grade` wrote, or `gather` with other columns.

    OSError where there is no file, ValueError that names what is broken in it.
    """
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise FileNotFoundError(2, "no grades here", str(path)) from None
    except (ValueError, TypeError) as error:  # what pyarrow raises for broken files is a ValueError
        raise ValueError(f"{path}: not a readable table ({condense(error)})") from None
    missing = [column for column in columns if column not in table]
    if missing:
        kind = "chains" if columns is COLUMNS else "this kind"
        raise ValueError(f"{path}: no grades of {kind}: the column {missing[0]!r} is missing")
    try:
        table = table.astype(columns)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: a column holds what it should not ({condense(error)})") from None
    strange = sorted(set(table["outcome"]) - set(OUTCOMES))
    if strange:
        raise ValueError(f"{path}: outcome {strange[0]!r}; one of {', '.join(OUTCOMES)} is accepted")
    return table


# -------------------------------------------------------------------------------------------- tables from rows
def find_key(rows: pd.DataFrame) -> str:
    """The column that names the problems of rows; ValueError where there is none."""
    found = [name for name in KEYS if name in rows]
    if len(found) != 1:
        raise ValueError(f"rows with the columns {', '.join(map(str, rows))}: one of {', '.join(KEYS)} is accepted")
    return found[0]


def cut(rows: pd.DataFrame, budget: int) -> pd.DataFrame:
    """The rows as a smaller token budget would have left them.

    What is longer is unfinished; its lines and characters shrink in proportion to its tokens. ValueError for a budget
    above that of the rows: nobody knows how they would have gone on.
    """
    require("budget", budget, int, 1)
    if len(rows) and budget > rows["budget"].min():
        raise ValueError(f"budget {budget}: these answers were made with {rows['budget'].min()} tokens; at most that "
                         "is accepted")  # fmt: skip
    over = rows["tokens"] > budget
    share = (budget / rows["tokens"]).where(over, 1.0)
    return rows.assign(
        outcome=rows["outcome"].mask(over, "unfinished"), solved=rows["solved"] & ~over,
        finished=rows["finished"] & ~over, tokens=rows["tokens"].clip(upper=budget), budget=budget,
        lines=rows["lines"] * share, characters=rows["characters"] * share,
    )  # fmt: skip


def summarise_budgets(
    rows: pd.DataFrame, budgets: Sequence[int] = BUDGETS, by: Sequence[str] = (), *, confidence: float = 0.95
) -> pd.DataFrame:
    """How answers end at each token budget, one row a group of `by` (columns of the rows) and budget.

    Columns: those of `by`, `budget`, `puzzles`, `n` (answers), then `accuracy`, `wrong`, `unfinished` (shares that add
    up to 1), each with `low` and `high` (`wrong_low`, ...), and the means `tokens`, `lines`, `characters`, `seconds` an
    answer. Intervals: Wilson's where each puzzle has one answer, else by bootstrap over puzzles. Budgets above that of
    the rows are left out.
    """
    table = []
    groups = rows.groupby(list(by), sort=False, observed=True) if by else [((), rows)]
    for key, part in groups:
        for budget in sorted({b for b in budgets if b <= part["budget"].min()}):
            now = cut(part, budget)
            entry = dict(zip(by, key, strict=True)) | {"budget": budget}
            problems = now[find_key(now)]
            entry |= {"puzzles": problems.nunique(), "n": len(now)}
            ends = {"accuracy": now["solved"], "wrong": now["outcome"].isin(WRONG),
                    "unfinished": now["outcome"] == "unfinished"}  # fmt: skip
            for name, hits in ends.items():
                share, low, high = _bound(hits, problems, confidence)
                prefix = "" if name == "accuracy" else f"{name}_"
                entry |= {name: share, f"{prefix}low": low, f"{prefix}high": high}
            means = now[["tokens", "lines", "characters"]].mean().to_dict()
            seconds = (part["seconds"] * now["tokens"] / part["tokens"].clip(lower=1)).mean()
            table.append(entry | means | {"seconds": seconds})
    return pd.DataFrame(table)


def measure(rows: pd.DataFrame) -> dict[str, float]:
    """What a training logs of its held-out check: `accuracy` with `low` and `high`, and as `held_out_wrong` and so on
    the shares `wrong` and `unfinished` and the mean `tokens`."""
    entry = summarise_budgets(rows, [int(rows["budget"].min())]).iloc[0]
    more = {f"held_out_{name}": float(entry[name]) for name in ("wrong", "unfinished", "tokens")}
    return {name: float(entry[name]) for name in ("accuracy", "low", "high")} | more


def pass_at_k(
    rows: pd.DataFrame, ks: Sequence[int] | None = None, budget: int | None = None, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Unbiased pass@k at a token budget: columns `k`, `accuracy`, `low`, `high`, `problems`, `samples`.

    `ks` defaults to the powers of two. Intervals by bootstrap over puzzles. ValueError for a k above the samples.
    """
    now = rows if budget is None else cut(rows, budget)
    counts = now.groupby(find_key(now), sort=False)["solved"].agg(["count", "sum"])
    if counts.empty:
        raise ValueError("pass@k: no answers to count")
    fewest, table = int(counts["count"].min()), []
    for k in ks or [2**power for power in range(fewest.bit_length())]:
        chances = np.array([statistics.pass_at_k(int(n), int(c), k) for n, c in counts.itertuples(index=False)])
        low, high = bootstrap(chances, confidence=confidence)
        table.append({"k": k, "accuracy": chances.mean(), "low": low, "high": high, "problems": len(counts),
                      "samples": fewest})  # fmt: skip
    return pd.DataFrame(table)


def pair(first: pd.DataFrame, second: pd.DataFrame, budget: int, *, confidence: float = 0.95) -> dict[str, Any]:
    """How much more often the second answers right, puzzle by puzzle: `difference`, `low`, `high`, `puzzles`, `gained`,
    `lost` (puzzles answered right more often, and less often).

    By bootstrap over the puzzles that both answered; ValueError where there are none.
    """
    before, after = (cut(rows, budget).groupby(find_key(rows))["solved"].mean() for rows in (first, second))
    changes = (after - before).dropna()
    if changes.empty:
        raise ValueError("a paired difference: no puzzle was answered by both")
    n, values = len(changes), changes.to_numpy()
    low, high = bootstrap(values, confidence=confidence)
    if not np.ptp(values):  # all alike: a bootstrap would claim certainty
        reach = 1 - wilson(n, n, confidence=confidence)[0]
        low, high = max(-1.0, values[0] - reach), min(1.0, values[0] + reach)
    return {"difference": float(values.mean()), "low": float(low), "high": float(high), "puzzles": n,
            "gained": int((values > 0).sum()), "lost": int((values < 0).sum())}  # fmt: skip


def bin_lines(lines: Iterable[float]) -> pd.Categorical:
    """Numbers of lines in bins, in order: "1-8", "9-16", ... as `LINE_BINS` says."""
    edges = [0, *LINE_BINS]
    names = [f"{low + 1}-{high}" for low, high in zip(edges, LINE_BINS, strict=False)] + [f"over {LINE_BINS[-1]}"]
    return pd.Categorical.from_codes(np.searchsorted(LINE_BINS, np.ceil(np.asarray(list(lines), dtype=float))),
                                     names, ordered=True)  # fmt: skip


# -------------------------------------------------------------------------------------------- one answer, one file
def _answer(
    policy: Any, prompts: Mapping[str, str], names: Sequence[str], judge: Callable[[str, Any], Mapping[str, Any]],
    key: str, samples: int, settings: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """One call of the policy: the answers to some problems, judged."""
    clock = time.perf_counter()
    found = policy.generate(
        [prompts[name] for name in names], samples, max_tokens=settings["budget"], temperature=settings["temperature"],
        top_p=settings["top_p"], seeds=[_hash(settings["seed"], name) for name in names],
    )  # fmt: skip
    pace = (time.perf_counter() - clock) / max(1, sum(answer.tokens for answers in found for answer in answers))
    return [
        {key: name, "sample": index, "seconds": pace * answer.tokens, **judge(name, answer)}
        for name, answers in zip(names, found, strict=True)
        for index, answer in enumerate(answers)
    ]


def _open_grades(path: Path | None, shared: dict[str, Any], columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows that a file holds already, checked against the settings of its stage."""
    if path is None:
        return []
    if not path.exists():
        _write(path, [], columns)  # fails early
        return []
    rows = read_grades(path, columns)
    mine = rows[rows["stage"] == shared["stage"]]
    for name in filter(shared.__contains__, _SETTINGS):
        others = mine.loc[mine[name] != shared[name], name].tolist()
        if others:
            raise ValueError(f"{path}: it holds the stage {shared['stage']!r} with {name} {others[0]!r}, not "
                             f"{shared[name]!r}: choose another file or another stage")  # fmt: skip
    return rows[list(columns)].to_dict("records")


def _write(path: Path, rows: list[dict[str, Any]], columns: Mapping[str, str]) -> None:
    write_atomically(path, lambda temporary: _make_table(rows, columns).to_parquet(temporary, index=False))


def _make_table(rows: list[dict[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in columns.items()})


def _bound(hits: pd.Series, puzzles: pd.Series, confidence: float) -> tuple[float, float, float]:
    """A share with its interval, each puzzle counting the same."""
    by_puzzle = hits.groupby(puzzles).agg(["sum", "count"])
    shares = (by_puzzle["sum"] / by_puzzle["count"]).to_numpy()
    if (by_puzzle["count"] == 1).all():
        return float(shares.mean()), *wilson(int(hits.sum()), len(shares), confidence=confidence)
    return float(shares.mean()), *bootstrap(shares, confidence=confidence)


def _hash(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"grade {seed}: {name}".encode()).digest()[:7], "big")
