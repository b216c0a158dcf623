"""Completions files: what one arm with one seed said about each problem, a JSON line each, with scores and full cost.

The columns of search-and-learn (Beeching, Tunstall, Rush 2024) keep their names and meaning:

    problem, answer     the problem as text; the right answer ("24"), where the task has one
    completions         whole answers: every sampled one, or of a tree search every way to an end that its tree holds
    scores              per completion the critic's chances in (0, 1), of those of its positions that were valued
    agg_scores          per completion these made one by the arm's `agg_strategy`; null without a value
    completion_tokens   per completion the tokens sampled to get its lines; what led to no end is in `cost` alone
    pred                the text of the completion that the search committed to, "" for none
    pred_maj@n, pred_weighted@n, pred_naive@n    answers of votes and of the best score among the first n samples;
                        only where samples are independent and nobody stops early (not verified), n the powers of two

Ours come on top, and are None in files made elsewhere: `strategy` (the arm), `algorithm`, `parameters`, `mode`, `seed`;
`correct` (the exact verifier, per completion), `answers` (per completion in the task's notation, "" before an end),
`ballots` (per completion the place it votes for, equal numbers for equal positions, None before an end), `chosen` (the
place of `pred`, None for none); `solved`, `outcome`, `stopped` and whatever else an `Outcome` says; `cost`, `saved`;
`trace` (a `search.tree`, or None); `config_hash`, `models`, `rank`, `split`, `run_id`.

Lines are appended, each chunk in one step that reaches the disk; what stands is never touched again, and half a last
line, left by a kill, is cut off and its problem done again. This module does not know which arms are worth running.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.arms import Arm, describe_arm, find_strategy, run_arm
from game24lab.evaluation.attempts import COLUMNS, from_completions, tabulate
from game24lab.evaluation.evaluate import name_problems, write_problem
from game24lab.evaluation.jsonl import append_rows, mend, read_rows
from game24lab.runs.checks import require
from game24lab.runs.run import compare
from game24lab.search.engine import bind
from game24lab.search.modes import open_world, read_mode
from game24lab.search.requests import Outcome
from game24lab.search.sampling import aggregate, to_chance
from game24lab.search.tree import Tree
from game24lab.search.voting import vote
from game24lab.tasks.task import Task, follow

SAMPLED = ("greedy", "best_of_n", "majority", "weighted_majority", "adaptive_consistency", "early_stopping")
ENDING = "_completions.jsonl"
_OWN = ("strategy", "algorithm", "parameters", "mode", "seed", "correct", "answers", "ballots", "chosen", "solved",
        "outcome", "stopped", "candidates", "candidates_correct", "cost", "saved", "trace", "config_hash", "models",
        "rank", "split", "run_id")  # fmt: skip
_ALIGNED = ("scores", "agg_scores", "completion_tokens", "correct", "answers", "ballots")  # one entry a completion
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@=,+-]{0,150}")
_DIGITS = 6  # of a score


# ---------------------------------------------------------------------------------------------------------- writing
def is_completions_file(path: Path) -> bool:
    """Whether a `.jsonl` file is one of completions: by its name, or by the columns of its first line.

    search-and-learn's files are called `beam_search_completions.jsonl` as well as
    `beam_search_completions_n_16.jsonl`.
    """
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    with path.open("rb") as file:
        line = file.readline()
    return bool(re.search(r"_completions(?![a-z])", path.name)) or (b'"problem":' in line and b'"completions":' in line)


def name_file(arm: str, seed: int) -> str:
    """`<arm>_seed<seed>_completions.jsonl`; ValueError for an arm whose name cannot be part of a file's."""
    if not _NAME.fullmatch(arm):
        raise ValueError(f"arm name must be of letters, digits and _ . @ = , + -, for it becomes a file's, got {arm!r}")
    return f"{arm}_seed{seed}{ENDING}"


