"""Planning with a router: each problem gets the arm that suits it and the budget, and is searched with that.

It looks at problems just as the router's training did. It does not know how a router learns, nor what arms do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.arms import find_strategy, read_arms
from game24lab.evaluation.evaluate import write_problem
from game24lab.routing.arms import KEPT
from game24lab.routing.features import TRY_COSTS
from game24lab.routing.pareto import Grid, find_price, route, settle
from game24lab.routing.probe import Look, survey, take_tries
from game24lab.routing.router import CHANCE, COSTS, Router, load_router
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.modes import read_mode
from game24lab.search.requests import Outcome
from game24lab.tasks.task import Task

SHIPPED = Path(__file__).parents[1] / "pretrained" / "router"


@dataclass(frozen=True)
class Plan:
    """Which arm a problem gets, and what the router expects of it."""

    problem: str
    arm: str
    chance: float
    tokens: float  # the look included
    look: Cost  # what looking at it has cost
    tried: Outcome | None = None  # the best answer of the look, where it has any


def find_router(folder: str | Path | None = None) -> Router:
    """The router of a folder, or the shipped one; ValueError where there is none, that says how to make one."""
    if folder is None and not SHIPPED.is_dir():
        raise ValueError(f"strategy 'auto': no router ships ({SHIPPED} is missing); make one by `game24lab run "
                         "10_router` and name its folder, such as --router runs/10_router/router")  # fmt: skip
    return load_router(folder or SHIPPED)


def plan(
    router: Router,
    task: Task,
    problems: Sequence[Any],
    policy: Any,
    critic: Any,
    *,
    mode: str = "verified",
    budget: float | None = None,
    progress: bool = False,
) -> list[Plan]:
    """An arm for each problem, of those of a mode that can be run here.

    With a `budget` the dearest thinking whose expected tokens, the look included, are at most so many a problem on
    average over all of them; without one, the price at which the router was found to gain most, or else 0. Where a look
    was found not to be worth its tokens at that price, nobody looks, and all problems get the arm that was best so.

    ValueError for a router without such arms, one that needs texts embedded, and a budget that nothing fits.
    """
    mode = read_mode(mode)
    look = Look(**router.facts.get("look", {}))
    if look.encoder:
        raise ValueError(f"router: it looks at embeddings by {look.encoder}, which are not kept in it; one without an "
                         "encoder is accepted")  # fmt: skip
    arms, look = _keep(router, mode), _spare(look, router)
    names = [write_problem(problem) for problem in problems]
    asked, blind = list(dict.fromkeys(names)), _hold_back(router, mode, budget)
    if blind in arms:
        arms, look, budget = [blind], replace(look, structure="numbers", tries="none"), None
    tried = (take_tries(look, task, asked, policy, critic, mode=mode, progress=progress)
             if look.tries == "answers" else None)  # fmt: skip
    features = survey(look, task, asked, policy, critic, tried=tried, progress=progress)
    if arms == [blind]:  # what was not looked at counts as its mean
        features = features.reindex(columns=list(dict.fromkeys([*features, *router.encoding.features])))
    said = settle(router.predict(features).merge(router.charge(features), left_on="problem", right_index=True), "")
    grid = _make_grid(said, asked, arms)
    price = float(router.facts.get("prices", {}).get(mode, 0.0)) if budget is None else find_price(grid, budget)
    chosen = dict(zip(grid.problems, route(grid, price), strict=True))
    row = {name: place for place, name in enumerate(grid.problems)}
    plans = []
    for name in names:
        place, arm = row[name], chosen[name]
        tokens, calls, seconds = (features.loc[name, column] for column in TRY_COSTS)
        cost = Cost(sampled_tokens=int(tokens), policy_calls=int(calls), seconds=float(seconds))
        chance, expected = float(grid.predicted_chance[place, arm]), float(grid.expect("tokens")[place, arm])
        plans.append(Plan(name, grid.arms[arm], chance, expected, cost, tried[place] if tried else None))
    return plans


def solve(
    router: Router,
    task: Task,
    problems: Sequence[Any],
    plans: Sequence[Plan],
    policy: Any,
    critic: Any,
    *,
    seed: int = 0,
    progress: bool = False,
    trees: bool = False,
) -> list[Outcome]:
    """Search each problem with its arm, problems of one arm together; outcomes in their order, the look charged.

    Where the arm is to keep the look's answer, nothing more is sampled than the look.
    """
    arms, outcomes = read_arms(router.arms) if router.arms else {}, {}
    kept = {arm: mode for mode, arm in KEPT.items()}
    for name in dict.fromkeys(one.arm for one in plans):
        mine = [place for place, one in enumerate(plans) if one.arm == name]
        if name in kept:
            found = [plans[place].tried and replace(plans[place].tried, cost=Cost()) for place in mine]
            if None in found:  # it was chosen without a look
                found = take_tries(Look(**router.facts.get("look", {})), task, [plans[place].problem for place in mine],
                                   policy, critic, mode=kept[name], progress=progress)  # fmt: skip
            outcomes |= dict(zip(mine, found, strict=True))
            continue
        arm = arms[name]
        found = run(task, [problems[place] for place in mine], find_strategy(arm.algorithm), policy, critic,
                    parameters=arm.parameters, mode=arm.mode, seed=seed, merge=arm.merge, budget=arm.budget,
                    progress=progress, trees=trees)  # fmt: skip
        outcomes |= dict(zip(mine, found, strict=True))
    return [replace(outcomes[place], cost=outcomes[place].cost + one.look) for place, one in enumerate(plans)]


def _keep(router: Router, mode: str) -> list[str]:
    """The arms of a mode that can be run here; to keep the answer of a look is one of them."""
    known = {name: arm for name, arm in router.arms.items() if name in router.encoding.arms}
    kept = [name for name, arm in (read_arms(known) if known else {}).items() if arm.mode == mode]
    if not kept:
        raise ValueError(f"router: none of its {len(router.encoding.arms)} arms is {mode} and can be run here; another "
                         "mode, or a router with such arms, is accepted")  # fmt: skip
    return [*kept, *([KEPT[mode]] if KEPT[mode] in router.encoding.arms else [])]


def _hold_back(router: Router, mode: str, budget: float | None) -> str:
    """The arm that all problems get without a look, "" where looking is worth it (or nobody knows)."""
    schedule = router.facts.get("schedules", {}).get(mode, {"price": [], "arm": [], "cost": []})
    price = router.facts.get("prices", {}).get(mode)
    for at, arm, cost in zip(schedule["price"], schedule["arm"], schedule["cost"], strict=True):
        if (at == price) if budget is None else (cost <= budget):
            return arm
    return ""


def _spare(look: Look, router: Router) -> Look:
    """The look without what this router does not use of it."""
    if look.tries == "answers" and not router.tries:
        uses = any(name.startswith("try_") for name in router.encoding.features)
        return replace(look, tries="value" if uses else "none")
    return look


def _make_grid(said: pd.DataFrame, problems: list[str], arms: list[str]) -> Grid:
    """What is predicted for some arms; nothing is known of what will hold."""
    table = said[said["arm"].isin(arms)]

    def spread(column: str) -> np.ndarray:
        if column not in table:
            return np.full((len(problems), len(arms)), np.nan)
        return table.pivot(index="problem", columns="arm", values=column).loc[problems, arms].to_numpy(float)

    values = [spread(column) for column in (CHANCE, *COSTS)]
    return Grid(tuple(problems), tuple(arms), *values, *values, spread("fee_tokens"), spread("fee_seconds"))
