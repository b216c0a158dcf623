"""Expert iteration: search makes solutions, policy and critic learn from them, and the next search is a better one.

After Anthony, Tian, Barber 2017 (arXiv 1705.08439), with the gate of AlphaGo Zero: a round counts only where the new
policy is better by a number that the caller measures. A round is a chain of stages, each of which leaves a file or a
checkpoint; one that was killed goes on where it was. The loop hears the exact verifier and nobody else: it does not
know the solver, nor what its caller measures.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.vocabulary import check_vocabulary
from game24lab.runs.run import compare, write_atomically
from game24lab.search.engine import Algorithm
from game24lab.search.sampling import best_of_n
from game24lab.search.seeds import derive
from game24lab.tasks.environment import Environment
from game24lab.training import critic as critic_training
from game24lab.training import sft
from game24lab.training.found_solutions import Archive, add_positions, tabulate_positions, write_samples
from game24lab.training.iteration_config import IterationConfig
from game24lab.training.iteration_search import Found, Waves, search_round
from game24lab.training.known_chances import measure_known
from game24lab.training.position_rollouts import Rolled, pick_spots, roll_out
from game24lab.training.transpositions import Transpositions

GATE = "gate"  # of what a meter returns: the number that must grow
_EACH = 4  # rollouts from a position
_LOOKED_AT = 64  # problems whose prompts tell whether models fit the task
_CONFIG, _ROW, _ROLLOUTS = "iteration.json", "row.json", "rollouts.json"


@dataclass(frozen=True)
class Stand:
    """What a meter is shown of a round: the models before and after it, and the problems solved so far."""

    round: int
    folder: Path  # of the round, for what the meter keeps
    policy: Path
    critic: Path | None
    old_policy: Path
    old_critic: Path | None
    solved: frozenset[str]  # names, ever
    solved_now: frozenset[str]  # in this round


Meter = Callable[[Stand], Mapping[str, Any]]


@dataclass(frozen=True)
class Learnt:
    """A policy that was made without a search, and what that has cost."""

    policy: Path
    steps: int
    trained_tokens: int
    prompt_tokens: int = 0
    sampled_tokens: int = 0


Learner = Callable[[int, Path, Path, float], Learnt]  # round, its folder, the policy so far, FLOPs to spend


def measure_flops(parameters: int, *, trained: float = 0, forwarded: float = 0) -> float:
    """6 N D for tokens that were trained on and 2 N D for those only read or sampled (Kaplan et al. 2020)."""
    return 2.0 * parameters * (3 * trained + forwarded)


def iterate(
    config: IterationConfig, environment: Environment, problems: Mapping[str, Any], algorithm: Algorithm,
    output: Path | str, measure: Meter, *, certain: pd.DataFrame | None = None, taught: Archive | None = None,
    learner: Learner | None = None, show: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Rounds of search and learning; the table of rounds, round 0 being the start.

    Args:
        problems: to learn from, by name.
        algorithm: the search strategy.
        output: a folder for each round, with its `policy` and `critic`. The same call goes on where a kill has ended
            it.
        measure: the meters, whose numbers stand in the table. The one called `gate` decides: a round whose gate is not
            above the best so far is refused; the next one begins with the best models again, which have searched all
            problems already, and searches those that are still unsolved alone, with more: see `growth`, `mean_budget`.
        taught: solutions that stand in for what searches would have found: a control without search.
        learner: makes the next policy in another way than by searches and what they find: another such control.
        certain: positions whose outcome the rules tell, for the critic, see `critic.train`.
        show: called with the table so far after each round.

    Columns: `round`, `accepted`, `gate`, `solved` and `solved_ever` (shares of problems, of lines that search),
    `calculations` (mean, of solved problems), `new` (calculations that searches found), `joined` (further ones, of
    positions which other problems' solutions pass: see `transpositions`), `learnt` (problems), `steps`, tokens by kind,
    `flops` of the round and `flops_total`, `seconds`, `policy` and `critic` (checkpoints, within `output`), `best`
    (round), `stopped` (why it ended early, "" otherwise), and what the meter says. A round in which no problem is
    solved ends it. ValueError for models of another task, a meter without the gate, and an output of another
    configuration.
    """
    output = Path(output)
    if not problems:
        raise ValueError("problems to learn from must be at least one, got none")
    _keep_config(config, output)
    _check_models(config, environment, list(problems.values())[:_LOOKED_AT])
    loop = _Loop(config, environment.task, dict(problems), algorithm, output, measure, certain, taught, learner)
    done = sum((output / f"round-{number}" / _ROW).exists() for number in range(config.rounds + 1))
    with tqdm(total=config.rounds + 1, initial=done, desc=output.name, unit="round", smoothing=0.0) as bar:
        for number in range(config.rounds + 1):
            row = loop.play(number)
            bar.update(number >= done)
            if show is not None:
                show(pd.DataFrame(loop.rows))
            if row["stopped"]:
                break
    return pd.DataFrame(loop.rows)


