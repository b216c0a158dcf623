"""Shapes of published files of answers: which one a row is of, and where its problem and its answers stand in it.

A shape is told by the first row of a file; a table whose columns have usual names, or are named, is one too. Problems
and answers are taken as they stand there: neither is read here, nor does this module know of files or verdicts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The usual names of columns, the likeliest first
PROBLEMS = ("numbers", "nums", "puzzle", "Puzzles", "cards", "problem", "question", "prompt", "input", "query")
TARGETS = ("target", "goal")
TEXTS = ("text", "completion", "completions", "response", "responses", "output", "outputs", "generation",
         "generations", "generated_text", "prediction", "predictions", "model_output", "model_response", "rollout",
         "full_model_response", "best_full_model_response", "generated", "samples")  # fmt: skip
ANSWERS = ("model_answer", "final_answer", "extracted_answer", "expression", "equation", "pred", "answer")
GOLDS = ("gold", "ground_truth", "groundtruth", "gts", "reference", "label", "expected_answer", "target", "answer",
         "solution")  # fmt: skip
_INNER = ("text", "full_model_response", "content", "completion", "response", "output", "generated_text", "message",
          "model_answer")  # fmt: skip
_BARE = re.compile(r"[0-9]+(?: [0-9]+){1,7}(?:/n|\s)*")  # a puzzle and nothing else


@dataclass(frozen=True, slots=True)
class Content:
    """What a row holds: a problem and the answers to it, as they stand there. None: the row does not say."""

    texts: Sequence[tuple[str | None, bool]]  # each answer, and whether it stands alone in its column
    numbers: Any = None
    prompt: str | None = None  # a text that shows the problem
    target: Any = None
    gold: Any = None  # the right answer to a word problem
    place: int | None = None  # of the problem in the published ranking, from 0
    every: bool | None = None  # all numbers must be used, or each may be
    group: Any = None  # what tells problems apart where a column was named for it


@dataclass(frozen=True)
class Columns:
    """Names of columns that were asked for, "" where the usual ones serve."""

    problem: str = ""
    text: str = ""
    answer: str = ""
    target: str = ""
    group: str = ""

    @property
    def named(self) -> bool:
        """Whether the columns that make a table were asked for."""
        return bool(self.problem or self.text or self.answer)


@dataclass(frozen=True)
class Shape:
    """A published form of rows: how it is recognised and read; `form` names the rules of the form asked for in it."""

    name: str
    about: str  # what its rows hold
    recognise: Callable[[Any], bool]
    read: Callable[[Any], Content | None]
    form: frozenset[str] = field(default_factory=frozenset)


def list_texts(value: Any, *, alone: bool = False) -> list[tuple[str | None, bool]]:
    """The answers in a cell: of a text, a number, a chat, or a list of them; (None, ...) for an empty one."""
    if isinstance(value, str) and value[:2] in ('["', "['", "[{"):
        value = _load(value)
    if isinstance(value, list | tuple) and not is_chat(value):
        found = [one for entry in value for one in list_texts(entry, alone=alone)]
        return found or [(None, alone)]
    return [(say(value), alone)]


def say(value: Any) -> str | None:
    """A cell as a text: itself, the assistant's part of a chat, what a mapping holds as its text; None for nothing."""
    if isinstance(value, str):
        return value if value.strip() else None
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float):
        return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)
    if isinstance(value, Mapping):
        inner = next((value[name] for name in _INNER if value.get(name) is not None), None)
        return None if inner is None or inner is value else say(inner)
    if is_chat(value):
        assistant = [message for message in value if message.get("role", "assistant") == "assistant"]
        return join_chat(assistant or value) or None
    return None


def is_chat(value: Any) -> bool:
    """Whether a cell is a list of messages, or of a message's parts."""
    return isinstance(value, list | tuple) and bool(value) and all(
        isinstance(entry, Mapping) and ("role" in entry or entry.get("type") == "text") for entry in value
    )  # fmt: skip


def join_chat(value: Any) -> str:
    """What the messages of a chat say, one after the other; a text as it is."""
    if isinstance(value, str):
        loaded = _load(value) if value[:2] == "[{" else None
        return join_chat(loaded) if is_chat(loaded) else value
    if isinstance(value, Mapping):
        return join_chat(next((value[name] for name in ("content", "text") if value.get(name)), ""))
    return "\n".join(map(join_chat, value)) if isinstance(value, list | tuple) else ""


def _load(text: str) -> Any:
    """A cell that holds JSON; the text itself where it does not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _open(value: Any) -> Mapping[str, Any]:
    """A mapping, which may be written as JSON; an empty one for anything else."""
    value = _load(value) if isinstance(value, str) and value[:1] == "{" else value
    return value if isinstance(value, Mapping) else {}


def _has(row: Any, *names: str) -> bool:
    return isinstance(row, Mapping) and all(row.get(name) is not None for name in names)


def _pick(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def pick_first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the names that is a column, "" where none is."""
    return next((name for name in names if name in row), "")


def _find_numbers(row: Mapping[str, Any]) -> Any:
    return _pick(row, ("numbers", "nums"))


# ------------------------------------------------------------------------------------------------ published shapes
def _read_tot(row: Any) -> Content:
    steps = row.get("steps")
    shown = steps[0].get("x") if isinstance(steps, list) and steps and isinstance(steps[0], Mapping) else row.get("x")
    place = row["idx"] if type(row["idx"]) is int else None
    return Content(list_texts(row["ys"]), numbers=shown, target=row.get("target"), place=place)


