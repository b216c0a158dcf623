"""Features a router may look at before it spends: the structure of a puzzle's numbers, one cheap try, and the arms.

What a try costs stands beside what it told, in `TRY_COSTS`, for it is the router's own cost. Counts of the exact solver
are here only for an oracle's bound, under names that say so. This module does not know of labels or routers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.routing.arms import name_modes
from game24lab.routing.splits import show
from game24lab.runs.checks import require
from game24lab.search.engine import run
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Request, Value
from game24lab.search.sampling import Candidate, check_sampling, conclude, make_tree, read
from game24lab.tasks.numbers.arithmetic import measure_difficulty
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.task import Task

TRY_COSTS = ("try_tokens", "try_calls", "try_seconds")
ORACLE = "oracle_"  # how columns begin that no router may see
VERDICT = "verdict_"  # and those with the exact verifier's word on the answers of a try
SIZES = ("n", "width", "simulations", "depth")  # what makes an arm large


# ------------------------------------------------------------------------------------------- the numbers of a puzzle
def describe_numbers(problems: Iterable[str]) -> pd.DataFrame:
    """The structure of puzzles' numbers: a row a problem, indexed by it; no search, no solver.

    Columns: `number_1`.. (ascending, 0 where a puzzle has fewer), `count`, `sum`, `gap` (of the sum to the target),
    `log_product`, `gcd`, `range`, `even`, `ones`, `distinct`, `repeated` (times of the most frequent number), `threes`
    (multiples of 3), `divisors` (numbers that divide the target), `large_primes` (primes from 5 on that do not).
    ValueError for a problem that is no puzzle.
    """
    problems = list(problems)
    puzzles = [_read_puzzle(problem) for problem in problems]
    longest = max((len(puzzle.numbers) for puzzle in puzzles), default=0)
    return _index([_describe(puzzle, longest) for puzzle in puzzles], problems)


def _describe(problem: NumberProblem, longest: int) -> dict[str, float]:
    numbers, target = problem.numbers, problem.target
    padded = (*numbers, *[0] * (longest - len(numbers)))
    return {
        **{f"number_{place}": number for place, number in enumerate(padded, 1)},
        "count": len(numbers),
        "sum": sum(numbers),
        "gap": abs(target - sum(numbers)),
        "log_product": math.log(math.prod(numbers)),
        "gcd": math.gcd(*numbers),
        "range": numbers[-1] - numbers[0],
        "even": sum(number % 2 == 0 for number in numbers),
        "ones": numbers.count(1),
        "distinct": len(set(numbers)),
        "repeated": max(Counter(numbers).values()),
        "threes": sum(number % 3 == 0 for number in numbers),
        "divisors": sum(target % number == 0 for number in numbers),
        "large_primes": sum(_is_large_prime(number) and target % number != 0 for number in numbers),
    }


def _is_large_prime(number: int) -> bool:
    return number > 3 and all(number % factor for factor in range(2, math.isqrt(number) + 1))


def count_for_oracle(problems: Iterable[str], *, progress: bool = True) -> pd.DataFrame:
    """What the exact solver knows of puzzles, for the bound that no router reaches: columns that begin with `ORACLE`.

    `oracle_solutions` (log of 1 + distinct solutions) and `oracle_alive` (share of first positions that are alive).
    ValueError for a problem that is no puzzle.
    """
    problems = list(problems)
    puzzles = [_read_puzzle(problem) for problem in problems]
    rows = []
    for puzzle in tqdm(puzzles, desc="oracle", unit="puzzle", disable=not progress):
        solutions, alive = measure_difficulty(puzzle.numbers, puzzle.target)
        rows.append({f"{ORACLE}solutions": math.log1p(solutions), f"{ORACLE}alive": alive})
    return _index(rows, problems)


def _read_puzzle(problem: str) -> NumberProblem:
    try:
        return read_problem(problem)
    except ValueError as error:
        raise ValueError(f"problem {show(problem)} is no puzzle, which features of numbers need ({error}); for word "
                         "problems embeddings of the text are accepted") from None  # fmt: skip


def _index(rows: Sequence[dict[str, float]], problems: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, index=pd.Index(problems, name="problem", dtype=str), dtype=float)


# --------------------------------------------------------------------------------------------------- one cheap try
def probe(
    task: Task,
    root: Any,
    *,
    samples: int = 2,
    valued: bool = True,
    temperature: float = 1.0,
    max_tokens: int = 256,
    verified: bool,
) -> Generator[Request, list, Outcome]:
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
    greedy = [read(task, tree, root, answer) for answer in answers]
    others = [read(task, tree, root, answer) for answer in drawn]
    if valued and greedy:
        try:
            values = yield Value((root, *(one.state for one in (*greedy, *others))))
        except BudgetSpent as spent:
            stopped = spent.unit
    if not drawn or (valued and not values):
        raise ValueError(f"a try ended early, its budget of {stopped} was spent: a larger one is accepted")
    ends = [_name_end(task, one) for one in (*greedy, *others)]
    logprobs = answers[0].logprobs or (0.0,)
    signals = {
        "logprob": float(sum(logprobs)),
        "logprob_mean": float(np.mean(logprobs)),
        "logprob_least": float(min(logprobs)),
        "length": answers[0].tokens,
        "ended": float(greedy[0].end == "terminal"),
        "entropy": -float(np.mean([one.logprob for one in drawn])),
        "agreement": float(np.mean([one is not None and one == other for one, other in combinations(ends[1:], 2)])),
        "likeness": float(np.mean([ends[0] is not None and ends[0] == end for end in ends[1:]])),
    }
    if values:
        for one, value in zip((*greedy, *others), values[1:], strict=True):
            one.value = float(value)
        best = max((one.value for one in (*greedy, *others) if one.end == "terminal"), default=-1.0)
        signals |= {"value": float(values[0]), "value_end": float(values[1]), "value_best": best}
    tree.meta["signals"] = signals
    return conclude(task, tree, root, [*greedy, *others], verified, stopped)


def _name_end(task: Task, candidate: Candidate) -> Any:
    """The position an answer ends at, None where it does not get to an end."""
    return task.key(candidate.state) if candidate.end == "terminal" else None


def run_tries(
    task: Task,
    problems: Sequence[str],
    policy: Any,
    critic: Any = None,
    *,
    samples: int = 2,
    temperature: float = 1.0,
    max_tokens: int = 256,
    mode: str = "rules",
    seed: int = 0,
    progress: bool = True,
) -> list[Outcome]:
    """Outcomes of `probe`, all problems at once, in a mode of `search.modes`; "verified" lets the verifier choose.

    Args:
        problems: puzzles as `4 5 6 10` or in any way the task can start from. ValueError as the task's.
    """
    return run(
        task, [_read_problem(problem) for problem in problems], probe, policy, critic, seed=seed, progress=progress,
        mode=mode, parameters={"samples": samples, "valued": critic is not None,
        "temperature": temperature, "max_tokens": max_tokens},
    )  # fmt: skip


def tabulate_tries(problems: Sequence[str], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Signals of one greedy try and a few samples, and their cost: a row a problem, indexed by it.

    Columns: of the greedy answer `try_logprob` (natural log), `try_logprob_mean` and `try_logprob_least` of its tokens,
    `try_length` (tokens), `try_ended` (it got to an end, right or wrong, by legal lines: what every search by the
    rules is told too, but nearly the verdict where a policy seldom ends elsewhere than at the target); of the samples
    `try_entropy` (the mean of minus their log-probability: unbiased for the entropy of an answer at temperature 1, in
    nats), `try_agreement` (share of their pairs that end in one position), `try_likeness` (share that ends where the
    greedy one does); with a critic `try_value`, `try_value_end` and `try_value_best`, its word in [-1, 1] on the first
    position, where the greedy answer ends and on the best end of all. `TRY_COSTS` are all sampled tokens, calls of both
    models and seconds of model time. What only the exact verifier knows, and no router sees: `verdict_kept`, whether
    the answer that the try commits to is right, and `verdict_any`, whether one of them is.
    """
    rows = []
    for outcome in outcomes:
        row = {f"try_{name}": signal for name, signal in outcome.tree.meta["signals"].items()}
        row |= {f"{VERDICT}kept": float(outcome.solved), f"{VERDICT}any": float(outcome.correct > 0)}
        calls = outcome.cost.policy_calls + outcome.cost.critic_calls
        rows.append(row | dict(zip(TRY_COSTS, (outcome.cost.sampled_tokens, calls, outcome.cost.seconds), strict=True)))
    return _index(rows, problems)


