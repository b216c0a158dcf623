"""Answers of arms that decode plainly or look ahead: one row an answer, with its text, its rewards and its cost.

Accuracy alone does not tell decoders apart: what is written counts too. Rows have the columns of `evaluation`, so that
its summaries take them, and besides the text, its length, what the search changed and what the text earns. It does not
know how arms search, where models come from, nor how a table is drawn.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.arms import INSIDE, Arm, find_strategy
from game24lab.evaluation.evaluate import COLUMNS, flatten, summarise, write_problem
from game24lab.evaluation.statistics import bootstrap, wilson
from game24lab.runs.memory import measure_memory
from game24lab.search.engine import run
from game24lab.search.requests import Outcome
from game24lab.search.token_task import Continuations
from game24lab.search.tree import Tree
from game24lab.tasks.environment import Environment
from game24lab.tasks.rewards import check_weights, is_text_alone, score
from game24lab.tasks.task import Task

ANSWER = {"part": "str", "text": "str", "answer_tokens": "int64", "decisions": "int64", "changed": "int64",
          "pieces": "str", "reward": "float64", "peak_bytes": "float64", "wall_seconds": "float64"}  # fmt: skip


@dataclass(frozen=True)
class Scorer:
    """What texts earn: rewards of an environment, by name and weight."""

    environment: Environment
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        check_weights(self.weights, self.environment.rewards.functions)

    @property
    def __name__(self) -> str:
        return " + ".join(name for name, weight in self.weights.items() if weight)

    @property
    def honest(self) -> bool:
        """Whether all that is paid for is read from the text alone."""
        functions = self.environment.rewards.functions
        return all(is_text_alone(functions[name]) for name, weight in self.weights.items() if weight)

    def list_text_alone(self) -> dict[str, float]:
        """Those of its rewards that read the text alone, with weight 1."""
        functions = self.environment.rewards.functions
        return {name: 1.0 for name in self.weights if is_text_alone(functions[name])}

    @property
    def highest(self) -> float:
        """What a text earns at most, where every reward is at most 1."""
        return math.fsum(self.weights.values())

    def score(self, problems: Sequence[Any], texts: Sequence[str]) -> list[dict[str, float | None]]:
        """The rewards of each text by name, and their weighted sum as `total`."""
        known = [self.environment.know(problem) for problem in problems]
        return score(self.environment.rewards, known, texts, self.weights)

    def __call__(self, problems: Sequence[Any], texts: Sequence[str]) -> list[float | None]:
        """The sums alone: the reward of a search."""
        return [row["total"] for row in self.score(problems, texts)]


def open_inside(task: Task, policy: Any, scorer: Scorer | None = None) -> Continuations:
    """The task as a world of answers in a policy's tokens, its leaves paid by a scorer, or by the exact verifier."""
    if scorer is None:
        return Continuations(task, policy)
    return Continuations(task, policy, scorer, (0.0, scorer.highest), scorer.honest)


def answer(
    task: Task,
    problems: Sequence[Any],
    name: str,
    arm: Arm,
    policy: Any,
    critic: Any = None,
    *,
    scorer: Scorer,
    pays: Scorer | None = None,
    part: str = "main",
    seed: int = 0,
    split: str = "",
    run_id: str = "",
    progress: bool = True,
) -> pd.DataFrame:
    """Let one arm answer all problems at once: one row each, columns of `evaluation.evaluate.COLUMNS` and `ANSWER`, and
    `reward/<name>` for each of the scorer's rewards.

    Args:
        scorer: what the texts are measured by.
        pays: what pays the leaves of a lookahead; None: the exact verifier.
        part: which part of an experiment the arm belongs to.

    `seconds` is an answer's share of the models' time, `wall_seconds` and `peak_bytes` are those of the whole arm.
    ValueError as the engine raises it.
    """
    world = open_inside(task, policy, pays) if arm.algorithm in INSIDE else task
    begin = time.perf_counter()
    with tqdm(total=len(problems), desc=name, unit="answer", disable=not progress) as bar:
        outcomes, peak = measure_memory(lambda: run(
            world, problems, find_strategy(arm.algorithm), policy, critic, parameters=arm.parameters, mode=arm.mode,
            seed=seed, merge=arm.merge, budget=arm.budget, progress=bar,
        ))  # fmt: skip
    wall = time.perf_counter() - begin
    shared = {"strategy": name, "part": part, "algorithm": arm.algorithm, "parameters": arm.describe(), "seed": seed,
              "rank": None, "policy_parameters": policy.parameters, "backend": policy.name, "split": split,
              "run_id": run_id, "critic_parameters": critic.parameters if critic is not None else 0,
              "peak_bytes": math.nan if peak is None else peak, "wall_seconds": wall}  # fmt: skip
    rows = [shared | {"problem": write_problem(problem)} | flatten(outcome) | describe_answer(outcome)
            for problem, outcome in zip(problems, outcomes, strict=True)]  # fmt: skip
    earned = scorer.score(problems, [row["text"] for row in rows])
    for row, parts in zip(rows, earned, strict=True):
        row |= {f"reward/{part}": value for part, value in parts.items() if part != "total"}
        row["reward"] = math.nan if parts["total"] is None else parts["total"]
    kinds = COLUMNS | ANSWER | dict.fromkeys((f"reward/{part}" for part in scorer.weights), "float64")
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})