def write_completions(
    path: str | Path, task: Task, problems: Sequence[Any], arm: Arm, policy: Any, critic: Any = None, *,
    name: str = "", seed: int = 0, models: Mapping[str, str] | None = None, chunk: int = 128, concurrent: int = 512,
    traces: bool = True, reference: str = "", ranks: Mapping[Any, int] | None = None, split: str = "",
    run_id: str = "", progress: Any = True,
) -> Path:  # fmt: skip
    """Search the problems that the file does not hold yet, and append a line for each, in the order of `problems`.

    Args:
        arm: how to search; `name` is what it is called, by default its algorithm.
        models: what tells the models apart from others of their size, such as `provenance.hash_folder` of each; they
            are part of `config_hash`, as are task, algorithm, parameters with defaults, mode and budget.
        chunk: problems that are searched together and written together; a kill costs no more than these.
        traces: keep the trees in the file; they are most of it.
        reference: the right answer, for the column `answer`.
        progress: as in `search.engine.run`.

    ValueError for a problem listed twice or a bad one, an arm with a pool (its problems share what they spend), and a
    file that is broken, or that other models, parameters or seeds have made. OSError where it cannot be written.
    """
    path, name = Path(path), name or arm.algorithm
    require("chunk", chunk, int, 1)
    require("seed", seed, int, 0)
    if arm.pool:
        raise ValueError(f"arm {name!r} must have no pool: problems that share a pool cannot be done alone")
    texts = name_problems(task, problems)
    facts = describe_file(task, arm, policy, critic, name=name, seed=seed, models=models)
    done = list_done(path, facts)
    append_rows(path, [])  # fails before anything is spent
    left = [(text, problem) for text, problem in zip(texts, problems, strict=True) if text not in done]
    ranks = {write_problem(problem): rank for problem, rank in (ranks or {}).items()}
    world = open_world(task, arm.mode)  # as the search has seen it
    for begin in range(0, len(left), chunk):
        part = left[begin : begin + chunk]
        outcomes = run_arm(task, [problem for _, problem in part], arm, policy, critic, seed=seed,
                           concurrent=concurrent, progress=progress)  # fmt: skip
        append_rows(path, [
            {"problem": text, "answer": reference, **_describe(world, problem, arm, outcome), **facts,
             "rank": ranks.get(text), "split": split, "run_id": run_id,
             "trace": json.loads(outcome.tree.to_json()) if traces else None}
            for (text, problem), outcome in zip(part, outcomes, strict=True)
        ])  # fmt: skip
    return path


def describe_file(
    task: Task, arm: Arm, policy: Any, critic: Any, *, name: str, seed: int, models: Mapping[str, str] | None
) -> dict[str, Any]:
    """What all lines of a file have in common: the arm, the models, and `config_hash`, a hash of what decides."""
    facts = describe_arm(task, arm, policy, critic, models)
    config_hash = facts.pop("arm_hash")
    return {"strategy": name, "seed": seed, **facts, "config_hash": config_hash}


def list_done(path: str | Path, facts: Mapping[str, Any]) -> set[str]:
    """The problems that a file holds, after half a last line has been cut off; none where there is no file.

    ValueError, and the file as it was, where it is broken or its lines are not of these `facts` (see `describe_file`).
    """
    path, done = Path(path), set()
    if not path.exists():
        return done
    facts, end = json.loads(json.dumps(facts)), 0
    for number, line_end, row in read_rows(path, _check, whole=True):
        if row["config_hash"] is None:
            raise ValueError(f"{path}, line {number}: made elsewhere (it has no config_hash); choose another file")
        here = {key: row.get(key) for key in facts}
        if here != facts:
            first = next(key for key in facts if here[key] != facts[key])
            there, now = ({key: side[first]} if not isinstance(side[first], dict) else side[first]
                          for side, key in ((here, first), (facts, first)))  # fmt: skip
            raise ValueError(f"{path}, line {number}: it was made by another arm ({'; '.join(compare(there, now))}): "
                             "choose another file or folder, or another name")  # fmt: skip
        if row["problem"] in done:
            raise ValueError(f"{path}, line {number}: {row['problem']} stands there twice")
        done.add(row["problem"])
        end = line_end
    mend(path, end)
    return done


# ------------------------------------------------------------------------------------------------------ one outcome
def _describe(task: Task, problem: Any, arm: Arm, outcome: Outcome) -> dict[str, Any]:
    """The columns that a search fills: all that its tree knows of whole answers, then what it came to."""
    tree, sampled = outcome.tree, arm.algorithm in SAMPLED
    bound = bind(find_strategy(arm.algorithm), arm.parameters)
    strategy = bound.get("agg_strategy", "last")
    root, places, rows = task.start(problem), {}, []
    nodes = _list_ends(tree, whole=sampled)
    for node in nodes:
        path = tree.path(node)[1:]
        values = [tree.value[step if tree.same[step] is None else tree.same[step]] for step in path]
        known = [value for value in values if value is not None]
        ended = tree.status[node] in ("solved", "wrong")
        text = "\n".join(tree.line[step] for step in path)
        state = follow(task, root, text)[0]
        rows.append({
            "completions": text,
            "scores": [round(to_chance(value), _DIGITS) for value in known],
            "agg_scores": round(aggregate(known, strategy), _DIGITS) if values and values[-1] is not None else None,
            "completion_tokens": sum(tree.tokens[step] for step in path),
            "correct": tree.status[node] == "solved",
            "answers": task.verdict(state).answer if ended else "",
            "ballots": places.setdefault(task.key(state), len(places)) if ended else None,
            "logprob": sum(tree.logprob[step] or 0.0 for step in path),
        })  # fmt: skip
    stop = next(event[1] for event in reversed(tree.events) if event[0] == "stop")
    chosen = nodes.index(stop) if stop in nodes else None
    columns = {key: [row[key] for row in rows] for key in ("completions", *_ALIGNED)}
    columns |= {"chosen": chosen, "pred": "" if chosen is None else rows[chosen]["completions"]}
    if sampled and arm.mode != "verified":
        columns |= _vote(rows)
    plain = {field.name: getattr(outcome, field.name) for field in fields(Outcome)}
    plain |= {"candidates_correct": plain["correct"], "cost": asdict(outcome.cost), "saved": asdict(outcome.saved)}
    return columns | {key: value for key, value in plain.items() if key not in ("answer", "correct", "tree", "mode")}


