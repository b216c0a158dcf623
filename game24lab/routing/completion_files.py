"""Completions files of a folder, ours or made elsewhere (search-and-learn and its like), each read as one arm and seed.

Files made elsewhere are graded here, number games by the exact verifier, so that a file has verdicts, votes and scores
wherever it comes from. Their answers are found in boxes or tags; numbers are compared exactly, other answers as text
without LaTeX's spacing: two forms of one formula are two answers here, a formula is never the number that stands in it,
and who needs more gives a judge of their own. Nothing of a text is evaluated. This module does not know of labels,
costs or tables.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from game24lab.evaluation.arms import STRATEGIES
from game24lab.evaluation.completions import ENDING, is_completions_file, read_completions
from game24lab.routing.games import find_game, find_solution, name_solution, solves
from game24lab.routing.splits import name_group, show
from game24lab.runs.run import read_run
from game24lab.search.modes import MODES
from game24lab.tasks.answers import LONGEST, TAIL, find_boxed, find_marked, find_tagged
from game24lab.tasks.quantities import read_number

Judge = Callable[[str, str], bool]

_POOLS = ("best_of_n", "majority", "weighted_majority")
_SEED = re.compile(r"(?P<arm>.+)_seed(?P<seed>[0-9]+)")
_FRACTION = re.compile(r"\\[dt]?frac ?\{(-?[0-9]+)\} ?\{([0-9]+)\}")
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}")
_SPACING = re.compile(r"\\left|\\right|\\[!,;: ]|\\\$|\$|~|\s+")


@dataclass(frozen=True)
class CompletionFile:
    """One arm with one seed: its rows by problem, each with `place` (file and line) and, wherever it was made,
    `correct`, `ballots`, `agg_scores` and `solved`."""

    path: Path
    arm: str
    seed: int
    rows: Mapping[str, Mapping[str, Any]]
    method: str  # the algorithm, "" where neither file nor name says
    parameters: Mapping[str, Any]  # with defaults; {} where the file does not say
    mode: str  # one of `search.modes.MODES`; of files that do not say, blind: nobody checks what a model says there
    pool: bool  # its samples are independent, and all were drawn


def read_completion_files(
    folder: str | Path, *, names: Mapping[str, str] | None = None, judge: Judge | None = None, progress: bool = True
) -> list[CompletionFile]:
    """All completions files at or below a folder, whatever stands before or behind `_completions` in their names or
    under any other name, in the order of their paths.

    Args:
        names: the arm of a file, by its path below the folder, where its own name does not say; may be one for several
            files with different problems. A file made elsewhere is called after its path otherwise.
        judge: whether an answer (found in the text) equals the right one, for files made elsewhere without `correct`.

    ValueError that names the file and line: no files, a broken line or foreign columns, a problem twice, an arm with
    two configurations, a puzzle in two splits. OSError as the files'.
    """
    folder, names = Path(folder), dict(names or {})
    paths = sorted(path for path in folder.rglob("*.jsonl") if is_completions_file(path))
    if not paths:
        raise ValueError(f"{folder} must hold files *{ENDING} of 09_strategies or of search-and-learn, got none")
    known = {str(path.relative_to(folder)) for path in paths}
    for name in names:
        if name not in known:
            raise ValueError(f"names: {name!r} is no completions file below {folder}, as {min(known)} is")
    files: dict[tuple[str, int], CompletionFile] = {}
    for path in tqdm(paths, desc="read", unit="file", disable=not progress or len(paths) < 3):
        file = _read_file(path, folder, names, judge)
        before = files.get((file.arm, file.seed))
        if before is not None:
            file = _join(before, file, str(path.relative_to(folder)) in names)
        files[file.arm, file.seed] = file
    _check_files(list(files.values()))
    return list(files.values())


def _read_file(path: Path, folder: Path, names: Mapping[str, str], judge: Judge | None) -> CompletionFile:
    found = read_completions(path, traces=False)
    if not found:
        raise ValueError(f"{path} must hold at least one line, got none")
    rows: dict[str, dict[str, Any]] = {}
    first = found[0]
    for number, row in enumerate(found, 1):
        place = f"{path}, line {number}"
        for key in ("strategy", "seed", "config_hash"):
            if row[key] != first[key]:
                raise ValueError(f"{place}: a file must hold one arm and seed, got {key} {row[key]!r}, and on line 1 "
                                 f"{first[key]!r}")  # fmt: skip
        if row["problem"] in rows:
            raise ValueError(f"{place}: {show(row['problem'])} stands there twice")
        rows[row["problem"]] = {**row, "place": place}
    relative = path.relative_to(folder)
    ours = first["config_hash"] is not None
    arm, seed = first["strategy"], first["seed"]
    if not ours:
        arm, seed = str(relative.parent / arm).replace("\\", "/"), 0
        if match := _SEED.fullmatch(arm):
            arm, seed = match["arm"], int(match["seed"])
        for row in rows.values():
            _grade(row, judge)
    method = first["algorithm"] if ours else max((name for name in ("", *STRATEGIES) if name in path.name), key=len)
    pool = method in _POOLS and all(_is_whole(row) for row in rows.values())
    return CompletionFile(path, names.get(str(relative), arm), seed, rows, method, first["parameters"] or {},
                          first["mode"] if first["mode"] in MODES else "blind", pool)  # fmt: skip


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Whether all samples were drawn, whatever they were."""
    if row["config_hash"] is None:
        return bool(row["completions"])
    return row["mode"] != "verified" and (row["stopped"], len(row["completions"])) == ("done", row["parameters"]["n"])


