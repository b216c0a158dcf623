"""Evaluation: every arm on every problem with every seed, an attempt each, in one loop that a kill cannot spoil.

Arms are strategies of search, with or without a critic, decoders that search inside an answer, and answers written
whole. This module does not know how they search, where models come from, or how a table is drawn.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.arms import INSIDE, Arm, Generation, describe_arm, read_arms, run_arm
from game24lab.evaluation.attempts import (
    COLUMNS,
    LATER,
    Attempt,
    add_attempts,
    identify,
    load_records,
    open_attempts,
    tabulate,
)
from game24lab.evaluation.decoding import ANSWER, Scorer, describe_answer, open_inside
from game24lab.evaluation.tables import summarise, tabulate_pass_at_k
from game24lab.runs.checks import require
from game24lab.runs.memory import measure_memory
from game24lab.runs.run import write_atomically
from game24lab.search.bandit import take_turns
from game24lab.search.cost import Cost, measure_texts

__all__ = ["COLUMNS", "LATER", "evaluate", "load_records", "summarise", "tabulate_pass_at_k", "write_problem"]

_OUTCOME = ("solved", "outcome", "answer", "mode", "cost", "candidates", "correct", "stopped", "repeated_tokens",
            "illegal_tokens")  # fmt: skip
_SAVED = ("prompt_tokens", "sampled_tokens", "critic_tokens")


def evaluate(
    environment: Any, problems: Sequence[Any] | None, arms: Mapping[str, Mapping[str, Any] | Arm | Generation],
    policy: Any, critic: Any = None, *, seeds: Iterable[int] = (0,), path: str | Path | None = None, chunk: int = 256,
    concurrent: int = 512, scorer: Scorer | None = None, form: Scorer | None = None,
    ranks: Mapping[Any, int] | None = None, split: str = "", run_id: str = "", stage: str = "", model: str = "",
    part: str = "", progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Run every arm on every problem with every seed; the table of what was asked for, by arm, seed and problem.

    With a `path` the attempts of each finished chunk are appended to the file of that name with the suffix `.jsonl`,
    and those that it holds already are not repeated: a killed evaluation, started again, ends with the attempts of an
    undisturbed one. In the end all attempts of the file are written as a table to `path` itself.

    Columns are `attempts.COLUMNS`; with a scorer those of `decoding.ANSWER` and `reward/<name>` too; where all arms are
    a `Generation`, those of the environment.

    Args:
        environment: an environment, or where no arm needs one a task alone.
        problems: distinct ones; None: those that the environment holds out. `ranks` gives them a rank each.
        chunk: attempts that run together and are written together. An arm with a pool runs a whole seed together, and
            with a scorer all arms do: `seconds` is then an answer's share of the models' time, `wall_seconds` and
            `peak_bytes` are of the whole.
        scorer: what texts earn; it pays the leaves of verified lookaheads too, and `form` those of others (None: the
            exact verifier).
        run_id, model: of which run, of which model; in every row. Rows of another run or model are refused.
        stage: when in a training this was; attempts of several stages live side by side in a file.
        part: of an experiment.

    ValueError for unknown arms or parameters, a problem listed twice, and a file that is broken or that belongs to
    other models or parameters; OSError where the file cannot be written.
    """
    task, arms, seeds = getattr(environment, "task", environment), read_arms(arms), list(dict.fromkeys(seeds))
    require("chunk", chunk, int, 1)
    for seed in seeds:
        require("seed", seed, int, 0)
    if scorer is not None and any(isinstance(arm, Generation) for arm in arms.values()):
        raise ValueError("arms must be strategies where a scorer is given, got answers written whole")
    problems = environment.held_out if problems is None else problems
    names = name_problems(environment, problems)
    ranks = {write_problem(problem): rank for problem, rank in (ranks or {}).items()}
    labels = {"split": split, "stage": stage, "part": part}
    facts = {name: {**describe_arm(task, arm, policy, critic), "model": model, "run_id": run_id}
             for name, arm in arms.items()}  # fmt: skip
    held: dict[tuple, dict[str, Any]] = {}
    if path is not None:
        path = Path(path)
        held = open_attempts(path, {(name, stage): _list_fixed(arm, facts[name]) for name, arm in arms.items()})
    jobs = [(name, seed, place) for name in arms for seed in seeds for place in range(len(problems))]
    keys = {job: [(names[job[2]], *job[:2], stage, sample) for sample in range(getattr(arms[job[0]], "samples", 1))]
            for job in jobs}  # fmt: skip
    left = [job for job in jobs if not held.keys() >= set(keys[job])]
    if path is not None and (left or not held):
        add_attempts(path, held, [])  # fails before anything is spent
    total, begin = (sum(len(keys[job]) for job in some) for some in (jobs, set(jobs) - set(left)))
    with tqdm(total=total, initial=begin, dynamic_ncols=True, disable=not progress,
              unit="attempt") as bar:
        for name, arm in arms.items():
            make = partial(_search, task, arm, policy, critic, concurrent=concurrent, bar=bar)
            if isinstance(arm, Generation):
                make = partial(_generate, environment, arm, policy, bar=bar)
            elif scorer is not None:
                pays = scorer if arm.mode == "verified" else form
                make = partial(_decode, scorer, partial(make, pays=pays, decoding=True))
            bar.set_description(name)
            mine = [(seed, place) for arm_name, seed, place in left if arm_name == name]
            for batch in _split(name, arm, mine, chunk, len(problems), whole=scorer is not None):
                made = make([problems[place] for _, place in batch], [seed for seed, _ in batch])
                rows = []
                for (seed, place), found in zip(batch, made, strict=True):
                    known = {"problem": names[place], "arm": name, "seed": seed, "rank": ranks.get(names[place])}
                    rows += [Attempt.read({**facts[name], **labels, **known, **one}).to_row() for one in found]
                if path is None:
                    held |= {identify(row): row for row in rows}
                else:
                    add_attempts(path, held, rows)
    chains = all(isinstance(arm, Generation) for arm in arms.values())
    columns = environment.columns if chains else COLUMNS
    if scorer is not None:
        columns = COLUMNS | ANSWER | dict.fromkeys((f"reward/{name}" for name in scorer.weights), "float64")
    if path is not None and not path.exists():
        alike = all(("sample" in row, "reward" in row) == (chains, scorer is not None) for row in held.values())
        view = tabulate(held.values(), columns if alike else COLUMNS)
        write_atomically(path, lambda temporary: view.to_parquet(temporary, index=False))
    return tabulate([held[key] for job in jobs for key in keys[job]], columns)