def _list_ends(tree: Tree, whole: bool) -> list[int]:
    """The nodes where answers end; with `whole`, where all is sampled from the root, those that came to no end too."""
    parents = set(tree.parent)
    return [node for node, status in enumerate(tree.status)
            if status in ("solved", "wrong") or (whole and node and node not in parents)]  # fmt: skip


def _vote(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the first n samples come to by majority, by weighted majority and by the best score, for each n.

    As in `search.voting`: answers without an end have no vote, ballots are equal positions, the first of equals wins,
    and of the winner's answers the one with the best score stands for it, then the likeliest.
    """
    columns = {}
    for n in (2**power for power in range(len(rows).bit_length())):
        ended = [row for row in rows[:n] if row["ballots"] is not None]
        scored = bool(ended) and all(row["agg_scores"] is not None for row in ended)
        ways = {"maj": None} | ({"weighted": [row["agg_scores"] for row in ended]} if scored else {})
        for way, weights in ways.items():
            winner = vote([row["ballots"] for row in ended], weights)
            columns[f"pred_{way}@{n}"] = _pick(row for row in ended if row["ballots"] == winner)
        if scored:
            columns[f"pred_naive@{n}"] = _pick(ended)
    return columns


def _pick(rows: Iterable[Mapping[str, Any]]) -> str:
    best = max(rows, default={"answers": ""}, key=lambda row: (row["agg_scores"] or 0.0, row["logprob"]))
    return best["answers"]


# ---------------------------------------------------------------------------------------------------------- reading
def read_completions(path: str | Path, *, traces: bool = True) -> list[dict[str, Any]]:
    """The rows of a completions file, ours or one of search-and-learn: the columns named above, None where it has none.

    A file made elsewhere is called after itself: its `strategy` is the name of the file, its `seed` 0; counts of tokens
    that it does not know (-1) are None. Other columns of it are kept. `traces=False` leaves the trees out, which saves
    memory. ValueError that names the line which is broken; OSError where there is no such file.
    """
    more = {} if traces else {"trace": None}
    return [row | more for _, _, row in read_rows(Path(path), _check)]


def tabulate_completions(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of our own files as a table of attempts with the columns of `evaluation.attempts.COLUMNS`, for `summarise`.

    ValueError for a row made elsewhere, whose cost nobody knows.
    """
    return tabulate(map(from_completions, rows), COLUMNS)


def _check(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """The row of a completions file with all its columns; ValueError where it is none."""
    own = _OWN if "config_hash" in row else ()
    if missing := next((name for name in ("problem", "completions", *own) if name not in row), None):
        raise ValueError(f"the column {missing!r} is missing")
    if not isinstance(row["problem"], str) or not _is_list(row["completions"], str):
        raise ValueError("problem must be a text and completions a list of texts")
    for name in _ALIGNED:
        column = row.get(name)
        if column is None or (name == "completion_tokens" and column == -1):  # search-and-learn's beams do not count
            continue
        if not isinstance(column, list) or len(column) != len(row["completions"]):
            raise ValueError(f"{name} must be a list with one entry for each of {len(row['completions'])} completions")
        inner = {"scores": list, "correct": bool, "answers": str}.get(name, (int, float))
        for place, entry in enumerate(column):
            if not isinstance(entry, inner) and not (entry is None and name in ("agg_scores", "ballots")):
                raise ValueError(f"entry {place} of {name} is {str(entry)[:40]!r}")
            if name == "scores" and not _is_list(entry, (int, float)):
                raise ValueError(f"entry {place} of scores must be a list of numbers")
    if own and not (isinstance(row["cost"], dict) and isinstance(row["solved"], bool) and type(row["seed"]) is int):
        raise ValueError("cost must be a mapping, solved true or false and seed an integer")
    if own:
        return row | {"mode": read_mode(row["mode"])}
    tokens = row.get("completion_tokens")
    row["completion_tokens"] = tokens if isinstance(tokens, list) else None
    return dict.fromkeys(_OWN) | {"strategy": path.stem.replace("_completions", "", 1), "seed": 0} | row


def _is_list(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)
