"""Expert iteration beside what could do without it: the same rounds at equal FLOPs, with one thing changed in each.

`LINES` says what. All begin with the same policy and are measured by the same meters; by each round a line has spent
the FLOPs that the line `search` has, its searches and its critic included. It does not know the meters, nor the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from game24lab.models.load_policy import load_policy
from game24lab.runs.checks import require_one_of
from game24lab.search.engine import Algorithm
from game24lab.search.sampling import best_of_n
from game24lab.search.seeds import derive
from game24lab.tasks.environment import Environment
from game24lab.tasks.problems import Problem
from game24lab.training import grpo
from game24lab.training.expert_iteration import IterationConfig, Learner, Learnt, Meter, iterate, measure_flops
from game24lab.training.found_solutions import Archive

RARE = 0.1
_TYPICAL = 30  # tokens of an answer of three lines
LINES: Mapping[str, str] = MappingProxyType({
    "search": "expert iteration: what searches find, a critic that is refitted",
    "solver": "no search: as many FLOPs of training on the exact solver's solutions",
    "samples": "no tree and no critic: what samples find (STaR)",
    "first critic": "searches with the critic of round 0",
    "rare": f"learns only from problems whose known solutions have a chance below {RARE:g}",
    "grpo": "no search: rewards of the policy's own answers",
})  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """What lines learn from besides what they find."""

    solve: Callable[[], Archive]  # solutions by the exact solver, for `solver`
    posed: Sequence[Problem] = ()  # for `grpo`
    rewards: Any = ()  # for `grpo`, see `grpo.train`
    grpo: Any = None  # a `grpo.GRPOConfig` for `grpo`, whose checkpoint, steps and seed are set here


def run_lines(
    lines: Sequence[str], config: IterationConfig, environment: Environment, problems: Mapping[str, Any],
    algorithm: Algorithm, output: Path | str, measure: Meter, lesson: Lesson, *, certain: pd.DataFrame | None = None,
    show: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The rounds of each line, in folders below `output`: the columns of `expert_iteration.iterate`, and `line`.

    `search` comes first whatever the order, for it says what the others may cost. ValueError for an unknown line, for
    controls without `search`, and as `iterate` says.
    """
    for line in lines:
        require_one_of("lines", line, tuple(LINES))
    if "search" not in lines:
        raise ValueError(f"lines must hold 'search', whose FLOPs the others have, got {', '.join(lines) or 'none'}")
    tables: list[pd.DataFrame] = []
    for line in sorted(dict.fromkeys(lines), key=list(LINES).index):
        own, how, strategy = config, {}, algorithm
        if tables:  # what the main line has cost up to each round; those that it has not had cost nothing more
            spent = tables[0]["flops_total"].tolist()[1:] or tables[0]["flops_total"].tolist()
            own = replace(config, flops=tuple((spent + spent[-1:] * config.rounds)[: config.rounds]))
        if line == "solver":
            own, how = replace(own, critic="none"), {"taught": lesson.solve()}
        elif line == "samples":
            own, strategy = replace(own, critic="none", mode="rules", parameters=own.list_sampling()), best_of_n
        elif line == "first critic":
            own = replace(own, critic="first")
        elif line == "rare":
            own = replace(own, rare=RARE)
        elif line == "grpo":
            own, how = replace(own, critic="none"), {"learner": make_grpo_learner(lesson, config.seed)}

        def tell(table: pd.DataFrame, line: str = line) -> None:
            if show is not None:
                show(pd.concat([*tables, table.assign(line=line)], ignore_index=True))

        table = iterate(own, environment, problems, strategy, Path(output) / line.replace(" ", "-"), measure,
                        certain=certain, show=tell, **how)  # fmt: skip
        tables.append(table.assign(line=line))
    return pd.concat(tables, ignore_index=True)


def make_grpo_learner(lesson: Lesson, seed: int) -> Learner:
    """A round of GRPO of about so many FLOPs: steps are reckoned for answers of three lines, tokens are counted."""

    def learn(number: int, folder: Path, policy: Path, flops: float) -> Learnt:
        rollouts, model = lesson.grpo.rollouts, load_policy(policy)
        answers = rollouts.problems * rollouts.num_generations
        tokens = answers * min(rollouts.max_completion_length, _TYPICAL)
        asked = answers * sum(model.count(problem.prompt) for problem in lesson.posed[:64]) / len(lesson.posed[:64])
        each = measure_flops(model.parameters, trained=tokens + asked, forwarded=tokens + asked)
        steps = max(1, round(flops / each)) if flops < float("inf") else lesson.grpo.steps
        config = replace(lesson.grpo, checkpoint=str(policy), steps=steps, evaluate_every=steps, patience=0,
                         seed=derive(seed, "grpo", number))  # fmt: skip
        found = grpo.train(config, list(lesson.posed), lesson.rewards, folder / "policy")
        log = pd.read_parquet(folder / "policy" / "training.parquet")
        prompts, sampled = (int(log[name].max()) for name in ("prompt_tokens", "sampled_tokens"))
        return Learnt(found, steps, prompts + sampled, prompts, sampled)

    return learn
