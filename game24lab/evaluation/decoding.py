"""The comparison of decoders (plain, best-of-n, lookahead): its arms, what their texts earn, and its tables.

Accuracy alone does not tell decoders apart: what is written counts too. `evaluation.evaluate` makes the attempts, which
hold besides the text its length, what the search changed and what it earns. This module does not know how arms search,
where models come from, nor tasks: an environment is handed in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from game24lab.evaluation.arms import INSIDE, Arm
from game24lab.evaluation.statistics import bound_difference
from game24lab.evaluation.tables import summarise
from game24lab.runs.checks import require, require_one_of
from game24lab.search.requests import Outcome
from game24lab.search.token_task import Continuations
from game24lab.search.tree import Tree
from game24lab.tasks.environment import Environment
from game24lab.tasks.rewards import check_weights, is_text_alone, score
from game24lab.tasks.task import Task

ANSWER = {"part": "str", "text": "str", "answer_tokens": "int64", "decisions": "int64", "changed": "int64",
          "pieces": "str", "reward": "float64", "peak_bytes": "float64", "wall_seconds": "float64"}  # fmt: skip

_BATCH = 4  # samples that best-of-n draws before it looks whether one is right
LINE = 32  # tokens of a line that a critic is asked about, at most


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


# ---------------------------------------------------------------------------------------- arms of the comparison
def list_arms(
    look: Mapping[str, Any], ns: Sequence[int], *, honest: bool, critic: bool, temperature: float = 1.0,
    mode: str = "rules",
) -> dict[str, Arm]:
    """Plain decoding, best-of-n for some n verified and not, and lookahead: verified; and not, led by rewards of the
    form where `honest`, and by a critic where there is one, which tries whole lines at line starts.

    look: parameters of `lookahead`; its `max_tokens` are those of all. temperature: of best-of-n's samples. mode: of
    the arms that are not verified, see `search.modes.find_unverified`.
    """
    tokens = look["max_tokens"]
    arms = {"plain": Arm("lookahead", {"simulations": 0, "max_tokens": tokens}, mode)}
    for n in ns:
        require("n", n, int, 1)
        drawn = {"n": n, "temperature": temperature, "max_tokens": tokens}
        arms[f"best of {n}"] = Arm("best_of_n", drawn | {"batch": min(n, _BATCH)})
        arms[f"best of {n}, likeliest"] = Arm("best_of_n", drawn | {"batch": 0, "choose": "logprob"}, mode)
        if critic:
            arms[f"best of {n}, by critic"] = Arm("best_of_n", drawn | {"batch": 0}, mode)
    arms["look ahead"] = Arm("lookahead", look)
    if honest:
        arms["look ahead, by form"] = Arm("lookahead", look, mode)
    if critic:
        # it was taught positions, which begin where lines end: what it says of half a line is noise
        lines = {"rule": "line", "unit": "line", "chunk": max(look.get("chunk", 1), LINE), "leaf": "critic"}
        arms["look ahead, by critic"] = Arm("lookahead", {**look, **lines}, mode)
    return arms


def make_grid(
    look: Mapping[str, Any], rules: Sequence[str], simulations: Sequence[int], depths: Sequence[int]
) -> dict[str, Arm]:
    """Verified lookaheads with every combination, named `entropy, 4 simulations, depth 2`."""
    return {f"{rule}, {count} simulations, depth {depth}":
            Arm("lookahead", {**look, "rule": rule, "simulations": count, "depth": depth})
            for rule in rules for count in simulations for depth in depths}  # fmt: skip


# -------------------------------------------------------------------------------------------- tables from rows
def tabulate_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """`evaluation.tables.summarise`, and of each arm the means `reward`, `reward/<name>`, `answer_tokens`,
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
    require_one_of("unit", unit, ("sampled_tokens", "wall_seconds"))
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
            low, high = bound_difference(gaps.to_numpy(), confidence=confidence)
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


def _spend(rows: pd.DataFrame, unit: str) -> float:
    """A mean a problem."""
    if unit == "sampled_tokens":
        return float(rows[unit].mean())
    return float(rows.groupby("seed")[unit].first().sum() / len(rows))
