"""The engine: runs hundreds of searches at once, batches their requests into few model calls, and meters every token.

Per round it gathers the outstanding requests of all running searches (`game24lab.search.requests`) into one model call
per kind and sampling settings. It does not know any algorithm, nor how policy and critic work, nor what a state is.

**Cost.** A search is charged what it would have cost had it run alone, so its cost depends neither on its neighbours
nor on their order; all tokens that the models returned count, used or not. With `merge`, an equal request
(equal `task.key`, settings and `attempt`) of the *same* search is answered from memory and adds to `saved` instead of
`cost`. Positions of *different* searches with equal texts share the critic's value: all are charged, it is computed
once, and `Totals` shows the difference. Proposals are never shared between searches, so their samples stay independent.
`merge=False` turns all sharing off.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from tqdm.auto import tqdm

from game24lab.runs.checks import require, suggest
from game24lab.search.algorithms import Algorithm, bind, open_search
from game24lab.search.cost import Cost, measure_texts
from game24lab.search.modes import open_world, read_mode
from game24lab.search.requests import (
    BudgetSpent,
    Complete,
    Outcome,
    Propose,
    Request,
    Standing,
    Value,
    list_counts,
    score,
    strip,
    write_options,
)
from game24lab.search.seeds import derive, to_plain
from game24lab.search.unrepeated import Tries, Wish, draw_lines
from game24lab.tasks.task import Task

_FIELDS = tuple(f.name for f in fields(Cost))
UNITS = (*_FIELDS, "flops")
_WORK = ("prompt_tokens", "sampled_tokens", "policy_calls", "critic_tokens", "critic_calls")  # takes a model's time

Turn = Callable[[Sequence[Standing]], Sequence[int]]


@dataclass
class Totals:
    """Sums over a whole run: what the searches were charged, what went through the models, and in how many batches."""

    charged: Cost = Cost()  # noqa: RUF009 - frozen
    forwarded: Cost = Cost()  # noqa: RUF009 - `depth` is 0 here; `seconds` are those of the models
    batches: int = 0

    @property
    def shared(self) -> Cost:
        """Saved by sharing between searches: charged minus forwarded, in critic tokens and calls."""
        names = ("critic_tokens", "critic_calls")
        return Cost(**{name: getattr(self.charged, name) - getattr(self.forwarded, name) for name in names})


@dataclass(eq=False)
class _Search:
    """One running search: its generator, the answers it has had, and its cost so far."""

    place: int
    problem: Any
    seed: int
    generator: Generator
    request: Request | None = None
    requests: int = 0
    outcome: Outcome | None = None
    value: float | None = None  # the first that the critic gave it
    memory: dict[Any, tuple[Any, dict]] = field(default_factory=dict)  # slot -> answer, price
    cost: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))
    saved: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))
    seen: set[tuple[str, str]] = field(default_factory=set)  # prompts with their completions
    repeated: int = 0  # tokens of completions that had come before
    tries: Tries = field(default_factory=Tries)  # where lines are drawn without replacement

    def advance(self, reply: list | BudgetSpent | None) -> None:
        """Send a reply to the algorithm; afterwards there is a new request or an outcome."""
        try:
            throw = isinstance(reply, BudgetSpent)
            self.request = self.generator.throw(reply) if throw else self.generator.send(reply)
            self.requests += 1
        except StopIteration as end:
            self.request, self.outcome = None, end.value


def run(
    task: Task,
    problems: Sequence[Any],
    algorithm: Algorithm,
    policy: Any,
    critic: Any = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    mode: str = "verified",
    seed: int | Sequence[int] = 0,
    concurrent: int = 512,
    merge: bool = True,
    budget: Mapping[str, float] | None = None,
    pool: Mapping[str, float] | None = None,
    turn: Turn | None = None,
    progress: Any = False,
    trees: bool = True,
    totals: Totals | None = None,
) -> list[Outcome]:
    """Search every problem; outcomes in the order of `problems`.

    Args:
        algorithm: a generator function as described above.
        policy, critic: see `game24lab.models.load_policy` and `game24lab.models.critic`; no critic is needed where
            none is asked.
        parameters: keyword arguments of the algorithm.
        mode: "verified": the search ends at the first answer that the exact verifier accepts. "rules": moves are
            checked and positions computed, and policy and critic choose the answer. "blind": lines are taken as they
            were said (`task.believe()`), and nothing is judged before the search has committed to an answer.
        seed: one number, or one for each problem. A search's samples depend on seed, problem and its own requests only.
        concurrent: how many searches run at once; it changes speed and nothing else.
        budget: limits in units of Cost, or "flops", for each search: no request that costs anything is started once a
            limit is reached, so the last one may overshoot. A limit of 0 lets nothing start.
        pool: the same for all searches together, which makes them depend on one another; the last round may overshoot.
        turn: selects each round the running searches that get an answer, by their places; None: all of them.
        progress: True shows a bar with the time left; a given bar is advanced by one for each problem.
        trees: keep the trees.
        totals: filled with the sums over all searches.

    ValueError for unknown parameters, modes and budget units, a bad problem, a request for values without a critic, or
    a model that returns the wrong number of answers.
    """
    mode = read_mode(mode)
    require("concurrent", concurrent, int, 1)
    for name, limits in (("budget", budget), ("pool", pool)):
        for unit, limit in (limits or {}).items():
            if unit not in UNITS:
                raise ValueError(f"{name} must be in one of {', '.join(UNITS)}, got {unit!r}{suggest(unit, UNITS)}")
            require(f"{name} of {unit}", limit, float, 0)
    seeds = [seed] * len(problems) if isinstance(seed, int) else list(seed)
    if len(seeds) != len(problems):
        raise ValueError(f"seed must be one number, or one for each of the {len(problems)} problems, got {len(seeds)}")
    arguments = bind(algorithm, parameters or {})
    task = open_world(task, mode, critic)
    roots = [task.start(problem) for problem in problems]  # a bad problem is found before any model call
    totals = Totals() if totals is None else totals
    dispatcher = _Dispatcher(task, policy, critic, merge, dict(budget or {}), dict(pool or {}), totals)
    outcomes: list[Outcome | None] = [None] * len(problems)

    def start(place: int) -> _Search:
        rng = random.Random(derive(seeds[place], problems[place], "rng"))
        generator = open_search(algorithm, task, roots[place], arguments, mode, merge, rng)
        search = _Search(place, problems[place], seeds[place], generator)
        search.advance(None)
        return search

    def close(search: _Search) -> None:
        outcome, cost = search.outcome, Cost(**search.cost)
        dispatcher.totals.charged += cost
        if trees and outcome.tree is not None:
            outcome.tree.meta |= {
                "task": task.name, "problem": to_plain(search.problem), "strategy": algorithm.__name__, "mode": mode,
                "parameters": to_plain(arguments), "seed": search.seed, "answer": outcome.answer,
                "solved": outcome.solved, "outcome": outcome.outcome, "stopped": outcome.stopped,
            }  # fmt: skip
        outcomes[search.place] = replace(
            outcome, mode=mode, cost=cost, saved=Cost(**search.saved), repeated_tokens=search.repeated,
            illegal_tokens=outcome.tree.count_tokens("illegal") if outcome.tree else 0,
            tree=outcome.tree if trees else None,
        )  # fmt: skip

    waiting, running, due = iter(range(len(problems))), [], 0.0
    own = isinstance(progress, bool)
    bar = tqdm(total=len(problems), disable=not progress, unit="problem", desc=algorithm.__name__) if own else progress
    with bar if own else nullcontext():
        while True:
            while len(running) < concurrent and (place := next(waiting, None)) is not None:
                running.append(start(place))
            if not running:
                return outcomes
            dispatcher.answer(running if turn is None else _give_turn(turn, running))
            if time.monotonic() >= due:  # long searches end together: the tokens show that they go on
                due = time.monotonic() + 1
                bar.set_postfix_str(f"{dispatcher.spent['sampled_tokens']:,.0f} tokens")
            for search in running:
                if search.outcome is not None:
                    close(search)
                    bar.update()
            running = [search for search in running if search.outcome is None]


@dataclass(eq=False)
class _Query:
    """One prompt that a search is charged for."""

    search: _Search
    slot: Any
    text: str
    count: int  # completions wanted
    seed: int
    state: Any


@dataclass(eq=False)
class _Dispatcher:
    """Gathers the requests of all searches, forwards them in batches and charges them."""

    task: Task
    policy: Any
    critic: Any
    merge: bool
    budget: dict[str, float]
    pool: dict[str, float]
    totals: Totals
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))  # by all searches
    shared: dict[str, float] = field(default_factory=dict)  # the critic's values by text, over all searches

    def answer(self, running: list[_Search]) -> None:
        """One round: every running search gets at most one reply that costs something, and any number from memory."""
        queries: dict[Request, list[_Query]] = {}  # by kind and settings: what one model call can have in common
        waiting: list[tuple[_Search, list, set]] = []
        for search in running:
            while search.request is not None:
                slots = self._name_slots(search)
                fresh = {slot: place for place, slot in reversed(list(enumerate(slots))) if slot not in search.memory}
                unit = self._find_spent(search) if fresh else None
                if unit is not None:
                    search.advance(BudgetSpent(unit))
                elif fresh:
                    kind = strip(search.request)
                    queries.setdefault(kind, []).extend(self._list_queries(search, fresh))
                    waiting.append((search, slots, set(fresh)))
                    break
                else:
                    self._reply(search, slots, set())
        for kind, group in queries.items():
            (self._score if isinstance(kind, Value) else self._generate)(kind, group)
        for search, slots, fresh in waiting:
            search.cost["depth"] += 1
            self.spent["depth"] += 1
            self._reply(search, slots, fresh)

    def _name_slots(self, search: _Search) -> list:
        """A key for every answer wanted; equal keys are answered once."""
        request = search.request
        if isinstance(request, Value) and self.critic is None:
            raise ValueError("the search asks for values, but there is no critic: give one, or parameters that "
                             "need none (mcts: leaf='rollout', best_of_n: choose='logprob')")  # fmt: skip
        counts = list_counts(request)
        if getattr(request, "sampling", "with") != "with" and not self.merge:
            raise ValueError("merge must be true for sampling without replacement, which knows positions, got false")
        if self.merge:
            kind = strip(request), getattr(request, "attempt", 0)
            return [(kind, count, self.task.key(state)) for state, count in zip(request.states, counts, strict=True)]
        return [(search.requests, place) for place in range(len(request.states))]

    def _find_spent(self, search: _Search) -> str | None:
        for limits, account in ((self.budget, search.cost), (self.pool, self.spent)):
            for unit, limit in limits.items():
                if unit == "flops":
                    critic = self.critic.parameters if self.critic is not None else 0
                    spent = Cost(**account).flops(self.policy.parameters, critic)
                else:
                    spent = account[unit]
                if spent >= limit:
                    return unit
        return None

    def _list_queries(self, search: _Search, fresh: Mapping[Any, int]) -> list[_Query]:
        queries, counts = [], list_counts(search.request)
        show = self.task.text  # a token task gives tokens to the policy, and texts to the critic
        if not isinstance(search.request, Value):
            show = getattr(self.task, "prompt_of", show)
        for slot, place in sorted(fresh.items(), key=lambda item: item[1]):
            stream = getattr(search.request, "stream", 0)
            part = (stream, 0) if stream else (search.requests, place)
            text = show(search.request.states[place])
            queries.append(_Query(search, slot, text, counts[place], derive(search.seed, search.problem, *part),
                                  search.request.states[place]))  # fmt: skip
        return queries

    def _generate(self, kind: Propose | Complete, queries: list[_Query]) -> None:
        counts, seeds = [query.count for query in queries], [query.seed for query in queries]
        begin = time.perf_counter()
        if kind.sampling != "with":
            allow = self._find_rules(kind) if kind.sampling == "legal" else None
            wishes = [Wish(query.search.tries, query.slot[-1], query.text, query.count,
                           derive(query.search.seed, query.search.problem, "trie", query.slot[-1]),
                           partial(allow, query.state) if allow else None) for query in queries]  # fmt: skip
            answers, prices, passed = draw_lines(self.policy, kind, wishes)
            seconds = time.perf_counter() - begin
            return self._charge(queries, answers, prices, seconds, [True] * len(queries), passed)
        answers = self.policy.generate([query.text for query in queries], counts, seeds=seeds, **write_options(kind))
        seconds = time.perf_counter() - begin
        came = [len(answer) if isinstance(answer, Sequence) else None for answer in answers or ()]
        if came != counts:
            raise ValueError(f"policy {self.policy.name!r} must return {counts[:8]} completions of {len(queries)} "
                             f"prompts, got {came[:8]}")  # fmt: skip
        prices = []
        for query, answer in zip(queries, answers, strict=True):
            lines, characters = measure_texts(completion.text for completion in answer)
            prices.append({"prompt_tokens": self.policy.count(query.text), "policy_calls": 1,
                           "sampled_tokens": sum(completion.tokens for completion in answer),
                           "sampled_lines": lines, "sampled_characters": characters})  # fmt: skip
            for completion in answer:
                query.search.repeated += completion.tokens * ((query.text, completion.text) in query.search.seen)
                query.search.seen.add((query.text, completion.text))
        self._charge(queries, answers, prices, seconds, [True] * len(queries))

    def _find_rules(self, kind: Propose | Complete) -> Callable[[Any], Sequence[str]]:
        """What lists a position's legal lines; ValueError where nothing does, and where answers are sampled whole."""
        if isinstance(kind, Complete):
            raise ValueError("sampling must not be 'legal' for answers that are sampled whole: rules judge lines")
        if not hasattr(self.task, "legal_lines"):
            raise ValueError(f"sampling must not be 'legal' where no rules list the lines of {self.task.name!r}, as in "
                             "a blind search")  # fmt: skip
        return self.task.legal_lines

    def _score(self, _: Value, queries: list[_Query]) -> None:
        texts = [query.text for query in queries]
        if self.merge:
            texts = list(dict.fromkeys(text for text in texts if text not in self.shared))
        begin = time.perf_counter()
        values = score(self.critic, texts)
        seconds = time.perf_counter() - begin
        news = set(texts)
        if self.merge:
            self.shared |= zip(texts, values, strict=True)
            values = [self.shared[query.text] for query in queries]
        forwarded = []
        for query in queries:
            forwarded.append(not self.merge or query.text in news)
            news.discard(query.text)
        prices = [{"critic_tokens": self.critic.count(query.text), "critic_calls": 1} for query in queries]
        self._charge(queries, values, prices, seconds, forwarded)

    def _charge(
        self, queries: list[_Query], answers: list, prices: list[dict], seconds: float, forwarded: list[bool],
        passed: float | None = None,
    ) -> None:  # fmt: skip
        """Charge every query to its search, and add what went through a model to the totals.

        passed: the model's part of the seconds, where not all of them are: the rest, which tries take, is the engine's.
        """
        weights = [sum(price.get(unit, 0) for unit in _WORK) * real
                   for price, real in zip(prices, forwarded, strict=True)]  # fmt: skip
        whole = sum(weights) or 1
        for query, answer, price, weight, real in zip(queries, answers, prices, weights, forwarded, strict=True):
            query.search.memory[query.slot] = (answer, price)
            for unit, amount in (*price.items(), ("seconds", seconds * weight / whole)):
                query.search.cost[unit] += amount
                self.spent[unit] += amount
            if real:
                self.totals.forwarded += Cost(**price)
        self.totals.forwarded += Cost(seconds=seconds if passed is None else passed)
        self.totals.batches += any(forwarded)

    def _reply(self, search: _Search, slots: list, fresh: set) -> None:
        """Answer from memory; answers that were not charged in this round count as saved."""
        reply, unpaid = [], set(fresh)
        for slot in slots:
            answer, price = search.memory[slot]
            reply.append(answer)
            if search.value is None and isinstance(search.request, Value):
                search.value = answer
            if slot in unpaid:
                unpaid.remove(slot)
                continue
            for unit, amount in price.items():
                search.saved[unit] += amount
        if not self.merge:
            search.memory.clear()
        search.advance(reply)


def _give_turn(turn: Turn, running: list[_Search]) -> list[_Search]:
    """The searches whose turn it is; ValueError where there is none, or one does not wait."""
    known = {search.place: search for search in running if search.request is not None}
    if not known:
        return []
    chosen = list(turn([Standing(search.place, Cost(**search.cost), search.value) for search in known.values()]))
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(known):
        raise ValueError(f"turn must return some of the waiting places {list(known)[:8]}, each once, got {chosen!r}")
    return [known[place] for place in chosen]


