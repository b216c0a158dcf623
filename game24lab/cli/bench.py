"""Benchmarks: this package against stock implementations, on the same work in the same run, as ratios.

The sides run in turns (`game24lab.cli.race`); their results are compared, so that both did the same work.
Only the command line and tests use this module.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from game24lab.cli import bench_training as pace
from game24lab.cli.bench_legal import bench_legal
from game24lab.cli.bench_scaling import write_growth
from game24lab.cli.bench_score import time_score, write_answers
from game24lab.cli.bench_unrepeated import bench_exact, bench_unrepeated
from game24lab.cli.race import Row, race
from game24lab.models.checkpoints import find_pretrained, make_model, save_checkpoint
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.tokenizer import make_tokenizer
from game24lab.runs.run import write_atomically
from game24lab.search import engine
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers import arithmetic
from game24lab.tasks.numbers.puzzles import list_puzzles, list_solvable
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24
from game24lab.training.precision import describe_units, pick_precision


# The solver -----------------------------------------------------------------------------------------------------------
def bench_solver(every: int = 5, repeats: int = 1) -> list[Row]:
    """Is 24 reachable, for one in `every` of the 1,820 puzzles: the solver with empty caches against brute force."""
    puzzles = list_puzzles()[::every]

    def solve() -> list[bool]:
        for value in vars(arithmetic).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        return [arithmetic.reachable(arithmetic.make_state(puzzle)) for puzzle in puzzles]

    (stock, ours), found = race([lambda: [_try_all(puzzle) for puzzle in puzzles], solve], repeats)
    if found[0] != found[1]:
        raise RuntimeError("solver and brute force disagree")
    return [Row("solver", f"{len(puzzles)} puzzles, is 24 reachable", stock, ours, "exact solver, caches empty")]


def _try_all(puzzle: Sequence[int]) -> bool:
    """All orders, operators and bracketings of four numbers, in exact arithmetic, up to the first that makes 24."""
    for numbers in set(itertools.permutations(map(Fraction, puzzle))):
        for operators in itertools.product(arithmetic.OPERATORS, repeat=3):
            if 24 in _bracketings(numbers, operators):
                return True
    return False


def _bracketings(numbers: Sequence[Fraction], operators: Sequence[str]) -> Iterator[Fraction]:
    a, b, c, d = numbers
    f, g, h = operators

    def make(left: Fraction | None, operator: str, right: Fraction | None) -> Fraction | None:
        return None if left is None or right is None else arithmetic.apply(left, operator, right)

    yield make(make(make(a, f, b), g, c), h, d)
    yield make(make(a, f, make(b, g, c)), h, d)
    yield make(make(a, f, b), g, make(c, h, d))
    yield make(a, f, make(make(b, g, c), h, d))
    yield make(a, f, make(b, g, make(c, h, d)))


# Generation -----------------------------------------------------------------------------------------------------------
SHAPES = ((1600, 40), (96, 1000))  # prompts, tokens each: short lines and long traces
BACKENDS = (("auto", "auto"), ("ctranslate2", "float32"), ("transformers", "float32"), ("transformers", "bfloat16"))


def bench_generation(
    shapes: Sequence[tuple[int, int]] = SHAPES, repeats: int = 3, *, backends: Sequence[tuple[str, str]] = BACKENDS[:1],
    size: str = "tiny",
) -> list[Row]:  # fmt: skip
    """Sampling of a fresh model of a preset size beside `generate` of transformers as it comes (float32, own cache).

    Both sample the same number of tokens: end tokens end nothing here. Texts in, texts out on both sides; ours brings
    log-probabilities too. `backends` are pairs of backend and compute type.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="game24lab-bench-") as root:
        folder = Path(root) / "model"
        save_checkpoint(make_model(size, make_tokenizer()), make_tokenizer(), folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model.generation_config.eos_token_id = None
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        for count, tokens in shapes:
            prompts = [Game24().prompt(puzzle) for puzzle in itertools.islice(itertools.cycle(list_puzzles()), count)]

            def stock(prompts: list[str] = prompts, tokens: int = tokens) -> int:
                inputs = tokenizer(prompts, return_tensors="pt", padding=True)
                out = model.generate(**inputs, do_sample=True, top_k=0, max_new_tokens=tokens)
                texts = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
                return len(texts) * (out.shape[1] - inputs["input_ids"].shape[1])

            def ours(policy: Any, prompts: list[str] = prompts, tokens: int = tokens) -> int:
                return sum(group[0].tokens for group in policy.generate(prompts, 1, max_tokens=tokens))

            policies = []
            for backend, compute_type in backends:
                work = "lines" if tokens < 200 else "traces"
                policy = load_policy(folder, backend=backend, compute_type=compute_type, work=work, device="cpu")
                policy.card = replace(policy.card, ends=())
                policy.generate(prompts[:8], 1, max_tokens=4)
                policies.append(policy)
            (first, *others), sampled = race([stock, *(partial(ours, policy) for policy in policies)], repeats)
            if len(set(sampled)) > 1:
                raise RuntimeError(f"generation: not the same numbers of tokens, {sampled}")
            work = f"{count:,} x {tokens:,} tokens, {policies[0].parameters / 1e6:.2f}M parameters"
            rows += [
                Row("generation", work, first, seconds, f"{policy.name} {policy.compute_type}")
                for policy, seconds in zip(policies, others, strict=True)
            ]
    return rows


def bench_backends(shapes: Sequence[tuple[int, int]] = SHAPES, repeats: int = 1) -> list[Row]:
    """`bench_generation` for every local backend and type."""
    return bench_generation(shapes, repeats, backends=BACKENDS)


# Search ---------------------------------------------------------------------------------------------------------------
def bench_search(
    puzzles: int = 362, simulations: int = 16, repeats: int = 1, *, policy: Any = None, critic: Any = None
) -> list[Row]:
    """The same MCTS (the whole budget, by the rules) on ranks 1001-1362 at once beside one puzzle at a time.

    Policy and critic are those that ship, unless given. Searches do not depend on their neighbours, so both sides
    sample the same but for a rounding now and then; more than 5 % of difference in sampled tokens is an error.
    """
    policy = policy or load_policy(find_pretrained("policy"))
    critic = critic or load_critic(find_pretrained("critic"))
    problems = make_split("tsllm").held_out[:puzzles]
    shares = []  # of the time that the engine takes for itself

    def search(concurrent: int) -> int:
        totals, start = engine.Totals(), time.perf_counter()
        outcomes = engine.run(Game24(), problems, mcts, policy, critic, parameters={"simulations": simulations},
                              mode="rules", concurrent=concurrent, trees=False, totals=totals)  # fmt: skip
        shares.append(1 - totals.forwarded.seconds / (time.perf_counter() - start))
        return sum(outcome.cost.sampled_tokens for outcome in outcomes)

    (stock, ours), (theirs, found) = race([lambda: search(1), lambda: search(len(problems))], repeats)
    if abs(theirs - found) > 0.05 * theirs:
        raise RuntimeError(f"search: {found} tokens at once beside {theirs} one at a time")
    return [Row("search", f"{len(problems)} puzzles, {simulations} simulations each, {found:,} tokens", stock, ours,
                f"all at once, {policy.name}; {statistics.median(shares[1::2]):.0%} of it the engine's")]  # fmt: skip


def bench_searches() -> list[Row]:
    """Searches at once beside one at a time, and the likeliest lines beside sampled ones, a solved puzzle."""
    return [*bench_search(), *bench_unrepeated()]


# GRPO -----------------------------------------------------------------------------------------------------------------
STEPS = ((12, 8, 16, 1024), (32, 8, 64, 40))  # problems, completions of each, mini-batch, most tokens


def bench_grpo(
    shapes: Sequence[tuple[int, int, int, int]] = STEPS, repeats: int = 3, *, checkpoint: str | Path | None = None,
    size: str = "tiny",
) -> list[Row]:  # fmt: skip
    """One step of GRPO, from prompts to changed weights, beside TRL's trainer as it comes with its `model.generate`.

    Same checkpoint, problems, rewards, mini-batches and precision. Without a checkpoint the model is fresh and of a
    preset size: it ends after any token with about equal probability, so that completions of up to 1,024 tokens have
    560 on average, about as many as trained ones. Nothing is skipped for want of an advantage. Sampled tokens that
    differ by more than a third are an error.
    """
    from game24lab.cli import bench_trl as stock  # TRL takes seconds to load
    from game24lab.tasks.numbers.problems import make_problems
    from game24lab.tasks.numbers.rewards import REWARDS
    from game24lab.tasks.rewards import make_reward_functions
    from game24lab.training import grpo  # TRL takes seconds to load

    rewards, rows = make_reward_functions(REWARDS), []
    bf16 = pick_precision("auto") == "bf16"
    with tempfile.TemporaryDirectory(prefix="game24lab-bench-") as root:
        folder = Path(checkpoint or Path(root) / "model")
        if checkpoint is None:
            save_checkpoint(make_model(size, make_tokenizer()), make_tokenizer(), folder)
        for problems, group, mini_batch, most in shapes:
            asked = make_problems(itertools.islice(itertools.cycle(list_solvable()[::50]), problems))
            table = {"prompt": [problem.prompt for problem in asked],
                     "numbers": [problem.columns["numbers"] for problem in asked]}  # fmt: skip
            rollouts = grpo.Rollouts(problems, group, most)
            times, tokens = ([], []), ([], [])
            for seed in range(repeats):
                config = grpo.GRPOConfig(str(folder), rollouts, 1, mini_batch, skip_equal=False, seed=seed)
                sides = (
                    stock.make_stock_grpo(folder, table, rewards, Path(root) / "stock", num_generations=group,
                                          bf16=bf16, mini_batch=mini_batch, max_completion_length=most, seed=seed),
                    grpo.make_trainer(config, asked, rewards, Path(root) / "ours"),
                )  # fmt: skip
                for place, trainer in enumerate(sides):
                    seconds, sampled = stock.time_step(trainer)
                    times[place].append(seconds)
                    tokens[place].append(sampled)
            stocks, ours = map(sum, tokens)
            if not 2 / 3 < stocks / ours < 3 / 2:
                raise RuntimeError(f"grpo: {ours} tokens beside {stocks}")
            work = f"{problems} x {group} completions, up to {most:,} tokens"
            how = f"{ours / repeats:,.0f} tokens a step, stock {stocks / repeats:,.0f}; {describe_units()}"
            first, second = map(statistics.median, times)
            rows.append(Row("grpo", work, first, second, how))
    return rows


# Training -------------------------------------------------------------------------------------------------------------
def bench_sft(
    steps: int = 6, batch_size: int = 32, repeats: int = 3, *, size: str = "tiny",
    demo: tuple[int, int] = (12, pace.BATCH),
) -> list[Row]:  # fmt: skip
    """Training beside TRL's trainer: on the demo's bare solutions, `demo` steps of so many, and on search traces of 100
    to 1,100 tokens, once as TRL's comes and once without its activation checkpointing; and the optimiser alone.

    Same fresh model, samples, batch size and precision; both go through all samples once. About as many traces are
    short, medium and long, as in the published set; half are sound, half v2. Stock pads batches in random order and
    trains by AdamW; ours by Muon, which costs more. The optimiser is beside `torch.optim.Muon`.
    """
    from game24lab.training.data.trace_generation import make_traces

    count = steps * batch_size
    traces = make_traces(list_solvable(), 2 * count, held_out=(), styles=("sound", "v2"),
                         buckets=("short", "medium", "long"))  # fmt: skip
    samples = [trace.sample for trace in random.Random(0).sample(traces, len(traces)) if trace.tokens >= 100][:count]
    units = describe_units()
    stock, ours = pace.time_optimizers(size=size)
    return [
        *_race_sft("solutions", "lines", pace.list_samples(math.prod(demo)), *demo, repeats, size, (True,)),
        *_race_sft("traces", "traces", samples, steps, batch_size, repeats, size, (True, False)),
        Row("sft", f"the optimiser alone, {size}", stock, ours, f"Muon in batches, stock torch.optim.Muon; {units}"),
    ]


def _race_sft(
    kind: str, vocabulary: str, samples: Sequence, steps: int, batch_size: int, repeats: int, size: str,
    checkpointing: Sequence[bool],
) -> list[Row]:  # fmt: skip
    """One row for each setting of TRL's activation checkpointing."""
    from game24lab.cli import bench_trl as stock  # TRL takes seconds to load
    from game24lab.training import session, sft  # TRL takes seconds to load

    session.keep_memory()
    tokenizer = make_tokenizer(vocabulary)
    rows = sft.tokenize(samples, tokenizer)
    config = sft.SFTConfig(size=size, vocabulary=vocabulary, steps=steps, batch_size=batch_size, evaluate_every=0)
    bf16 = pick_precision("auto") == "bf16"
    with tempfile.TemporaryDirectory(prefix="game24lab-bench-") as root:

        def run(checkpointing: bool | None) -> tuple[float, int]:
            if checkpointing is None:
                with tempfile.TemporaryDirectory(dir=root) as folder:
                    return stock.time_steps(sft.make_trainer(config, samples, Path(folder)))
            model = make_model(size, tokenizer)
            return stock.time_steps(
                stock.make_stock_sft(model, tokenizer, rows, Path(root) / "stock", batch_size=batch_size, steps=steps,
                                     bf16=bf16, checkpointing=checkpointing)
            )  # fmt: skip

        found = [[run(side) for side in (*checkpointing, None)] for _ in range(repeats)]
    tokens = {learnt for turn in found for _, learnt in turn}
    if len(tokens) > 1:
        raise RuntimeError(f"sft: not the same numbers of tokens, {sorted(tokens)}")
    (learnt,) = tokens
    *others, ours = (statistics.median(seconds for seconds, _ in side) for side in zip(*found, strict=True))
    work, units = f"{len(samples):,} {kind}, {learnt:,} tokens", describe_units()
    return [
        Row("sft", work + ("" if kept else ", activations kept"), seconds, ours,
            f"{learnt / ours:,.0f} tokens/s, stock {learnt / seconds:,.0f}; {units}")
        for kept, seconds in zip(checkpointing, others, strict=True)
    ]  # fmt: skip


def bench_busy() -> list[Row]:
    """The demo's SFT beside a process that keeps one core busy, and alone: the ratio is its cost."""
    busy, alone = pace.time_busy()
    return [Row("busy", "12 steps of the demo's SFT, one core burnt", busy, alone, f"alone; {describe_units()}")]


def bench_workers(steps: int = 100, count: int = 2, **options: Any) -> list[Row]:
    """The demo's SFT once for each worker of a sweep: with all threads in turn, and at once with one thread each."""
    turns, together = pace.time_workers(steps, count, **options)
    how = f"{count} at once, one thread each; {describe_units()}"
    return [Row("workers", f"{count} trainings in turn, {count} threads each, {steps} steps", turns, together, how)]


def bench_kills(kills: int = 15, steps: int = 500, **options: Any) -> list[Row]:
    """The demo's SFT with kills at random moments and without, with equal results: the time that a kill loses."""
    killed, whole, lost = pace.time_kills(kills, steps, **options)
    if not lost:
        raise RuntimeError(f"kills: {steps} steps were over before the first kill")
    how = f"not killed; a kill lost {statistics.mean(lost):.1f} s, at most {max(lost):.1f} s; {describe_units()}"
    return [Row("kills", f"{steps} steps of the demo's SFT, {len(lost)} kills, same bits", killed, whole, how)]


def bench_score(answers: int = 100_000, workers: int = 2, repeats: int = 1) -> list[Row]:
    """Different answers of 600 characters scored with several processes and with one, with equal verdicts."""
    with tempfile.TemporaryDirectory(prefix="game24lab-bench-") as root:
        path = write_answers(Path(root) / "answers.jsonl", answers)
        runs = [(time_score(path, 1), time_score(path, workers)) for _ in range(repeats)]
    if any(one != many for (_, one), (_, many) in runs):
        raise RuntimeError("score: the processes disagree")
    alone, ours = (statistics.median(run[side][0] for run in runs) for side in (0, 1))
    work = f"{answers:,} answers to Countdown"
    how = f"{workers} processes, {answers / ours:,.0f} answers/s; one {answers / alone:,.0f}"
    return [Row("score", work, alone, ours, how)]


BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "solver": bench_solver, "generation": bench_generation, "search": bench_searches,
    "unrepeated": bench_unrepeated, "legal": bench_legal, "exact": bench_exact, "backends": bench_backends,
    "grpo": bench_grpo, "sft": bench_sft, "score": bench_score, "busy": bench_busy,
    "workers": bench_workers, "kills": bench_kills,
}  # fmt: skip
_DEFAULT = ("solver", "generation", "search")


