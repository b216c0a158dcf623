"""Training data of a critic: trajectories of policies judged line by line, and value targets from their outcomes.

After TS-LLM (Wan et al. 2024, arXiv 2309.17179): several checkpoints answer every training problem many times, equal
texts are kept once, up to a limit for each problem and checkpoint; values are read at line ends. A table of
trajectories has one row for every position on the way. It does not know models, nor the rules of any task.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.models.load_policy import Policy
from game24lab.runs.checks import require, require_one_of
from game24lab.tasks.problems import Sample
from game24lab.tasks.task import Illegal, ReadableTask, Task

# what a line of an answer is told -> which of `critic.TARGETS` that is: how often rollouts through it "rollouts" ended
# right, whether none of the "calculations" up to it is false, or "both"
LINE_TARGETS = {"rollouts": "rollouts", "calculations": "truth", "both": "rollouts"}


def collect_trajectories(
    task: ReadableTask, policies: Mapping[str, Policy], problems: Sequence[Any], *, texts: Sequence[str] = (),
    views: Sequence[ReadableTask] = (), avoid: Container[Any] = (), samples: int = 100, keep: int = 17,
    max_tokens: int = 48, temperature: float = 0.7, top_k: int = 100, seeds: Sequence[int] | None = None,
    chunk: int = 0, progress: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Let every policy answer every problem, and judge each line exactly. One row a position that an answer passes.

    Columns: `trajectory` (number), `policy`, `problem`, `depth` (0: the problem itself), `position` (number; equal
    `task.key`, equal number), `text`, `label`, `truth`, `solved` (how the trajectory ended), `ended` (whether at an
    end of the game), `logprob` (natural log, of the whole completion), `answer` (number; equal for equal calculations,
    -1 where there is none), `view` (0: `task`, then `views` in order). An illegal line or a cut completion ends a
    trajectory unsolved at the position before it.

    Args:
        policies: checkpoints by name; the defaults of the sampling are TS-LLM's, but for `max_tokens`.
        texts: positions to begin at as well, as `task.text` shows them; problems of their own, named by their text.
        views: further tasks that read the same answers, such as `task.believe()`, whose rows follow: false lines stand
            in theirs.
        avoid: positions of which nothing is to be learnt (a strict split's `forbidden`): rows whose text shows one are
            left out.
        samples: completions a problem and policy.
        keep: so many distinct texts of a problem and policy, the first that were sampled; 0: all, each as often as it
            was sampled, so that shares of solved ones are this policy's.
        seeds: one a problem and text, as in `Policy.generate`.
        chunk: problems a call; 0: all of them.

    `attrs` of the table holds all tokens sampled. ValueError without policies, problems or samples.
    """
    roots = [task.start(problem) for problem in problems] + [task.read(text) for text in texts]
    problems = [*problems, *texts]
    if not policies or not problems or samples < 1:
        raise ValueError("policies, problems and samples must be at least one each, got "
                         f"{len(policies)}, {len(problems)} and {samples}")  # fmt: skip
    for name, number in (("keep", keep), ("chunk", chunk)):
        require(name, number, int, 0)
    books = [_Book(view, avoid) for view in (task, *views)]
    begins = [[view.start(problem) for problem in problems[: len(problems) - len(texts)]] + [*map(view.read, texts)]
              for view in views]  # fmt: skip
    size = chunk or len(problems)
    with tqdm(total=len(policies) * len(problems), disable=not progress, unit="problem", desc="rollouts") as bar:
        for name, policy in policies.items():
            for begin in range(0, len(problems), size):
                part = slice(begin, begin + size)
                answers = policy.generate(
                    [task.text(root) for root in roots[part]], samples, max_tokens=max_tokens, temperature=temperature,
                    top_k=top_k, seeds=None if seeds is None else seeds[part],
                )  # fmt: skip
                for place, completions in enumerate(answers, begin):
                    books[0].tokens += sum(completion.tokens for completion in completions)
                    if keep:
                        first = {completion.text: completion for completion in reversed(completions)}
                        order = dict.fromkeys(completion.text for completion in completions)
                        completions = [first[text] for text in list(order)[:keep]]
                    for book, own in zip(books, (roots, *begins), strict=True):
                        for completion in completions:
                            book.enter(name, problems[place], own[place], completion)
                bar.update(len(roots[part]))
    return _close(books)


