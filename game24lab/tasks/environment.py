"""An environment: a task with all that learning, evaluation, routing and reports need of it, in one object.

What varies by task stands here and nowhere else. It does not know which tasks there are (`tasks.environments`), nor
models: policies are handed in by those who use it, and answers are judged one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from game24lab.tasks.problems import Problem, Progress, Sample
from game24lab.tasks.rewards import RewardSet
from game24lab.tasks.task import Task, follow

# Search traces, the exact truth of positions, a critic of positions, published ranks, models that ship.
PARTS = ("traces", "truth", "positions", "ranking", "pretrained")
_WORDS = dict(zip(PARTS, ("search traces", "truth of positions", "positions for a critic", "published ranks",
                          "models that ship"), strict=True))  # fmt: skip
# Of a judged answer: what the loop of `evaluation.chains` writes, and what every judge says.
COLUMNS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("problem", "stage", "model", "text", "outcome", "finish", "answer", "backend"), "str")
    | dict.fromkeys(("sample", "tokens", "lines", "characters", "budget", "seed", "parameters"), "int64")
    | dict.fromkeys(("seconds", "temperature", "top_p"), "float64")
    | {"solved": "bool", "finished": "bool"})  # fmt: skip


class Environment(Protocol):
    """A task made ready for learning. A class that inherits from this one gets what it does not say itself."""

    name: str
    task: Task
    held_out: Sequence[Any]  # problems that are never learnt from, as `task.start` takes them
    rewards: RewardSet
    vocabulary: str = "lines"  # of models that learn the task from scratch, see `models.tokenizer.VOCABULARIES`
    chain_vocabulary: str = "traces"  # the same of models that learn chains of thought
    columns: Mapping[str, str] = COLUMNS  # of a judged answer, with their types; the first names the problem
    models: str = ""  # folder of its models among those that ship, "" where they lie beside the others' folders
    checks: int = 0  # contexts in which its shipped policy checks blind calculations, see `models.self_check`
    reference: str = ""  # the right answer where all problems share it, as files of completions name it
    lacks: Mapping[str, str] = MappingProxyType({})  # what the task does not have (`PARTS`), and why, in one line each

    def sft_samples(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """Solutions to learn from; options of other tasks change nothing."""
        raise ValueError(f"the task {self.name} has no solutions to learn from")

    def problems(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """Problems to learn from by trial, of a difficulty; of those that are made without end, `count`."""
        raise ValueError(f"the task {self.name} has no problems to learn from by trial")

    def know(self, problem: Any) -> Any:
        """What the rewards must know of a problem."""
        return problem

    def write_name(self, problem: Any) -> str:
        """The problem's name in records; ValueError for what is no problem of this task."""
        return problem if isinstance(problem, str) else " ".join(map(str, problem))

    def read_name(self, name: str) -> Any:
        """The problem of a name, as `held_out` holds them; ValueError as above."""
        return name

    def prompt(self, problem: Any) -> str:
        """What a policy is shown before its first token."""
        return self.task.text(self.task.start(problem))

    def describe(self, problem: Any) -> dict[str, Any]:
        """What a row says of a problem, whoever answers."""
        return {"problem": self.write_name(problem)}

    def judge(self, problem: Any, completion: Any) -> dict[str, Any]:
        """One completion (`text`, `tokens`, `finish`) as a row, with `describe` most of `columns`.

        By default its lines are followed by the rules, and the position that they lead to is judged.
        """
        text = completion.text.encode("utf-8", "replace").decode()  # no file takes halves of characters
        verdict = self.task.verdict(follow(self.task, self.task.start(problem), text)[0])
        return {"text": text, "tokens": completion.tokens, "finish": completion.finish, "outcome": verdict.outcome,
                "solved": verdict.solved, "finished": verdict.outcome != "unfinished", "answer": verdict.answer,
                "lines": sum(bool(line.strip()) for line in text.split("\n")), "characters": len(text)}  # fmt: skip

    def warn(self, problems: Sequence[Any]) -> str:
        """What some problems ask that the models which ship have not learnt, in one line; "" where nothing."""
        return ""

    def features(self, problem: Any) -> dict[str, float]:
        """What a router sees of a problem at no cost; {} where the task has no such features."""
        return {}

    def oracle_features(self, problem: Any) -> dict[str, float]:
        """What only an exact solver knows of a problem, for an upper bound; {} where there is no solver."""
        return {}


def require_parts(environment: Environment, *parts: str) -> None:
    """ValueError in one line where a task lacks one of some `PARTS`."""
    for part in parts:
        if part in environment.lacks:
            raise ValueError(f"the task {environment.name} has no {_WORDS[part]}: {environment.lacks[part]}")
