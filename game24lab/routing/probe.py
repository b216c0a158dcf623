"""Probes: what a router sees of problems before it chooses an arm, gathered one way for training and for use.

The task's own features, one greedy and a few sampled answers, the critic's value, embeddings of the text. The settings
are a plain mapping, which a router keeps. What a probe costs stands beside what it found, in `PROBE_COSTS`, for it is
the router's own cost. What only an exact solver or verifier knows is here for an oracle's bound and for labels, in
columns whose names say so. This module does not know what is learnt from features.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.routing.prompt_embeddings import embed, fit_components, load_encoder, tabulate_vectors
from game24lab.routing.router import UNSAMPLED
from game24lab.routing.splits import PARTS, name_group, show
from game24lab.runs.checks import require, require_one_of
from game24lab.search.engine import run
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Request, Value, score
from game24lab.search.sampling import Candidate, check_sampling, conclude, make_tree, read
from game24lab.tasks.environment import Environment
from game24lab.tasks.task import Task

STRUCTURES, TRIES = ("numbers", "none"), ("answers", "value", "none")
PROBE_COSTS = ("try_tokens", "try_calls", "try_seconds")
ORACLE = "oracle_"  # how columns begin that no router may see
VERDICT = "verdict_"  # and those with the exact verifier's word on the answers of a probe


@dataclass(frozen=True)
class Probe:
    """How to probe a problem."""

    structure: str = "numbers"  # "numbers": the task's own features, where it has any; "none"
    tries: str = "answers"  # "answers": one greedy and a few sampled ones; "value": the critic's value alone; "none"
    samples: int = 2  # sampled answers
    temperature: float = 1.0
    max_tokens: int = 256  # of an answer
    encoder: str = ""  # checkpoint that embeds the text, "" = none
    pooling: str = "mean"  # "cls", "mean", "last", "max"
    dimensions: int = 16  # principal components of an embedding that are kept
    seed: int = 0
    mode: str = "rules"  # of the answers: "rules", or "blind" for a router of blind arms

    def __post_init__(self) -> None:
        require_one_of("structure", self.structure, STRUCTURES)
        require_one_of("tries", self.tries, TRIES)
        require_one_of("mode", self.mode, ("rules", "blind"))
        if self.structure == self.tries == "none" and not self.encoder:
            raise ValueError("structure, tries and encoder must not all be none: there is nothing to look at")


def probe_problems(
    settings: Probe, environment: Environment, problems: Sequence[str], policy: Any = None, critic: Any = None, *,
    parts: Mapping[str, str] | None = None, oracle: bool = False, probed: Sequence[Outcome] | None = None,
    progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Features of problems, a row each, indexed by problem; the cost of the probe stands in `PROBE_COSTS`.

    Args:
        policy, critic: of the answers and values; not needed where none are asked for.
        parts: the part of each problem, for components of embeddings, which are fitted on "train" alone.
        oracle: add the environment's oracle features, in columns that begin with `ORACLE`.
        probed: what `run_probe` has found for these problems already.

    ValueError that names a problem that is none of the environment's, and for an encoder without parts.
    """
    found = []
    if settings.structure != "none":
        found.append(_tabulate(environment.features, problems))
        if oracle:
            bar = tqdm(problems, desc="oracle", unit="problem", disable=not progress)
            found.append(_tabulate(environment.oracle_features, bar).add_prefix(ORACLE))
    if settings.encoder:
        found.append(_embed(settings, problems, parts, progress))
    if settings.tries == "answers":
        if probed is None:
            probed = run_probe(settings, environment.task, problems, policy, critic, progress=progress)
        found.append(tabulate_answers(problems, probed))
    else:
        found.append(pd.DataFrame(0.0, index=_index(problems), columns=list(PROBE_COSTS)))
    if settings.tries == "value":
        begin, values = time.perf_counter(), score(critic, [environment.prompt(one) for one in problems])
        taken = (time.perf_counter() - begin) / max(1, len(problems))
        found[-1] = found[-1].assign(try_value=values, try_calls=1.0, try_seconds=taken)
    return pd.concat(found, axis=1)


