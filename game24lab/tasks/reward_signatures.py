"""The exact verifier as a reward under the signatures of other libraries: TRL, verifiers, reasoning-gym and verl.

Answers are found in completions by the rules of `docs/score.md` and judged exactly, so that a reward is what
`game24lab score` counts. No such library is imported. It does not know of weights, groups or models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from game24lab.tasks.answers import Judged
from game24lab.tasks.gsm8k import answers as gsm8k
from game24lab.tasks.gsm8k.rewards import read_gold
from game24lab.tasks.numbers import answers as numbers
from game24lab.tasks.numbers.prompts import read_prompt
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem

TASKS = ("numbers", "gsm8k")
_KNOWN = ("numbers", "nums", "target", "answer", "gold", "ground_truth")  # columns that say what a problem is
_LONGEST = 100_000  # characters of a mapping that is written as JSON


@dataclass(frozen=True)
class Signatures:
    """One reward, 1.0 for a right answer and 0.0 for any other, as each library calls it.

    trl: `(completions, prompts, **columns) -> list`, for `GRPOTrainer(reward_funcs=...)`; the data set has `numbers`
        (or `nums`) and `target`, of word problems `answer`, `gold` or `ground_truth`, or its prompts show the problem.
        None where a row knows of none.
    verifiers: `(completion, prompt, answer, info, **others) -> float`, for `Rubric(funcs=[...])`; the problem stands in
        `info` (a mapping, or that as JSON), `answer` or the prompt.
    reasoning_gym: `(answer, entry) -> float`, as a data set's `score_answer`; the problem stands in the entry's
        `metadata`, else in its `question`.
    verl: `(data_source, solution_str, ground_truth, extra_info) -> float`, as `compute_score`.
    """

    trl: Callable[..., list[float | None]]
    verifiers: Callable[..., float]
    reasoning_gym: Callable[[str | None, Mapping[str, Any]], float]
    verl: Callable[..., float]


def make_signatures(task: str = "numbers", *, strict: bool = False, every: bool | None = None) -> Signatures:
    """The verifier of a task as a reward.

    Args:
        task: "numbers" or "gsm8k".
        strict: answers are read in the plain form alone.
        every: whether all numbers must be used; by default what the columns say: `numbers` all, `nums` (TinyZero) each
            at most once, prompts as they are published.

    ValueError for an unknown task; the functions raise it where nothing says what the problem is.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")

    def judge(text: str | None, known: Mapping[str, Any], prompt: Any, alone: bool = False) -> Judged | None:
        if task == "gsm8k":
            golds = [known[name] for name in ("gold", "ground_truth", "answer") if known.get(name) is not None]
            gold = golds[0] if golds else None
            if gold is None:
                return None
            written = gold.rpartition("####")[2].strip() if isinstance(gold, str) else gold
            return gsm8k.judge_text(read_gold(written).value, text or "", alone=alone, strict=strict)
        found = _find_problem(known, prompt)
        if found is None:
            return None
        problem, uses = found
        uses = uses if every is None else every
        return numbers.judge_text(problem, text or "", alone=alone, every=uses, strict=strict)

    def need(judged: Judged | None) -> float:
        if judged is None:
            raise ValueError(f"reward: nothing says what the problem is: no {', '.join(_KNOWN)}, no published prompt")
        return float(judged.right)

    def verified(
        completions: Sequence[Any], prompts: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        """1.0 for each completion whose answer is right, else 0.0."""
        cells = {name: columns[name] for name in _KNOWN if columns.get(name) is not None}
        if not cells and prompts is None:
            raise ValueError(f"reward: the data set needs one of the columns {', '.join(_KNOWN)}, or published prompts")
        rows = []
        for place, completion in enumerate(completions):
            known = {name: cell[place] for name, cell in cells.items()}
            judged = judge(read_completion(completion), known, None if prompts is None else prompts[place])
            rows.append(None if judged is None else float(judged.right))
        return rows

    def verify_rollout(
        completion: Any, prompt: Any = None, answer: Any = None, info: Any = None, **others: Any
    ) -> float:
        """1.0 where the answer of a rollout is right, else 0.0."""
        known = {**({"answer": answer} if answer not in (None, "") else {}), **_open(answer), **_open(info)}
        return need(judge(read_completion(completion), known, prompt))

    def score_answer(answer: str | None, entry: Mapping[str, Any]) -> float:
        """1.0 where an answer solves the entry, else 0.0."""
        known = {"answer": entry.get("answer"), **_open(entry.get("metadata"))}
        if known.get("source_dataset") == "puzzle24":
            known.setdefault("target", 24)
        if task == "numbers" and (shown := read_prompt(str(entry.get("question", "")))) is not None and every is None:
            known["every"] = shown.every
        return need(judge(answer, known, entry.get("question"), alone=True))

    def compute_score(
        data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None, **others: Any
    ) -> float:
        """1.0 where a solution is right, else 0.0."""
        known = _open(ground_truth) or {"ground_truth": ground_truth}
        known = {"every": False, **known} if task == "numbers" else known  # TinyZero's rows
        return need(judge(solution_str, known, None))

    return Signatures(verified, verify_rollout, score_answer, compute_score)


def read_completion(completion: Any) -> str:
    """A completion's text; of a chat what the assistant says in it. ValueError for neither."""
    if completion is None or isinstance(completion, str):
        return completion or ""
    try:
        told = [message for message in completion if message.get("role", "assistant") == "assistant"]
        return "\n".join(_say(message.get("content")) for message in told)
    except (TypeError, AttributeError):
        raise ValueError(f"completion must be a text or chat messages, got {str(completion)[:60]!r}") from None


def _say(content: Any) -> str:
    if isinstance(content, list):  # parts of a message
        return "\n".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _find_problem(known: Mapping[str, Any], prompt: Any) -> tuple[NumberProblem, bool] | None:
    """The problem of a number game, and whether all numbers must be used; None where nothing says."""
    name = next((name for name in ("numbers", "nums") if known.get(name) is not None), "")
    if name:
        target = known.get("target")
        given = known[name]
        given = given if isinstance(given, str) else tuple(int(number) for number in given)
        uses = known["every"] if isinstance(known.get("every"), bool) else name == "numbers"
        return read_problem(given, None if target is None else int(target)), uses
    if isinstance(prompt, list | tuple):
        prompt = "\n".join(_say(one.get("content")) for one in prompt)
    shown = read_prompt(prompt) if prompt else None
    return None if shown is None else (read_problem(shown.numbers, shown.target), shown.every)


def _open(value: Any) -> dict[str, Any]:
    """A mapping, which may be written as JSON; an empty one for anything else."""
    if isinstance(value, str) and value[:1] == "{" and len(value) <= _LONGEST:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return dict(value) if isinstance(value, Mapping) else {}