def _read_tsllm(row: Any) -> Content:
    answers = row["output"] if "output" in row else row["answer"]
    gold = _pick(row, ("groundtruth", "answer")) if "output" in row else None
    return Content(list_texts(answers), prompt=row["question"], target=row.get("target"),
                   gold=_pick(gold[0], ("text",)) if is_list_of_mappings(gold) else gold)  # fmt: skip


def is_list_of_mappings(value: Any) -> bool:
    """Whether a cell is a list of mappings, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _is_tsllm(row: Any) -> bool:
    if not _has(row, "question"):
        return False
    tested = isinstance(row.get("output"), list) and ("groundtruth" in row or "result" in row)
    return tested or (is_list_of_mappings(row.get("answer")) and "text" in row["answer"][0])


def _is_llm4game24(row: Any) -> bool:
    if isinstance(row, str):
        return "\nassistant\n" in row and "user\n" in row
    return _has(row, "input") and "output" in row and _BARE.fullmatch(str(row["input"])[:100]) is not None


def _read_llm4game24(row: Any) -> Content:
    if isinstance(row, Mapping):
        return Content(list_texts(row["output"]), numbers=str(row["input"]).removesuffix("/n").strip())
    asked, _, said = row.partition("\nassistant\n")
    return Content([(said or None, False)], numbers=asked.rpartition("user\n")[2].strip().removesuffix("/n").strip())


def _read_completions(row: Any) -> Content:
    return Content(list_texts(row["completions"]), numbers=_find_numbers(row), prompt=join_chat(row["problem"]),
                   target=_pick(row, TARGETS), gold=_pick(row, ("answer", "solution")))  # fmt: skip


def _read_harness(row: Any) -> Content:
    doc = row["doc"]
    prompt = join_chat(_pick(doc, ("question", "problem", "puzzle", "prompt", "input")))
    return Content(list_texts(row["resps"]), numbers=_find_numbers(doc), prompt=prompt,
                   target=_pick(doc, TARGETS), gold=_pick(row, ("target",)) or doc.get("answer"))  # fmt: skip


def _read_gym(row: Any) -> Content:
    known = _open(row.get("metadata"))
    answers = _pick(row, ("completions", *TEXTS))
    alone = answers is None
    texts = list_texts(_pick(row, ("model_answer", "best_model_answer")) if alone else answers, alone=alone)
    numbers = _find_numbers(known)
    target = known.get("target", 24 if known.get("source_dataset") == "puzzle24" else None)
    shown = str(row["question"])
    every = None if numbers is None else "using some or all" not in shown and "using the numbers" not in shown.lower()
    return Content(texts, numbers=numbers, prompt=shown, target=target, every=every,
                   gold=_pick(row, ("expected_answer", "answer")))  # fmt: skip


def _is_gym(row: Any) -> bool:
    return _has(row, "question") and (
        _has(row, "expected_answer") or bool({"numbers", "source_dataset"} & set(_open(row.get("metadata"))))
    )


def _read_rollout(row: Any) -> Content:
    known = _open(row.get("info"))
    return Content(list_texts(row["completion"]), numbers=_find_numbers(known), prompt=join_chat(row.get("prompt")),
                   target=_pick(known, TARGETS), gold=row.get("answer"), every=known.get("every"))  # fmt: skip


def _find_truth(row: Any) -> Mapping[str, Any]:
    """What TinyZero's and verl's rows know of their problem."""
    if not isinstance(row, Mapping):
        return {}
    return _open(_open(row.get("reward_model")).get("ground_truth")) or _open(row.get("gts"))


def _is_tinyzero(row: Any) -> bool:
    return "target" in _find_truth(row) or _has(row, "nums", "target")


def _read_tinyzero(row: Any) -> Content:
    truth = _find_truth(row)
    known = truth if "target" in truth else row
    answers = _pick(row, TEXTS)
    alone = answers is None
    texts = list_texts(_pick(row, ANSWERS) if alone else answers, alone=alone)
    return Content(texts, numbers=_find_numbers(known), target=known["target"], every=False)


SHAPES = (
    Shape("Tree of Thoughts", "a log: idx and ys", lambda row: _has(row, "idx", "ys"), _read_tot, frozenset({"line"})),
    Shape("TS-LLM", "question, and texts in output or answer", _is_tsllm, _read_tsllm, frozenset({"line"})),
    Shape("LLM4Game24", "chats as texts, or input and output", _is_llm4game24, _read_llm4game24, frozenset({"line"})),
    Shape("search-and-learn", "problem and completions", lambda row: _has(row, "problem", "completions"),
          _read_completions, frozenset({"box", "tags"})),
    Shape("lm-evaluation-harness", "samples: doc and resps",
          lambda row: _has(row, "doc", "resps") and isinstance(row["doc"], Mapping), _read_harness,
          frozenset({"####", "tags", "line"})),
    Shape("reasoning-gym", "question with metadata or expected_answer", _is_gym, _read_gym,
          frozenset({"tags", "column"})),
    Shape("verifiers", "rollouts: example_id, prompt and completion",
          lambda row: _has(row, "completion") and ("example_id" in row or ("prompt" in row and "info" in row)),
          _read_rollout, frozenset({"tags", "box"})),
    Shape("TinyZero", "nums and target, or a ground_truth that holds them", _is_tinyzero, _read_tinyzero,
          frozenset({"tags", "column"})),
)  # fmt: skip
TABLE = "table"
TABLE_FORM = frozenset({"tags", "column", "####"})


def find_shape(row: Any) -> Shape | None:
    """The published shape of a row; None where it is of none."""
    return next((shape for shape in SHAPES if shape.recognise(row)), None)