def main(names: Sequence[str] = (), path: str | Path | None = None) -> int:
    """Run benchmarks by name (default: solver, generation, search) and print a table. ValueError for unknown names.

    With a `path` the rows are kept there too, as a JSON list: `benchmark`, `work`, `stock`, `ours`, `ratio`, `note`.

    "growth" writes a table and a figure of its own (`game24lab.cli.bench_scaling`), without a comparison.
    """
    for name in names:
        if name not in (*BENCHMARKS, "growth"):
            raise ValueError(f"benchmark must be one of {', '.join(BENCHMARKS)}, growth, got {name!r}")
    if "growth" in names:
        write_growth()
    names = [name for name in names or _DEFAULT if name != "growth"]
    if not names:
        return 0
    kept = []
    print(f"{'benchmark':<11} {'work':<52} {'stock s':>8} {'ours s':>8} {'ratio':>7}  ours is", flush=True)
    for name in names:
        for row in BENCHMARKS[name]():
            times = f"{row.stock:8.2f} {row.ours:8.2f} {row.ratio:6.1f}x"
            print(f"{row.name:<11} {row.work:<52} {times}  {row.how}", flush=True)
            kept.append({"benchmark": row.name, "work": row.work, "stock": row.stock, "ours": row.ours,
                         "ratio": row.ratio, "note": row.how})  # fmt: skip
    if path is not None:
        text = json.dumps(kept, indent=1) + "\n"
        write_atomically(Path(path), lambda draft: draft.write_text(text, encoding="utf-8"))
    return 0