def _tabulate(describe: Callable[[str], Mapping[str, float]], problems: Sequence[str]) -> pd.DataFrame:
    """A row a problem; what some problems have and others lack, such as a fifth number, is 0 there."""
    rows = []
    for problem in problems:
        try:
            rows.append(describe(problem))
        except ValueError as error:
            raise ValueError(f"problem {show(problem)}: no features ({error}); texts have embeddings instead") from None
    columns = list(max(rows, key=len, default={}))
    return pd.DataFrame(rows, index=_index(problems), columns=columns, dtype=float).fillna(0.0)


def _index(problems: Sequence[str]) -> pd.Index:
    return pd.Index(list(problems), name="problem", dtype=str)


def _embed(settings: Probe, problems: Sequence[str], parts: Mapping[str, str] | None, progress: bool) -> pd.DataFrame:
    if parts is None:
        raise ValueError("encoder: principal components are fitted on the part 'train'; the parts are needed")
    model, tokenizer = load_encoder(settings.encoder)
    vectors = embed(problems, model, tokenizer, pooling=settings.pooling, progress=progress)
    taught = np.array([parts[problem] == PARTS[0] for problem in problems])
    dimensions = min(settings.dimensions, int(taught.sum()), vectors.shape[1])
    return tabulate_vectors(problems, vectors, fit_components(vectors[taught], dimensions, seed=settings.seed))


# ----------------------------------------------------------------------------------------------------------- answers
def probe(
    task: Task, root: Any, *, samples: int = 2, valued: bool = True, temperature: float = 1.0, max_tokens: int = 256,
    verified: bool,
) -> Generator[Request, list, Outcome]:  # fmt: skip
    """One greedy answer and a few sampled ones, as a search that commits to the best of them, so that all is metered.

    The signals stand in the tree's `meta["signals"]`; `valued` asks the critic about the first position and those at
    which the answers end. Nothing of the verdict is among the signals.
    """
    require("samples", samples, int, 2)
    check_sampling(temperature, 1.0, 0, max_tokens)
    tree, answers, drawn, values = make_tree(task, root), [], [], []
    stopped = "done"
    try:
        (answers,) = yield Complete((root,), 1, temperature=0.0, max_tokens=max_tokens)
        (drawn,) = yield Complete((root,), samples, 1, temperature, max_tokens=max_tokens)
    except BudgetSpent as spent:
        stopped = spent.unit
    found = [read(task, tree, root, answer) for answer in (*answers, *drawn)]
    if valued and found:
        try:
            values = yield Value((root, *(one.state for one in found)))
        except BudgetSpent as spent:
            stopped = spent.unit
    if not drawn or (valued and not values):
        raise ValueError(f"a probe ended early: its budget of {stopped} must be larger")
    ends = [_name_end(task, one) for one in found]
    logprobs = answers[0].logprobs or (0.0,)
    signals = {
        "logprob": float(sum(logprobs)),
        "logprob_mean": float(np.mean(logprobs)),
        "logprob_least": float(min(logprobs)),
        "length": answers[0].tokens,
        "ended": float(found[0].end == "terminal"),
        "entropy": -float(np.mean([one.logprob for one in drawn])),
        "agreement": float(np.mean([one is not None and one == other for one, other in combinations(ends[1:], 2)])),
        "likeness": float(np.mean([ends[0] is not None and ends[0] == end for end in ends[1:]])),
    }
    if values:
        for one, value in zip(found, values[1:], strict=True):
            one.value = float(value)
        best = max((one.value for one in found if one.end == "terminal"), default=-1.0)
        signals |= {"value": float(values[0]), "value_end": float(values[1]), "value_best": best}
    tree.meta["signals"] = signals
    return conclude(task, tree, root, found, verified, stopped)