def describe_answer(outcome: Outcome) -> dict[str, Any]:
    """The text that a search committed to, as `ANSWER` has it; of a search over lines what its path says.

    A verified search that found nothing right committed to nothing: there, the likeliest of what it has said.
    """
    tree, meta = outcome.tree, outcome.tree.meta
    if "pieces" in meta:
        text, pieces, tokens = meta["text"], meta["pieces"], meta["answer_tokens"]
    else:
        path = tree.path(_find_end(tree))[1:]
        text = "".join(f"{tree.line[node]}\n" for node in path)
        pieces, tokens = [[f"{tree.line[node]}\n", "plain"] for node in path], sum(tree.tokens[node] for node in path)
    decisions = meta.get("decisions", [])
    clean = text.encode("utf-8", "replace").decode()  # a policy may say halves of characters; no file takes them
    return {"text": clean, "answer_tokens": tokens, "decisions": len(decisions), "pieces": json.dumps(pieces),
            "changed": sum(decision["changed"] for decision in decisions)}  # fmt: skip


def _find_end(tree: Tree) -> int:
    end = next(event[1] for event in reversed(tree.events) if event[0] == "stop")
    said = [node for node, logprob in enumerate(tree.logprob) if logprob is not None]
    return end or max(said, default=0, key=tree.logprob.__getitem__)


# -------------------------------------------------------------------------------------------- tables from rows
def tabulate_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """`evaluation.evaluate.summarise`, and of each arm the means `reward`, `reward/<name>`, `answer_tokens`,
    `decisions` and `changed`, `seconds_per_token` (of the answer), `answer_seconds_p50` and `_p95`, `peak_bytes`
    and `wall_seconds` (mean over seeds; of all its problems together)."""
    table = summarise(rows)
    parts = rows.groupby(["strategy", "mode"], sort=False)
    names = ["reward", *(name for name in rows if name.startswith("reward/")), "answer_tokens", "decisions", "changed"]
    found = [{name: part[name].mean() for name in names} | {
        "seconds_per_token": part["seconds"].sum() / max(1, part["answer_tokens"].sum()),
        "answer_seconds_p50": part["seconds"].quantile(0.5), "answer_seconds_p95": part["seconds"].quantile(0.95),
        **{name: part.groupby("seed")[name].first().mean() for name in ("peak_bytes", "wall_seconds")},
    } for _, part in parts]  # fmt: skip
    return pd.concat([table, pd.DataFrame(found)], axis=1)


def read_settings(table: pd.DataFrame) -> pd.DataFrame:
    """A summary's lookaheads with their `rule`, `simulations` and `depth` as columns."""
    inside = table[table["algorithm"].isin(INSIDE)].reset_index(drop=True)
    settings = [json.loads(parameters) for parameters in inside["parameters"]]
    return inside.assign(**{name: [one[name] for one in settings] for name in ("rule", "simulations", "depth")})


def match(rows: pd.DataFrame, unit: str, *, confidence: float = 0.95) -> pd.DataFrame:
    """Every lookahead beside the baseline that spends as much: the cheapest with at least its mean `unit`.

    unit: "sampled_tokens", or "wall_seconds". Arms are held against those that end in the same mode. Columns: `arm`,
    `mode`, `accuracy`, `spent`, `baseline`, `baseline_accuracy`, `baseline_spent`, `enough` (False: no baseline spent
    as much, so that the dearest stands in), `difference` with `low` and `high` (paired by problem, bootstrap over
    problems), `problems`, `seeds`. ValueError for a unit that rows do not have.
    """
    if unit not in ("sampled_tokens", "wall_seconds"):
        raise ValueError(f"unit {unit!r}: sampled_tokens or wall_seconds is accepted")
    table = []
    for mode, part in rows.groupby("mode", sort=False):
        arms = dict(list(part.groupby("strategy", sort=False)))
        spent = {name: _spend(arm, unit) for name, arm in arms.items()}
        ahead = {name: looks_ahead(arm.iloc[0]) for name, arm in arms.items()}
        baselines = sorted((name for name in arms if not ahead[name]), key=spent.get)
        for name, arm in arms.items():
            if not ahead[name] or not baselines:
                continue
            enough = [other for other in baselines if spent[other] >= spent[name]]
            other = enough[0] if enough else baselines[-1]
            means = [one.groupby("problem")["solved"].mean() for one in (arm, arms[other])]
            gaps = (means[0] - means[1]).dropna()
            low, high = _bound(gaps.to_numpy(), confidence)
            table.append({
                "arm": name, "mode": mode, "accuracy": means[0].mean(), "spent": spent[name], "baseline": other,
                "baseline_accuracy": means[1].mean(), "baseline_spent": spent[other], "enough": bool(enough),
                "difference": gaps.mean(), "low": low, "high": high, "problems": len(gaps),
                "seeds": arm["seed"].nunique(),
            })  # fmt: skip
    columns = ["arm", "mode", "accuracy", "spent", "baseline", "baseline_accuracy", "baseline_spent", "enough",
               "difference", "low", "high", "problems", "seeds"]  # fmt: skip
    return pd.DataFrame(table, columns=columns)


def looks_ahead(row: Mapping[str, Any]) -> bool:
    """Whether a row's arm searches inside its answers at all, and does not decode plainly."""
    return row["algorithm"] in INSIDE and json.loads(row["parameters"])["simulations"] > 0


def _bound(gaps: np.ndarray, confidence: float) -> tuple[float, float]:
    """By bootstrap; where all are alike it would claim certainty, and Wilson's reach of so many problems stands in."""
    if np.ptp(gaps):
        return bootstrap(gaps, confidence=confidence)
    reach = 1 - wilson(len(gaps), len(gaps), confidence=confidence)[0]
    return max(-1.0, gaps[0] - reach), min(1.0, gaps[0] + reach)


def _spend(rows: pd.DataFrame, unit: str) -> float:
    """A mean a problem."""
    if unit == "sampled_tokens":
        return float(rows[unit].mean())
    return float(rows.groupby("seed")[unit].first().sum() / len(rows))