def _read_problem(problem: Any) -> Any:
    """A puzzle from its text; what is none as it is."""
    try:
        return read_problem(problem) if isinstance(problem, str) else problem
    except ValueError:
        return problem


# ------------------------------------------------------------------------------------------------------------- arms
def describe_arms(table: pd.DataFrame, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Features of the arms of a tidy table: a row an arm, indexed by it, in the order of the table.

    Columns: log2(1 + size) for each of `SIZES`, `verified`, and `method_<name>`, 1 for the arm's own algorithm;
    `blind` where some arm is.
    `methods` fixes which there are; those of the table by default. ValueError for a method that is not among them.
    """
    arms = name_modes(table).drop_duplicates("arm").set_index("arm")
    methods = sorted(set(arms["method"])) if methods is None else list(methods)
    for arm, method in arms["method"].items():
        if method not in methods:
            raise ValueError(f"arm {arm!r} has the method {method!r}: one of {', '.join(methods)} is accepted")
    described = np.log2(1 + arms[list(SIZES)].astype(float))
    described["verified"] = arms["verified"].astype(float)
    if (blind := arms["mode"] == "blind").any():
        described["blind"] = blind.astype(float)
    for method in methods:
        described[f"method_{method}"] = (arms["method"] == method).astype(float)
    return described