def _list_fixed(arm: Arm | Generation, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What all attempts of an arm must share; answers written whole may be gone on with by another backend."""
    loose = ("backend", "models", "arm_hash") if isinstance(arm, Generation) else ()
    return {name: fact for name, fact in facts.items() if name not in loose}


def _split(
    name: str, arm: Arm | Generation, jobs: list[tuple[int, int]], chunk: int, problems: int, *, whole: bool
) -> list[list[tuple[int, int]]]:
    """Jobs (seed, place) in batches; those of a seed together for a pool, and where a whole arm is measured.

    ValueError where a pool's problems are partly done already.
    """
    if not arm.pool and not whole:
        size = max(1, chunk // getattr(arm, "samples", 1))
        return [jobs[begin : begin + size] for begin in range(0, len(jobs), size)]
    counts = Counter(seed for seed, _ in jobs)
    if arm.pool and (seed := next((seed for seed, count in counts.items() if count < problems), None)) is not None:
        raise ValueError(f"arm {name!r}: the file holds {problems - counts[seed]} of {problems} problems of seed "
                         f"{seed}, which shared their pool with others: choose another file or another name")
    return [[(seed, place) for place in range(problems)] for seed in counts]


# ------------------------------------------------------------------------------------------- ways to come to attempts
def _search(
    task: Any, arm: Arm, policy: Any, critic: Any, problems: Sequence[Any], seeds: Sequence[int], *, concurrent: int,
    bar: Any, pays: Scorer | None = None, decoding: bool = False,
) -> list[list[dict[str, Any]]]:  # fmt: skip
    """One search a problem; of decoders all that `describe_answer` says of their texts."""
    world = open_inside(task, policy, pays) if arm.algorithm in INSIDE else task
    settings: dict[str, Any] = {"concurrent": concurrent}
    if arm.pool:
        ((unit, share),) = arm.pool.items()
        sizes = policy.parameters, critic.parameters if critic is not None else 0
        settings = {"concurrent": len(problems), "pool": {unit: share * len(problems)},
                    "turn": take_turns(unit, rule=arm.rule, parameters=sizes)}  # fmt: skip
    outcomes = run_arm(world, problems, arm, policy, critic, seed=seeds, progress=bar, **settings)
    rows = []
    for outcome in outcomes:
        row, said = {name: getattr(outcome, name) for name in _OUTCOME}, describe_answer(outcome)
        rows.append([row | {f"saved_{name}": getattr(outcome.saved, name) for name in _SAVED}
                     | (said if decoding else {"text": said["text"]})])  # fmt: skip
    return rows


def _decode(
    scorer: Scorer, search: Any, problems: Sequence[Any], seeds: Sequence[int]
) -> list[list[dict[str, Any]]]:  # fmt: skip
    """A search whose time and memory are measured, and whose texts are rewarded."""
    begin = time.perf_counter()
    found, peak = measure_memory(lambda: search(problems, seeds))
    shared = {"peak_bytes": peak, "wall_seconds": time.perf_counter() - begin}
    earned = scorer.score(problems, [row["text"] for (row,) in found])
    return [[row | shared | {"reward": parts["total"]}
             | {f"reward/{part}": value for part, value in parts.items() if part != "total"}]
            for (row,), parts in zip(found, earned, strict=True)]  # fmt: skip


def _generate(
    environment: Any, arm: Generation, policy: Any, problems: Sequence[Any], seeds: Sequence[int], *, bar: Any
) -> list[list[dict[str, Any]]]:
    """Answers written whole, in one call of the policy, judged by the environment; `seconds` by their tokens."""
    prompts, clock = [environment.prompt(problem) for problem in problems], time.perf_counter()
    keys = [_hash(seed, environment.write_name(problem)) for seed, problem in zip(seeds, problems, strict=True)]
    answers = policy.generate(prompts, arm.samples, max_tokens=arm.budget, temperature=arm.temperature,
                              top_p=arm.top_p, seeds=keys)  # fmt: skip
    pace = (time.perf_counter() - clock) / max(1, sum(answer.tokens for said in answers for answer in said))
    bar.update(len(problems) * arm.samples)
    found, renamed = [], (next(iter(environment.columns)), "tokens")
    for problem, prompt, said in zip(problems, prompts, answers, strict=True):
        known, size, rows, seen = environment.describe(problem), policy.count(prompt), [], set()
        for index, answer in enumerate(said):
            lines, characters = measure_texts([answer.text])
            cost = Cost(size, answer.tokens, lines, characters, policy_calls=1, depth=1,
                        seconds=pace * answer.tokens)  # fmt: skip
            row = {"sample": index, "cost": cost, **{f"saved_{name}": 0 for name in _SAVED}, **known,
                   **environment.judge(problem, answer)}  # fmt: skip
            row |= {"candidates": 1, "correct": int(row["solved"]), "stopped": "done", "illegal_tokens": 0,
                    "repeated_tokens": answer.tokens * (answer.text in seen)}  # fmt: skip
            seen.add(answer.text)
            rows.append({name: value for name, value in row.items() if name not in renamed})
        found.append(rows)
    return found


def _hash(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"grade {seed}: {name}".encode()).digest()[:7], "big")


# ------------------------------------------------------------------------------------------------------------ problems
def write_problem(problem: Any) -> str:
    """`4 5 6 10`."""
    return " ".join(map(str, problem)) if isinstance(problem, tuple | list) else str(problem)


def name_problems(environment: Any, problems: Sequence[Any]) -> list[str]:
    """The names of distinct problems; ValueError for one that is none, or listed twice."""
    names = []
    for problem in problems:
        getattr(environment, "task", environment).start(problem)  # found before anything is spent
        names.append(getattr(environment, "write_name", write_problem)(problem))
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"problems: {twice[:60]} is listed twice")
    return names
