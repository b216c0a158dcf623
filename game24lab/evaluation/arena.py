"""The comparison of decoders: its arms (plain, best-of-n, lookahead), and their answers to held-out problems.

It does not know tasks: an environment is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.decoding import Scorer, answer
from game24lab.runs.checks import require
from game24lab.tasks.environment import Environment

_BATCH = 4  # samples that best-of-n draws before it looks whether one is right
LINE = 32  # tokens of a line that a critic is asked about, at most


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


def meet(
    environment: Environment,
    arms: Mapping[str, Arm],
    policy: Any,
    critic: Any = None,
    *,
    scorer: Scorer,
    form: Scorer | None,
    recall: Callable[[str, Callable[[], pd.DataFrame]], pd.DataFrame],
    seeds: Iterable[int] = (0,),
    part: str = "main",
    **labels: Any,
) -> pd.DataFrame:
    """The rows of all arms and seeds, see `evaluation.decoding.answer`.

    Verified lookaheads are paid by `scorer`, others by `form`.

    recall(name, make): the table of that name, made where it is not there yet; a killed run repeats no arm.
    """
    tables = []
    for number, (name, arm) in enumerate(arms.items()):
        for seed in seeds:

            def make(name: str = name, arm: Arm = arm, seed: int = seed) -> pd.DataFrame:
                pays = scorer if arm.mode == "verified" else form
                return answer(environment.task, environment.held_out, name, arm, policy, critic, scorer=scorer,
                              pays=pays, part=part, seed=seed, **labels)  # fmt: skip

            tables.append(recall(f"{part}-{number:02}-{seed}", make).assign(mode=arm.mode))  # a kept one may be older
    return pd.concat(tables, ignore_index=True)