def _grade(row: dict[str, Any], judge: Judge | None) -> None:
    """Give a row made elsewhere what ours have: `correct`, `ballots`, `agg_scores`, `solved`.

    A number game is graded by the verifier: its `answer` is the target, which every wrong equation ends with too.
    """
    gold = row.get("answer")
    gold = str(gold).strip() if isinstance(gold, str | int | float) else ""
    try:
        game = find_game(row) if gold or row.get("target") is not None else None
    except ValueError as error:
        if row["correct"] is None:
            raise ValueError(f"{row['place']}: {error}") from None
        game = None

    def find(text: str) -> str | None:
        answer = find_answer(text)
        return answer if game is None else find_solution(game, text, answer)

    def grade(answer: str | None) -> bool:
        if judge is not None or game is None:
            return answer is not None and (judge or is_right)(answer, gold)
        return solves(game, answer)

    answers = [find(text) for text in row["completions"]]
    if row["correct"] is None:
        if not gold and game is None:
            raise ValueError(f"{row['place']}: one of the columns 'correct' and 'answer' is needed, got neither")
        row["correct"] = [grade(answer) for answer in answers]
    if row.get("ballots") is None:
        row["ballots"] = [name_answer(answer) if game is None else name_solution(answer) for answer in answers]
    if row.get("agg_scores") is None and row.get("scores") is not None:
        row["agg_scores"] = [scores[-1] if scores else None for scores in row["scores"]]
    if row["solved"] is None:
        pred = row.get("pred")
        if not isinstance(pred, str):
            raise ValueError(f"{row['place']}: pred must be the text of the chosen completion, got {str(pred)[:40]!r}")
        if pred in row["completions"]:
            row["solved"] = bool(row["correct"][row["completions"].index(pred)])
        elif gold or game is not None:
            row["solved"] = grade(find(pred) or pred)
        else:
            raise ValueError(f"{row['place']}: pred is none of the completions, and no right answer stands there")


def _join(before: CompletionFile, file: CompletionFile, named: bool) -> CompletionFile:
    """Two files of one arm and seed, given one name on purpose and with different problems."""
    if not named:
        raise ValueError(f"an arm and seed must have one file, got {file.arm!r} with seed {file.seed} in {file.path} "
                         f"and in {before.path}")  # fmt: skip
    if twice := next((problem for problem in file.rows if problem in before.rows), None):
        raise ValueError(f"{file.rows[twice]['place']}: {show(twice)} stands in {before.path} too")
    rows = {**before.rows, **file.rows}
    return replace(before, rows=rows, pool=before.pool and file.pool)


def _check_files(files: Sequence[CompletionFile]) -> None:
    """One configuration an arm, and no puzzle in two splits."""
    first: dict[str, CompletionFile] = {}
    splits: dict[Any, tuple[str, str]] = {}
    for file in files:
        before = first.setdefault(file.arm, file)
        hashes = [next(iter(one.rows.values()))["config_hash"] for one in (before, file)]
        if hashes[0] != hashes[1]:
            raise ValueError(f"an arm must have one configuration, got {file.arm!r} with {hashes[1]} in {file.path}, "
                             f"with {hashes[0]} in {before.path}")  # fmt: skip
        for problem, row in file.rows.items():
            split, place = splits.setdefault(name_group(problem), (row["split"], row["place"]))
            if split and row["split"] and split != row["split"]:
                raise ValueError(f"{row['place']}: {show(problem)} must be in one split, got {row['split']!r}, and "
                                 f"{split!r} in {place}")  # fmt: skip


def find_hardware(folder: Path) -> str:
    """The device of the run that the files lie in, "" where they lie in none (another program's manifest is none)."""
    for place in (folder, *folder.resolve().parents[:2]):
        with contextlib.suppress(FileNotFoundError, ValueError):
            return str(read_run(place).manifest.get("device") or "")
    return ""


# ----------------------------------------------------------------------------------------- answers made elsewhere
def find_answer(text: str) -> str | None:
    """The answer of a completion: of its last box, else between its last answer tags, else behind `####`; or None.

    Behind the first `####` that no word follows: headings have some, and a model that goes on invents other questions.
    """
    text = text[-TAIL:]
    boxed = find_boxed(text)
    found = boxed[0] if boxed else find_tagged(text)
    if found is None:
        found = find_marked(text) or ""
    answer = found.strip()
    return answer if 0 < len(answer) <= LONGEST else None


def name_answer(answer: str | None) -> Hashable | None:
    """Equal for answers that are the same: the exact number, or the text without spacing; None for none."""
    if answer is None:
        return None
    number = read_number(answer)
    if number is not None:
        return number.value
    plain = _WRAPPED.sub(r"\1", _FRACTION.sub(r"(\1/\2)", answer))
    return _SPACING.sub("", plain).rstrip(".") or None


def is_right(answer: str | None, gold: str) -> bool:
    """Whether an answer is the right one, which may itself stand in a box or behind `####`."""
    named = name_answer(answer)
    return named is not None and named == name_answer(find_answer(gold) or gold)