def find_best(table: pd.DataFrame, output: Path | str) -> tuple[Path, Path | None]:
    """Policy and critic of the best round of a table of `iterate`."""
    row = table[table["round"] == table["best"].iloc[-1]].iloc[0]
    return Path(output) / row["policy"], Path(output) / row["critic"] if row["critic"] else None


def _check_models(config: IterationConfig, environment: Environment, problems: list[Any]) -> None:
    """ValueError for a policy that was trained for another task, and for a critic that reads otherwise than it."""
    policy = load_policy(config.start)
    check_vocabulary(policy, environment, problems)
    if config.first_critic:
        critic = load_critic(config.first_critic)
        for prompt in map(environment.prompt, problems):
            if list(policy.encode(prompt)) != list(critic.tokenizer(prompt)["input_ids"]):
                raise ValueError(f"critic {config.first_critic} must read {prompt!r} as the policy does, got other "
                                 "tokens: they were trained for different tasks")  # fmt: skip


def _keep_config(config: IterationConfig, output: Path) -> None:
    path, plain = output / _CONFIG, json.loads(json.dumps(asdict(config), default=str))
    if path.exists():
        if differences := compare(json.loads(path.read_text(encoding="utf-8")), plain):
            raise ValueError(f"{output}: rounds of another configuration lie there ({'; '.join(differences)}); choose "
                             "another folder, or delete it")  # fmt: skip
    else:
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda draft: draft.write_text(json.dumps(plain, indent=1) + "\n"))