def require_moves(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `collect_trajectories`, where an answer has made a legal move; ValueError otherwise."""
    if not (table["depth"] > 0).any():
        raise ValueError(f"rollouts must hold a legal move, to learn from or to be judged by, got none in "
                         f"{table['trajectory'].nunique()} answers to {table['problem'].nunique()} problems: train the "
                         "policy longer on this task (03_sft), or sample more")  # fmt: skip
    return table


class _Book:
    """Gathers the rows of trajectories; what is known of a position or an answer is asked of the task once."""

    def __init__(self, task: ReadableTask, avoid: Container[Any] = ()) -> None:
        self.task, self.avoid, self.rows, self.trajectories, self.tokens = task, avoid, [], 0, 0
        self.positions: dict[Any, tuple] = {}
        self.answers: dict[Any, int] = {}

    def enter(self, policy: str, problem: Any, root: Any, completion: Any) -> None:
        passed = walk(self.task, root, completion.text)
        ended, solved = self.task.is_terminal(passed[-1]), self.task.verdict(passed[-1]).solved
        answer = self._number_answer(passed[-1]) if ended else -1
        name = " ".join(map(str, problem)) if isinstance(problem, tuple | list) else str(problem)
        end = solved, ended, completion.logprob, answer
        for depth, state in enumerate(passed):
            if self.avoid and self.task.shows(state, self.avoid):
                continue
            self.rows.append((self.trajectories, policy, name, depth, *self._look_up(state), *end))
        self.trajectories += 1

    def _look_up(self, state: Any) -> tuple:
        key = self.task.key(state)
        if key not in self.positions:
            known = self.task.text(state), self.task.label(state), self.task.truth(state)
            self.positions[key] = (len(self.positions), *known)
        return self.positions[key]

    def _number_answer(self, state: Any) -> int:
        tell = getattr(self.task, "calculation", lambda state: self.task.verdict(state).answer)
        return self.answers.setdefault(tell(state), len(self.answers))

    def close(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=[
            "trajectory", "policy", "problem", "depth", "position", "text", "label", "truth", "solved", "ended",
            "logprob", "answer",
        ])  # fmt: skip


def _close(books: Sequence[_Book]) -> pd.DataFrame:
    """One table of the rows of all views; numbers of trajectories, positions and answers go on from view to view.

    Positions that two views show by one text, such as the problems, are one position.
    """
    tables, known = [], {}
    trajectories = answers = 0
    for number, book in enumerate(books):
        table = book.close().assign(view=number)
        table["position"] = [known.setdefault(text, len(known)) for text in table["text"]]
        table["trajectory"] += trajectories
        table.loc[table["answer"] >= 0, "answer"] += answers
        trajectories, answers = trajectories + book.trajectories, answers + len(book.answers)
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    whole.attrs["sampled_tokens"] = books[0].tokens
    return whole


def list_ends(
    task: Any, lowest: int = -99, highest: int = 199, targets: Collection[int] = (24,)
) -> pd.DataFrame:  # fmt: skip
    """The whole numbers that a game can end at, as positions whose outcome is certain, for `critic.train`.

    Columns: `text`, `visits` (1), `solved` (0 or 1), `copies`: the right end of a target as often as all its others
    together, so that the one number by which a search stops is not one position of a hundred thousand. ValueError
    where a target is not among them.
    """
    numbers, rows = range(lowest, highest + 1), []
    for target in targets:
        if not lowest <= target <= highest:
            raise ValueError(f"ends from {lowest} to {highest} must hold the target, got the target {target}")
        rows += [(task.prompt((number,), target), 1, int(number == target),
                  len(numbers) - 1 if number == target else 1) for number in numbers]  # fmt: skip
    return pd.DataFrame(rows, columns=["text", "visits", "solved", "copies"])


def list_right(samples: Iterable[Sample]) -> pd.DataFrame:
    """Solutions and all their beginnings, each once, as positions whose outcome is certain, for `critic.train`.

    Columns: `text`, `visits` (1), `solved` (1), `copies` (1). Rollouts of a weak policy hold few right chains.
    """
    found: dict[str, None] = {}
    for sample in samples:
        lines = sample.completion.splitlines(keepends=True)
        found |= dict.fromkeys(sample.prompt + "".join(lines[:end]) for end in range(len(lines) + 1))
    return pd.DataFrame({"text": list(found), "visits": 1, "solved": 1, "copies": 1})


def walk(task: Task, state: Any, text: str) -> list[Any]:
    """The positions that a completion passes, the first included, up to its end or its first illegal line."""
    passed = [state]
    for line in text.splitlines():
        if task.is_terminal(passed[-1]):
            break
        after = task.step(passed[-1], line)
        if isinstance(after, Illegal):
            break
        passed.append(after)
    return passed


def count_positions(trajectories: pd.DataFrame) -> pd.DataFrame:
    """The positions that trajectories pass, in the order met, each with how often and how often it ended solved.

    Columns: `text`, `label`, `depth` and `view` (when first met), `visits`, `solved` (counts), `truth` (the task's own
    word), and `chance` where trajectories have it (`set_chances`).
    """
    groups = trajectories.groupby("position", sort=True)
    table = groups[["text", "label", "truth", "depth", "view", *({"chance"} & set(trajectories.columns))]].first()
    table["visits"], table["solved"] = groups.size(), groups["solved"].sum()
    table = table.reset_index(drop=True)
    table.attrs = dict(trajectories.attrs)
    return table


def list_open(trajectories: pd.DataFrame) -> list[str]:
    """The texts of the positions whose chance is to be measured for `set_chances`: alive, and not at an end."""
    asked = trajectories[(trajectories["view"] == 0) & trajectories["truth"].eq(True) & ~_find_ends(trajectories)]
    return list(dict.fromkeys(asked["text"]))


def set_chances(trajectories: pd.DataFrame, chances: Mapping[str, float]) -> pd.DataFrame:
    """Trajectories with the column `chance`: of the policy to solve what a row shows, of which `critic.train` learns.

    `chances` are those of `list_open`'s positions, by text. Where no solution is left, as behind a false line, it is 0,
    at a right end 1. A chain has the chance of the position that it has led to, as searches ask, line by line.
    ValueError for positions of which the task does not know whether they are alive, and for those that `chances` lack.
    """
    if trajectories["truth"].isna().any():
        raise ValueError("truth must be known of every position for exact chances; this task does not know it")
    alive, ends = trajectories["truth"].astype(bool), _find_ends(trajectories)
    places = pd.Series([(problem, *sorted(label.split())) for problem, label in
                        zip(trajectories["problem"], trajectories["label"], strict=True)],
                       trajectories.index)  # fmt: skip
    shown = (trajectories["view"] == 0) & alive & ~ends
    by_place = dict(zip(places[shown], trajectories.loc[shown, "text"].map(chances), strict=True))
    found = places.map(by_place).where(alive & ~ends, (alive & ends).astype(float))
    if found.isna().any():
        lost = trajectories.loc[found.isna(), "text"].iloc[0]
        raise ValueError(f"chances must hold every open position, got none of {lost!r}")
    return trajectories.assign(chance=found.astype(float))


def mark_faults(trajectories: pd.DataFrame, find_fault: Callable[[Any, str], int | None]) -> pd.DataFrame:
    """Trajectories with their `truth` by the faults of their lines: whether no line so far is false, at an end whether
    it is right.

    For tasks that do not know whether half an answer can still come right, but which of its lines are wrong:
    `find_fault(None, text)` is the number of the first wrong line of an answer, from 0, or None, as
    `RewardSet.find_fault` has it. Answers are what stands behind the text of depth 0.
    """
    last = trajectories.groupby("trajectory", sort=False)["text"].transform("last")
    prompts = trajectories.groupby("trajectory", sort=False)["text"].transform("first")
    answers = {text: text[len(prompt) :] for text, prompt in zip(last, prompts, strict=True)}
    faults = {text: find_fault(None, answer) for text, answer in answers.items()}
    sound = [(fault := faults[text]) is None or depth <= fault
             for text, depth in zip(last, trajectories["depth"], strict=True)]  # fmt: skip
    return trajectories.assign(truth=np.where(_find_ends(trajectories), trajectories["solved"], sound))


def name_target(targets: str) -> str:
    """Which of `critic.TARGETS` a critic of lines learns (`LINE_TARGETS`); ValueError for another name."""
    require_one_of("targets", targets, tuple(LINE_TARGETS))
    return LINE_TARGETS[targets]


def label_lines(marked: pd.DataFrame, targets: str) -> pd.DataFrame:
    """Trajectories with marked faults, for a critic of lines: with "both" what ended right counts for sound lines only,
    for a right answer behind a false line was luck."""
    name_target(targets)
    return marked.assign(solved=marked["solved"] & marked["truth"]) if targets == "both" else marked


def measure_noise(positions: pd.DataFrame) -> float:
    """The mean variance of the share solved about the exact `chance`, p (1 - p) / visits: what exact targets spare."""
    chance = positions["chance"]
    return float((chance * (1 - chance) / positions["visits"]).mean())


def _find_ends(trajectories: pd.DataFrame) -> pd.Series:
    """Which rows are the end of a game: the last one of a trajectory that ended there."""
    last = ~trajectories.duplicated("trajectory", keep="last")
    return last & trajectories["ended"]


def list_answers(trajectories: pd.DataFrame) -> pd.DataFrame:
    """One row an answer: the last position of every trajectory, in the order sampled, with the columns of the table."""
    return trajectories.groupby("trajectory", sort=True).tail(1).reset_index(drop=True)


def list_siblings(task: ReadableTask, texts: Sequence[str]) -> pd.DataFrame:
    """All children of some positions, each once: columns `parent` (its text), `text`, `label`, `truth`.

    The task must offer `read` and `children`. ValueError for texts that show no position.
    """
    rows = []
    for text in dict.fromkeys(texts):
        for child in task.children(task.read(text)):
            rows.append((text, task.text(child), task.label(child), task.truth(child)))
    return pd.DataFrame(rows, columns=["parent", "text", "label", "truth"])


def hold_out(trajectories: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trajectories to learn from, and those of a share of the problems for validation: no problem is on both sides.

    TS-LLM holds out trajectories of problems it trains on. ValueError for a share outside 0 to below 1.
    """
    require("held_out", share, float, 0, 1, below=True)
    problems = sorted(trajectories["problem"].unique())
    chosen = random.Random(f"hold out {seed}").sample(problems, int(len(problems) * share))
    away = trajectories["problem"].isin(chosen)
    return trajectories[~away], trajectories[away]


def find_targets(
    trajectories: pd.DataFrame, values: Sequence[float] | None = None, *, td_lambda: float = 1.0, gamma: float = 1.0
) -> np.ndarray:
    """TD(lambda) targets in [-1, 1], one a row: A_t + V_t with d_t = r_t + g V_t+1 - V_t and A_t = d_t + g l A_t+1.

    The reward is 1 or -1 at the last position of a trajectory and 0 before it, the value behind it 0. `values` holds
    V, one a row; with `td_lambda` 1 and `gamma` 1 (Monte Carlo, all that TS-LLM has published) it does not matter and
    may be left out. Rows stand by trajectory and depth, as collected. ValueError for missing values, and for a
    `td_lambda` or `gamma` outside 0 to 1.
    """
    for name, number in (("td_lambda", td_lambda), ("gamma", gamma)):
        require(name, number, float, 0, 1)
    if values is None and td_lambda < 1:
        raise ValueError(f"td_lambda must be 1 without values of the positions, got {td_lambda}")
    number = trajectories["trajectory"].to_numpy()
    value = np.zeros(len(number)) if values is None else np.asarray(values, float)
    if len(value) != len(number):
        raise ValueError(f"values must be {len(number)} numbers, one a row, got {len(value)}")
    last = np.append(number[1:] != number[:-1], True)[: len(number)]
    reward = np.where(last, np.where(trajectories["solved"], 1.0, -1.0), 0.0)
    after = np.where(last, 0.0, np.append(value[1:], 0.0)[: len(number)])
    delta = reward + gamma * after - value
    advantage, depth = delta.copy(), trajectories["depth"].to_numpy()
    for level in range(int(depth.max(initial=0)) - 1, -1, -1):
        rows = np.flatnonzero((depth == level) & ~last)
        advantage[rows] += gamma * td_lambda * advantage[rows + 1]
    return advantage + value