def _name_end(task: Task, candidate: Candidate) -> Any:
    """The position an answer ends at, None where it does not get to an end."""
    return task.key(candidate.state) if candidate.end == "terminal" else None


def run_probe(
    settings: Probe, task: Task, problems: Sequence[str], policy: Any, critic: Any = None, *, mode: str = "",
    progress: bool = True,
) -> list[Outcome]:  # fmt: skip
    """Outcomes of `probe`, all problems at once, in the settings' mode unless another of `search.modes` is given.

    ValueError as the task's for a problem that it cannot start from.
    """
    # samples depend on the problem as it is given: a puzzle as its numbers, as in every other search
    keys = [name_group(problem) for problem in problems]
    asked = [key if isinstance(key, tuple) else problem for key, problem in zip(keys, problems, strict=True)]
    return run(task, asked, probe, policy, critic, seed=settings.seed, progress=progress, mode=mode or settings.mode,
               parameters={"samples": settings.samples, "valued": critic is not None,
                           "temperature": settings.temperature, "max_tokens": settings.max_tokens})  # fmt: skip


def tabulate_answers(problems: Sequence[str], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Signals of one greedy answer and a few samples, and their cost: a row a problem, indexed by it.

    Columns: of the greedy answer `try_logprob` (natural log), `try_logprob_mean` and `try_logprob_least` of its tokens,
    `try_length` (tokens), `try_ended` (it got to an end, right or wrong, by legal lines: what every search by the
    rules is told too, but nearly the verdict where a policy seldom ends elsewhere than at the target); of the samples
    `try_entropy` (the mean of minus their log-probability: unbiased for the entropy of an answer at temperature 1, in
    nats), `try_agreement` (share of their pairs that end in one position), `try_likeness` (share that ends where the
    greedy one does); with a critic `try_value`, `try_value_end` and `try_value_best`, its value in [-1, 1] of the first
    position, of the greedy answer's end and of the best end of all. `PROBE_COSTS` are all sampled tokens, calls of both
    models and seconds of model time. What only the exact verifier knows, and no router sees: `verdict_kept`, whether
    the answer that the probe commits to is right, and `verdict_any`, whether one of them is.
    """
    rows = []
    for outcome in outcomes:
        row = {f"try_{name}": signal for name, signal in outcome.tree.meta["signals"].items()}
        row |= {f"{VERDICT}kept": float(outcome.solved), f"{VERDICT}any": float(outcome.correct > 0)}
        cost, calls = outcome.cost, outcome.cost.policy_calls + outcome.cost.critic_calls
        rows.append(row | dict(zip(PROBE_COSTS, (cost.sampled_tokens, calls, cost.seconds), strict=True)))
    return pd.DataFrame(rows, index=_index(problems), dtype=float)


def group_columns(features: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of features by their source, for an ablation: `numbers`, `try`, `text`; `free`, all that takes no
    sampled token; `none`, a router that knows the arms alone; `all`; and `oracle`, all with what no router may see."""
    kinds: dict[str, list[str]] = {"numbers": [], "try": [], "text": [], "oracle": []}
    for name in features:
        if name not in PROBE_COSTS and not str(name).startswith(VERDICT):
            prefix = str(name).partition("_")[0]
            kinds[{"try": "try", "embedding": "text", "oracle": "oracle"}.get(prefix, "numbers")].append(str(name))
    groups = {kind: kinds[kind] for kind in ("numbers", "try", "text")}
    seen = [name for columns in groups.values() for name in columns]
    if set(UNSAMPLED) & set(seen):
        groups["free"] = [name for name in seen if name not in kinds["try"] or name in UNSAMPLED]
    groups = {"all": seen} | {name: columns for name, columns in groups.items() if 0 < len(columns) < len(seen)}
    return groups | {"none": []} | ({"oracle": seen + kinds["oracle"]} if kinds["oracle"] else {})