@dataclass
class _Loop:
    """The rounds so far, and what they share."""

    config: IterationConfig
    task: Any
    problems: Mapping[str, Any]
    algorithm: Algorithm
    output: Path
    measure: Meter
    certain: pd.DataFrame | None
    taught: Archive | None = None
    learner: Learner | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, tuple[float, float]] = field(default_factory=dict)  # as searches have closed them
    rolled: dict[str, tuple[float, float]] = field(default_factory=dict)  # as rollouts have told of them
    archive: Archive = field(init=False)
    table: Transpositions = field(init=False)

    def __post_init__(self) -> None:
        self.archive = self.taught or Archive(self.task)
        self.table = Transpositions(self.archive)

    def play(self, number: int) -> dict[str, Any]:
        """One round: search, learn, measure, decide."""
        folder, begin = self.output / f"round-{number}", time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        policy, critic = self._find_best()
        found = self._search(number, folder, policy, critic)
        add_positions(self.positions, found.positions)
        path = folder / _ROW
        if path.exists():
            row = json.loads(path.read_text(encoding="utf-8"))
            self._recall_rollouts(folder)
        else:
            row = self._learn(number, folder, found, policy, critic)
            row["seconds"] = time.perf_counter() - begin
            write_atomically(path, lambda draft: draft.write_text(json.dumps(row, indent=1) + "\n"))
        self.rows.append(row)
        return row

    def _find_best(self) -> tuple[Path, Path | None]:
        return find_best(pd.DataFrame(self.rows), self.output) if self.rows else (Path(self.config.start), None)

    def _search(self, number: int, folder: Path, policy: Path, critic: Path | None) -> Found:
        config = self.config
        if self.taught is not None:
            return Found(list(self.taught.list_solved()))
        if self.learner is not None:
            return Found(list(self.problems))
        shared = {"credit": config.credit, "chunk": config.chunk}
        problems, budgets, total = self._choose(number)
        waves = Waves(self.algorithm, config.parameters, config.mode, budgets, total, **shared)
        if not number:  # no critic yet: answers are sampled
            waves = Waves(best_of_n, config.list_sampling(), "rules", (config.budget,), **shared)
        found = search_round(self.task, problems, waves,
                             lambda: (load_policy(policy), load_critic(critic) if critic else None), folder / "search",
                             self.archive, derive(config.seed, "round", number), f"round {number}: search")  # fmt: skip
        if config.transpositions:
            self.table.reach(found.reached)
            found.joined, passed = self.table.join(self.problems)
            add_positions(found.positions, passed)
        return found

    def _choose(self, number: int) -> tuple[Mapping[str, Any], tuple[int, ...], int]:
        """The problems of a round's searches, their budgets, and the total of all.

        Behind a refused round the models are those that have just searched: what they solved is known, and what they
        did not solve takes more than they were given.
        """
        config, refused = self.config, _count_refused(self.rows) if number else 0
        budgets, total = config.list_budgets(), config.mean_budget * len(self.problems)
        solved = self.archive.list_solved()
        left = {name: problem for name, problem in self.problems.items() if name not in solved}
        if not refused or not left:
            return self.problems, budgets, total
        more = max(config.growth * budgets[-1], total / len(left)) * config.growth ** (refused - 1)
        return left, (round(more),), 0

    def _learn(
        self, number: int, folder: Path, found: Found, policy: Path, critic: Path | None
    ) -> dict[str, Any]:  # fmt: skip
        """The rest of a round; its row."""
        config, reader = self.config, load_policy(policy)
        solved = self.archive.list_solved()
        cost = found.cost
        spent = measure_flops(reader.parameters, forwarded=cost["prompt_tokens"] + cost["sampled_tokens"])
        spent += measure_flops(load_critic(critic).parameters, forwarded=cost["critic_tokens"]) if critic else 0.0
        searched = math.nan if self.taught is not None or self.learner is not None else 1 / len(self.problems)
        row = {
            "round": number, "accepted": not number, "gate": math.nan, "solved": searched * len(found.solved),
            "solved_ever": searched * len(solved), "new": found.new, "joined": found.joined,
            "calculations": sum(map(len, solved.values())) / len(solved) if solved else 0.0, "learnt": 0, "steps": 0,
            **cost, "trained_tokens": 0, "critic_trained_tokens": 0, "stopped": "",
        }  # fmt: skip
        best = self.rows[-1]["best"] if self.rows else 0
        if not found.solved and not (number and _count_refused(self.rows)):  # behind a refused round, none further
            row["stopped"] = f"no problem was solved in round {number}"
            row |= {} if number else self._measure(number, folder, policy, None, policy, None, found)
            return self._close(row, policy, critic, best, spent)
        new_policy, new_critic = policy, critic
        if number and self.learner is not None:
            learnt = self.learner(number, folder, policy, self._find_left(number, spent))
            row |= {name: value for name, value in asdict(learnt).items() if name != "policy"}
            read = learnt.prompt_tokens + learnt.sampled_tokens
            spent += measure_flops(reader.parameters, trained=learnt.trained_tokens, forwarded=read)
            new_policy = learnt.policy
        elif number:
            names = self._pick(reader, solved)
            row["learnt"] = len(names)
            if not names:
                row["stopped"] = f"no solved problem has a chance below {config.rare:g} in round {number}"
                return self._close(row, policy, critic, best, spent)
            new_policy = self._train_policy(number, folder, reader, policy, names, spent, row)
            spent += measure_flops(reader.parameters, trained=row["trained_tokens"])
        if not number and config.first_critic:
            new_critic = Path(config.first_critic)
        elif config.critic in ("continue", "refit") or (config.critic == "first" and not number):
            rolled = self._roll_out(number, folder, new_policy, found)
            for unit in ("prompt_tokens", "sampled_tokens"):
                row[unit] += getattr(rolled, unit)
            old = critic if config.critic == "continue" else None
            new_critic = self._train_critic(number, folder, reader, new_policy, old, row)
            spent += measure_flops(reader.parameters, trained=row["critic_trained_tokens"],
                                   forwarded=rolled.prompt_tokens + rolled.sampled_tokens)  # fmt: skip
        row |= self._measure(number, folder, new_policy, new_critic, policy, critic, found)
        row["accepted"] = not number or bool(row[GATE] > self._find_gate())
        best = number if row["accepted"] else best
        refused = _count_refused([*self.rows, row])
        if config.patience and refused >= config.patience:
            row["stopped"] = f"the gate has refused {refused} rounds in a row"
        return self._close(row, new_policy, new_critic, best, spent)

    def _measure(
        self, number: int, folder: Path, policy: Path, critic: Path | None, old_policy: Path, old_critic: Path | None,
        found: Found,
    ) -> dict[str, Any]:  # fmt: skip
        told = dict(self.measure(Stand(number, folder, policy, critic, old_policy, old_critic,
                                       frozenset(self.archive.list_solved()), frozenset(found.solved))))  # fmt: skip
        if not isinstance(told.get(GATE), int | float) or math.isnan(told[GATE]):
            raise ValueError(f"measure must return the number {GATE!r} that decides, got {told.get(GATE)!r}")
        return told

    def _find_gate(self) -> float:
        return max(row[GATE] for row in self.rows if row["accepted"])

    def _find_left(self, number: int, spent: float) -> float:
        """The FLOPs that a round has left for training behind those it has spent; infinity without a limit."""
        return self.config.flops[number - 1] - self.rows[-1]["flops_total"] - spent if self.config.flops else math.inf

    def _pick(self, reader: Any, solved: Mapping[str, Any]) -> list[str]:
        """The problems to learn from: all that are solved, or those that the policy seldom solves as it has been."""
        if self.config.rare >= 1:
            return list(solved)
        chances = measure_known(reader, self.archive)
        return [name for name in solved if chances[name] < self.config.rare]

    def _train_policy(
        self, number: int, folder: Path, reader: Any, policy: Path, names: list[str], spent: float, row: dict[str, Any]
    ) -> Path:  # fmt: skip
        config, seed = self.config, derive(self.config.seed, "learn", number)
        drawn = {"weigh": config.weigh, "position_share": config.position_share, "seed": seed, "only": names,
                 "opening_share": config.opening_share, "respell": config.respell}  # fmt: skip
        row["steps"], each = config.steps, 0.0
        if config.flops:
            trial = write_samples(self.archive, 1024, **drawn)
            each = config.batch_size * sum(count_tokens(reader, trial)) / len(trial)
            left = self._find_left(number, spent) / measure_flops(reader.parameters, trained=each)
            row["steps"] = max(1, round(left))
        samples = write_samples(self.archive, row["steps"] * config.batch_size, **drawn)
        row["trained_tokens"] = sum(count_tokens(reader, samples))
        start = config.start if config.begin == "start" else str(policy)
        return sft.train(sft.SFTConfig(
            checkpoint=start, steps=row["steps"], batch_size=config.batch_size, learning_rate=config.learning_rate,
            matrix_learning_rate=config.matrix_learning_rate, evaluate_every=0, seed=seed,
        ), samples, folder / "policy")  # fmt: skip

    def _roll_out(self, number: int, folder: Path, policy: Path, found: Found) -> Rolled:
        """Rollouts of a new policy, for its critic; the solutions among them are kept like others."""
        config, path = self.config, folder / _ROLLOUTS
        if config.critic_rollouts and not path.exists():
            seed = derive(config.seed, "rollouts", number)
            spots = pick_spots(self.problems, found.reached, -(-config.critic_rollouts // _EACH), seed)
            rolled = roll_out(self.task, self.problems, load_policy(policy), spots, _EACH, seed=seed,
                              max_tokens=config.answer_tokens, title=f"round {number}: rollouts")  # fmt: skip
            write_atomically(path, lambda draft: draft.write_text(json.dumps(asdict(rolled)) + "\n"))
        return self._recall_rollouts(folder)

    def _recall_rollouts(self, folder: Path) -> Rolled:
        path = folder / _ROLLOUTS
        rolled = Rolled(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Rolled()
        for name, solutions in rolled.solutions.items():
            self.archive.add(name, self.problems[name], map(tuple, solutions))
        add_positions(self.rolled, rolled.positions)
        return rolled

    def _train_critic(
        self, number: int, folder: Path, reader: Any, policy: Path, old: Path | None, row: dict[str, Any]
    ) -> Path:  # fmt: skip
        """Where rollouts tell of a position, they alone count; else what searches have closed."""
        config, rolled = self.config, self.rolled
        if config.credit == "any":
            rolled = {text: (1, float(accepted > 0)) for text, (_, accepted) in rolled.items()}
        positions = tabulate_positions(self.positions | rolled)
        seed = derive(config.seed, "critic", number)
        if len(positions) > config.critic_positions:
            positions = positions.sample(config.critic_positions, random_state=seed).sort_index(ignore_index=True)
        row["critic_trained_tokens"] = round(config.critic_epochs * sum(map(reader.count, positions["text"])))
        settings = critic_training.CriticConfig(
            policy=str(policy), begin=str(old or ""), epochs=config.critic_epochs, seed=seed,
            batch_size=config.critic_batch_size,
        )  # fmt: skip
        return critic_training.train(settings, positions, folder / "critic", self.certain)

    def _close(
        self, row: dict[str, Any], policy: Path, critic: Path | None, best: int, flops: float
    ) -> dict[str, Any]:  # fmt: skip
        inside = ["" if path is None else Path(os.path.relpath(path, self.output)).as_posix()
                  for path in (policy, critic)]  # fmt: skip
        before = self.rows[-1]["flops_total"] if self.rows else 0.0
        return row | {"flops": flops, "flops_total": before + flops, "policy": inside[0], "critic": inside[1],
                      "best": best}  # fmt: skip


def _count_refused(rows: list[dict[str, Any]]) -> int:
    """How many rounds at the end the gate has refused."""
    return len(rows) - 1 - max(place for place, row in enumerate(rows) if row["accepted"])


def count_tokens(policy: Any, samples: list[Any]) -> list[int]:
    """Tokens of each sample, prompt included."""
    known: dict[str, int] = {}
    return [known.get(text) or known.setdefault(text, policy.count(text) + int(sample.ends))
            for sample in samples for text in (sample.prompt + sample.completion,)]  # fmt: skip
