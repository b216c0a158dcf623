"""What a router looks at before it chooses: the features of problems, gathered one way for training and for use.

How they were gathered is a plain mapping, which a router keeps: later problems are looked at in just that way. This
module does not know what is learnt from features.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from game24lab.routing.features import TRY_COSTS, VERDICT, count_for_oracle, describe_numbers, run_tries, tabulate_tries
from game24lab.routing.prompt_embeddings import embed, fit_components, load_encoder, tabulate_vectors
from game24lab.routing.router import UNSAMPLED
from game24lab.routing.splits import PARTS
from game24lab.runs.checks import require_one_of
from game24lab.search.requests import Outcome, score
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.task import Task

STRUCTURES = ("numbers", "none")
TRIES = ("answers", "value", "none")


@dataclass(frozen=True)
class Look:
    """How to look at a problem."""

    structure: str = "numbers"  # "numbers" of a puzzle; "none" for texts
    tries: str = "answers"  # "answers": one greedy and a few sampled ones; "value": the critic's word alone; "none"
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
            raise ValueError("features: no structure, no try and no encoder leave nothing to look at; one is needed")


def survey(
    look: Look,
    task: Task,
    problems: Sequence[str],
    policy: Any = None,
    critic: Any = None,
    *,
    parts: Mapping[str, str] | None = None,
    oracle: bool = False,
    tried: Sequence[Outcome] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Features of problems, a row each, indexed by problem; what a try costs stands in `TRY_COSTS`.

    Args:
        policy, critic: what tries; not needed where nothing is tried.
        parts: the part of each problem, for components of embeddings, which are fitted on "train" alone.
        oracle: add what only the exact solver knows.
        tried: what `take_tries` has found for these problems already.

    ValueError as those who gather, and for an encoder without parts.
    """
    found = []
    if look.structure == "numbers":
        found.append(describe_numbers(problems))
        if oracle:
            found.append(count_for_oracle(problems, progress=progress))
    if look.encoder:
        found.append(_embed(look, problems, parts, progress))
    if look.tries == "answers":
        tried = take_tries(look, task, problems, policy, critic, progress=progress) if tried is None else tried
        found.append(tabulate_tries(problems, tried))
    else:
        found.append(pd.DataFrame(0.0, index=pd.Index(problems, name="problem"), columns=list(TRY_COSTS)))
    if look.tries == "value":
        roots = [task.start(read_problem(one) if look.structure == "numbers" else one) for one in problems]
        begin, values = time.perf_counter(), score(critic, [task.text(root) for root in roots])
        taken = (time.perf_counter() - begin) / max(1, len(problems))
        found[-1] = found[-1].assign(try_value=values, try_calls=1.0, try_seconds=taken)
    return pd.concat(found, axis=1)


def take_tries(
    look: Look, task: Task, problems: Sequence[str], policy: Any, critic: Any, *, mode: str = "",
    progress: bool = True,
) -> list[Outcome]:  # fmt: skip
    """The tries of a look, an outcome a problem, which hold answers too; in the look's mode unless another is given.

    ValueError as `features.run_tries`.
    """
    settings = {"samples": look.samples, "temperature": look.temperature, "max_tokens": look.max_tokens}
    return run_tries(task, problems, policy, critic, mode=mode or look.mode, seed=look.seed, progress=progress,
                     **settings)  # fmt: skip


def _embed(look: Look, problems: Sequence[str], parts: Mapping[str, str] | None, progress: bool) -> pd.DataFrame:
    if parts is None:
        raise ValueError("encoder: principal components are fitted on the part 'train'; the parts are needed")
    model, tokenizer = load_encoder(look.encoder)
    vectors = embed(problems, model, tokenizer, pooling=look.pooling, progress=progress)
    taught = np.array([parts[problem] == PARTS[0] for problem in problems])
    dimensions = min(look.dimensions, int(taught.sum()), vectors.shape[1])
    return tabulate_vectors(problems, vectors, fit_components(vectors[taught], dimensions, seed=look.seed))


def group_columns(features: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of features by what they come from, for an ablation: `numbers`, `try`, `text`; `free`, all that takes
    no sampled token; `none`, a router that knows the arms alone; `all`; and `oracle`, all with what no router may see.
    """
    kinds: dict[str, list[str]] = {"numbers": [], "try": [], "text": [], "oracle": []}
    for name in features:
        if name not in TRY_COSTS and not str(name).startswith(VERDICT):
            prefix = str(name).partition("_")[0]
            kinds[{"try": "try", "embedding": "text", "oracle": "oracle"}.get(prefix, "numbers")].append(str(name))
    seen = [name for kind in ("numbers", "try", "text") for name in kinds[kind]]
    groups = {kind: kinds[kind] for kind in ("numbers", "try", "text")}
    if set(UNSAMPLED) & set(seen):
        groups["free"] = [name for name in seen if name not in kinds["try"] or name in UNSAMPLED]
    groups = {"all": seen} | {name: columns for name, columns in groups.items() if 0 < len(columns) < len(seen)}
    return groups | {"none": []} | ({"oracle": seen + kinds["oracle"]} if kinds["oracle"] else {})
