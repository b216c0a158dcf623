"""Features of a number game: the structure of its numbers, and what only the exact solver knows of them.

It does not know who learns from features.
"""

from __future__ import annotations

import math
from collections import Counter

from game24lab.tasks.numbers.arithmetic import measure_difficulty
from game24lab.tasks.numbers.puzzles import NumberProblem


def describe_structure(problem: NumberProblem) -> dict[str, float]:
    """The structure of a puzzle's numbers, without a search or the solver.

    `number_1`.. (ascending), `count`, `sum`, `gap` (from the sum to the target), `log_product`, `gcd`, `range`, `even`,
    `ones`, `distinct`, `repeated` (times of the most frequent number), `threes` (multiples of 3), `divisors` (numbers
    that divide the target), `large_primes` (primes from 5 on that do not).
    """
    numbers, target = problem.numbers, problem.target
    return {
        **{f"number_{place}": number for place, number in enumerate(numbers, 1)},
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


def ask_solver(problem: NumberProblem) -> dict[str, float]:
    """What the exact solver knows: `solutions` (log of 1 + distinct solutions), `alive` (share of the positions after
    one step from which the target can be reached)."""
    solutions, alive = measure_difficulty(problem.numbers, problem.target)
    return {"solutions": math.log1p(solutions), "alive": alive}
