"""Routing: each problem gets the arm that suits it and the budget, and is searched with that.

Problems are probed just as in the router's training. It does not know how a router learns, nor what arms do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from game24lab.evaluation.arms import read_arms, run_arm
from game24lab.models.locations import PRETRAINED
from game24lab.routing.arms import PROBE_ANSWER
from game24lab.routing.pareto import charge_probe_answers, find_price, read_grid, route
from game24lab.routing.probe import PROBE_COSTS, Probe, probe_problems, run_probe
from game24lab.routing.router import CHANCE, COSTS, TRY, Router, load_router
from game24lab.search.cost import Cost
from game24lab.search.modes import read_mode
from game24lab.search.requests import Outcome
from game24lab.tasks.environment import Environment
from game24lab.tasks.task import Task

SHIPPED = PRETRAINED / "router"


@dataclass(frozen=True)
class Plan:
    """Which arm a problem gets, and what the router expects of it."""

    problem: str
    arm: str
    chance: float
    tokens: float  # the probe included
    probe_cost: Cost
    probed: Outcome | None = None  # the best answer of the probe, where it has any


def find_router(folder: str | Path | None = None) -> Router:
    """The router of a folder, or the shipped one; ValueError where there is none, that says how to make one."""
    if folder is None and not SHIPPED.is_dir():
        raise ValueError(f"strategy 'auto': no router ships ({SHIPPED} is missing); make one by `game24lab run "
                         "10_router` and name its folder, such as --router runs/10_router/router")  # fmt: skip
    return load_router(folder or SHIPPED)


def plan(
    router: Router, environment: Environment, problems: Sequence[Any], policy: Any, critic: Any, *,
    mode: str = "verified", budget: float | None = None, progress: bool = False,
) -> list[Plan]:  # fmt: skip
    """An arm for each problem, of those of a mode that can be run here.

    With a `budget`, the lowest price of tokens at which at most so many tokens a problem are expected on average, the
    probe included; without one, the price at which the router gained most on known problems, or else 0. Where the
    probe was not worth its tokens at that price, no problem is probed, and all get the arm that was best so.

    ValueError for a router of another task or without such arms, one that needs texts embedded, and a budget below the
    cheapest arms.
    """
    mode, task = read_mode(mode), environment.task
    trained = router.facts.get("task", "game24")  # a router of former times is of that game
    if trained != environment.name:
        raise ValueError(f"router: task must be {trained}, which it was trained on, got {environment.name}")
    settings = _read_probe(router)
    if settings.encoder:
        raise ValueError(f"router must work without an encoder, got one that needs embeddings by {settings.encoder}, "
                         "which are not kept in it")  # fmt: skip
    if settings.tries == "answers" and not router.samples:  # without what this router does not use of it
        uses = any(name.startswith(TRY) for name in router.encoding.features)
        settings = replace(settings, tries="value" if uses else "none")
    arms, same = _list_arms(router, mode), _skip_probe(router, mode, budget)
    names = [environment.write_name(problem) for problem in problems]
    distinct = list(dict.fromkeys(names))
    if same in arms:
        arms, settings, budget = [same], replace(settings, structure="numbers", tries="none"), None
    probed = None
    if settings.tries == "answers":
        probed = run_probe(settings, task, distinct, policy, critic, mode=mode, progress=progress)
    features = probe_problems(settings, environment, distinct, policy, critic, probed=probed, progress=progress)
    if arms == [same]:  # what was not probed counts as its mean
        features = features.reindex(columns=list(dict.fromkeys([*features, *router.encoding.features])))
    rows = router.predict(features).merge(router.charge(features), left_on="problem", right_index=True)
    rows = rows[rows["arm"].isin(arms)]
    rows = rows.assign(**{f"predicted_{name}": rows[name] for name in (CHANCE, *COSTS) if name in rows})
    grid = read_grid(charge_probe_answers(rows))
    price = float(router.facts.get("prices", {}).get(mode, 0.0)) if budget is None else find_price(grid, budget)
    chosen, expected, plans = route(grid, price), grid.expect("tokens"), {}
    for place, name in enumerate(grid.problems):
        tokens, calls, seconds = features.loc[name, list(PROBE_COSTS)]
        cost, arm = Cost(sampled_tokens=int(tokens), policy_calls=int(calls), seconds=float(seconds)), chosen[place]
        plans[name] = Plan(name, grid.arms[arm], float(grid.predicted_chance[place, arm]), float(expected[place, arm]),
                           cost, probed[place] if probed else None)  # fmt: skip
    return [plans[name] for name in names]


def solve(
    router: Router, task: Task, problems: Sequence[Any], plans: Sequence[Plan], policy: Any, critic: Any, *,
    seed: int = 0, progress: Any = False, trees: bool = False,
) -> list[Outcome]:  # fmt: skip
    """Search each problem with its arm, problems of one arm together; outcomes in their order, the probe charged.

    Where the arm returns the probe's answer, nothing more is sampled than the probe. `progress` is as in
    `search.engine.run`.
    """
    arms, outcomes = read_arms(router.arms) if router.arms else {}, {}
    answers = {arm: mode for mode, arm in PROBE_ANSWER.items()}
    for name in dict.fromkeys(one.arm for one in plans):
        mine = [place for place, one in enumerate(plans) if one.arm == name]
        if name in answers:
            found = [plans[place].probed and replace(plans[place].probed, cost=Cost()) for place in mine]
            if None in found:  # it was chosen without a probe
                found = run_probe(_read_probe(router), task, [plans[place].problem for place in mine], policy, critic,
                                  mode=answers[name], progress=progress)  # fmt: skip
        else:
            found = run_arm(task, [problems[place] for place in mine], arms[name], policy, critic, seed=seed,
                            progress=progress, trees=trees)  # fmt: skip
        outcomes |= dict(zip(mine, found, strict=True))
    return [replace(outcomes[place], cost=outcomes[place].cost + one.probe_cost) for place, one in enumerate(plans)]


def _read_probe(router: Router) -> Probe:
    return Probe(**router.facts.get("probe", {}))


def _list_arms(router: Router, mode: str) -> list[str]:
    """The arms of a mode that can be run here; to return the probe's answer is one of them."""
    known = {name: arm for name, arm in router.arms.items() if name in router.encoding.arms}
    found = [name for name, arm in (read_arms(known) if known else {}).items() if arm.mode == mode]
    if not found:
        raise ValueError(f"router: none of its {len(router.encoding.arms)} arms is {mode} and can be run here; choose "
                         "another mode or another router")  # fmt: skip
    return [*found, *([PROBE_ANSWER[mode]] if PROBE_ANSWER[mode] in router.encoding.arms else [])]


def _skip_probe(router: Router, mode: str, budget: float | None) -> str:
    """The arm that all problems get without a probe, "" where the probe is worth its cost (or nobody knows)."""
    schedule = router.facts.get("schedules", {}).get(mode, {"price": [], "arm": [], "cost": []})
    price = router.facts.get("prices", {}).get(mode)
    for at, arm, cost in zip(schedule["price"], schedule["arm"], schedule["cost"], strict=True):
        if (at == price) if budget is None else (cost <= budget):
            return arm
    return ""
