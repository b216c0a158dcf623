"""A checkpoint behind a real server beside the same checkpoint in memory, and every strategy through the server.

    python -m game24lab.cli.beside_server --serve .vllm/bin/python --output runs/real/served
    python -m game24lab.cli.beside_server --url http://localhost:8000/v1 --output runs/real/served

What is asked for: log-probabilities of the model itself, the same greedy answers, the same samples for the same seed,
and as many tokens as the server has counted. It is a run like any other: killed, the same command goes on. It does not
know how a server is started.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from game24lab.cli.local_server import count_generated, start_server, tell_version
from game24lab.cli.race import race
from game24lab.cli.solve import solve
from game24lab.evaluation.arms import STRATEGIES, describe_strategy
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.jsonl import append_rows, mend, read_rows
from game24lab.models.backends.server_probe import examine_server
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import Completion, Policy, load_policy
from game24lab.models.locations import find_pretrained
from game24lab.runs.messages import condense
from game24lab.runs.run import Run, read_run, start_run
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.puzzles import list_solvable

NAME = "beside_server"
SOLVE, COMMANDS = "game24lab solve", ("mcts", "auto")
_PACED = 64  # tokens of an answer whose pace is measured
_TOKENS = 48  # of an answer that is held against the model
_SIZES = {"early_stopping": 6, "beam_search": 4, "dvts": 4}  # of strategies that need more than a small `effort`
Said = list[list[Completion]]  # a prompt's completions, for each prompt


def compare(
    output: Path, *, checkpoint: str = "", critic: str = "", url: str = "", serve: str = "",
    options: Sequence[str] = (), problems: int = 8, samples: int = 4, effort: int = 4,
    strategies: Sequence[str] = tuple(STRATEGIES), commands: Sequence[str] = COMMANDS, pace: int = 0, seed: int = 0,
) -> Run:  # fmt: skip
    """The finished run in `output`: `records.parquet` with a row for each arm.

    Columns: `arm`, `mode`, `solved`, `problems`, `sampled_tokens`, `server_tokens` (what the server counted meanwhile;
    missing where it tells no count; fewer where searches shared a greedy line, for which each is charged), `seconds`.
    The facts of the run say how near the server is to the model in memory (`gap`, of natural logs; `equal_greedy`,
    `repeated`).

    Args:
        checkpoint, critic: folders; "": the shipped ones.
        url: of a server that runs and serves the checkpoint by the name that is given here; else `serve`, the
            interpreter that has vLLM, and further `options` of the server.
        effort: what sets how much each strategy searches.
        commands: strategies of `game24lab solve`, as people call it.
        pace: prompts of the comparison of tokens a second with the model in memory and `generate`; 0: none.

    ValueError for bad input, and for a server that a search cannot use; ConnectionError for one that is gone.
    """
    if bool(url) == bool(serve):
        raise ValueError(f"either a server's url or a program to serve must be given, got {url!r} and {serve!r}")
    environment = open_environment("game24", held_out=problems, seed=seed)
    checkpoint = checkpoint or str(find_pretrained("policy"))
    arms = {name: {"algorithm": name, "mode": "rules", "parameters": _size(name, effort)} for name in strategies}
    arms |= {f"mcts, {mode}": {"algorithm": "mcts", "mode": mode, "parameters": _size("mcts", effort)}
             for mode in ("blind", "verified") if "mcts" in strategies}  # fmt: skip
    parameters = {"checkpoint": checkpoint, "critic": critic, "problems": problems, "samples": samples, "seed": seed,
                  "effort": effort, "strategies": list(strategies), "commands": list(commands),
                  "pace": pace}  # fmt: skip
    with start_run(output, NAME, parameters) as run:
        if run.before == "finished":
            return run
        log = run.path("arms.jsonl")
        done = _read(log)
        with contextlib.ExitStack() as stack:
            facts: dict[str, Any] = {}
            if serve:
                facts = {"server": tell_version(serve)}
                url = stack.enter_context(start_server(serve, checkpoint, run.path("server.log"), options=options))
            facts |= {"doctor": examine(url, checkpoint)}
            served = load_policy(checkpoint, backend="server", url=url)
            prompts = [environment.prompt(one) for one in environment.held_out]
            facts |= measure_agreement(checkpoint, served, prompts, samples, seed)
            if pace:
                facts |= measure_pace(checkpoint, served, environment, pace)
            judge = load_critic(critic or find_pretrained("critic"))
            makers = {name: partial(_search, name, arm, environment, served, judge, seed)
                      for name, arm in arms.items()}  # fmt: skip
            makers |= {f"{SOLVE} {name}": partial(_solve, name, environment, checkpoint, critic, url, seed)
                       for name in commands}  # fmt: skip
            for name, make in tqdm(makers.items(), desc="arms"):
                if name not in done:
                    done[name] = {"arm": name, **_count(url, make)}
                    append_rows(log, [done[name]])
        table = pd.DataFrame([done[name] for name in makers])
        run.write_records(table)
        run.finish(result=tell(table, facts), sampled_tokens=int(table["sampled_tokens"].sum()), **facts)
    return run


def _size(name: str, effort: int) -> dict[str, Any]:
    _, parameter = describe_strategy(name)
    return {parameter: max(effort, _SIZES.get(name, 1))} if parameter else {}


def _read(log: Path) -> dict[str, dict[str, Any]]:
    if not log.exists():
        return {}
    lines = list(read_rows(log, lambda row, _: row, whole=True))
    mend(log, lines[-1][1] if lines else 0)
    return {row["arm"]: row for _, _, row in lines}


def examine(url: str, model: str) -> dict[str, str]:
    """What `game24lab doctor --url` sees; ValueError that tells the first thing which a search would miss."""
    found = list(examine_server(url, model))
    for one in found:
        if one.works is False:
            raise ValueError(f"server {url}: {one.name}: {one.text}")
    return {one.name: one.text for one in found}


def measure_agreement(
    checkpoint: str, served: Policy, prompts: Sequence[str], samples: int, seed: int
) -> dict[str, float]:
    """How near a server is to the model in memory, over some samples of each prompt.

    `gap`: the largest difference of a token's log-probability from that of a plain forward pass. `equal_greedy`: the
    share of prompts with the same greedy tokens. `repeated`: of those whose samples of one seed came twice the same.
    """
    seeds = [seed + place for place in range(len(prompts))]
    said, again = (served.generate(prompts, samples, max_tokens=_TOKENS, seeds=seeds) for _ in range(2))
    gap = measure_gap(checkpoint, prompts, said)
    theirs = served.generate(prompts, 1, max_tokens=_TOKENS, temperature=0.0)
    local = load_policy(checkpoint, backend="transformers", device="cpu")
    ours = local.generate(prompts, 1, max_tokens=_TOKENS, temperature=0.0)
    return {"gap": gap, "equal_greedy": _share(theirs, ours), "repeated": _share(said, again),
            "compared_tokens": sum(one.tokens for row in said for one in row)}  # fmt: skip


def _share(some: Said, others: Said) -> float:
    same = [[one.ids for one in left] == [one.ids for one in right] for left, right in zip(some, others, strict=True)]
    return sum(same) / len(same)


@torch.no_grad()
def measure_gap(checkpoint: str, prompts: Sequence[str], said: Said) -> float:
    """The largest difference between log-probabilities that were sent and those of a forward pass in float32."""
    model, tokenizer = load_checkpoint(checkpoint)
    worst = 0.0
    for prompt, completions in zip(prompts, said, strict=True):
        begun = tokenizer(prompt)["input_ids"]
        for one in completions:
            logits = model(torch.tensor([[*begun, *one.ids]])).logits[0, len(begun) - 1 : -1].float()
            own = logits.log_softmax(-1).gather(1, torch.tensor(one.ids)[:, None])[:, 0]
            worst = max(worst, float((own - torch.tensor(one.logprobs)).abs().max()))
    return worst


def measure_pace(checkpoint: str, served: Policy, environment: Any, rows: int) -> dict[str, float]:
    """Sampled tokens a second of a server, of the model in memory and of transformers' `generate`, and the load beside.

    Greedy answers of at most 64 tokens to `rows` puzzles, in one batch; the median of three turns behind a first one.
    """
    model, tokenizer = load_checkpoint(checkpoint)
    local = load_policy(checkpoint, backend="transformers", device="cpu")
    prompts = [environment.prompt(one) for one in list_solvable()[:: len(list_solvable()) // rows][:rows]]
    batch = tokenizer(prompts, padding=True, return_tensors="pt")

    def ask(policy: Policy) -> int:
        found = policy.generate(prompts, 1, max_tokens=_PACED, temperature=0.0)
        return sum(one.tokens for (one,) in found)

    @torch.inference_mode()
    def generate() -> int:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        made = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=_PACED,
                              pad_token_id=tokenizer.pad_token_id)[:, ids.shape[1] :].tolist()  # fmt: skip
        end = tokenizer.eos_token_id
        return sum(row.index(end) + 1 if end in row else len(row) for row in made)

    sides = {"server": partial(ask, served), "memory": partial(ask, local), "generate": generate}
    for side in sides.values():
        side()
    seconds, tokens = race(list(sides.values()), 3)
    found = {f"pace_{name}": count / one for name, one, count in zip(sides, seconds, tokens, strict=True)}
    return {**found, "pace_rows": rows, "load": os.getloadavg()[0]}


def _count(url: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A row, with the time that it took and the tokens that the server counted meanwhile."""
    before, clock = count_generated(url), time.perf_counter()
    row = make()
    seconds, after = time.perf_counter() - clock, count_generated(url)
    return {**row, "server_tokens": None if before is None or after is None else after - before, "seconds": seconds}


def _search(
    name: str, arm: Mapping[str, Any], environment: Any, policy: Policy, critic: Any, seed: int
) -> dict[str, Any]:
    attempts = evaluate(environment.task, environment.held_out, {name: arm}, policy, critic, seeds=[seed],
                        progress=False)  # fmt: skip
    return {"mode": arm["mode"], "solved": int(attempts["solved"].sum()), "problems": len(attempts),
            "sampled_tokens": int(attempts["sampled_tokens"].sum())}  # fmt: skip


def _solve(strategy: str, environment: Any, checkpoint: str, critic: str, url: str, seed: int) -> dict[str, Any]:
    """What `game24lab solve --backend server` does."""
    outcomes, _ = solve(environment, environment.held_out, strategy, {}, "rules", checkpoint=checkpoint,
                        critic=critic or None, backend="server", url=url, seed=seed)  # fmt: skip
    return {"mode": "rules", "solved": sum(one.solved for one in outcomes), "problems": len(outcomes),
            "sampled_tokens": sum(one.cost.sampled_tokens for one in outcomes)}  # fmt: skip


def tell(table: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """What came of it, in a sentence."""
    known = table.dropna(subset=["server_tokens"])
    equal = known["server_tokens"] == known["sampled_tokens"]
    more = known.loc[~equal, "sampled_tokens"].sum() - known.loc[~equal, "server_tokens"].sum()
    told = "the server tells no count of its own"
    if len(known):
        told = f"equal to the server's own count in {equal.sum()} of {len(known)} arms"
    if not equal.all():  # searches that ask for the same greedy line at once are each charged for it
        told += f", {more:+,} in the others ({', '.join(known.loc[~equal, 'arm'])})"
    return (f"{len(table)} arms through {facts.get('server') or 'a server'} on {int(table['problems'].iloc[0])} "
            f"puzzles, {int(table['sampled_tokens'].sum()):,} sampled tokens, {told}; log-probabilities within "
            f"{facts['gap']:.1e} of a local forward pass ({facts['compared_tokens']:,} tokens), greedy answers equal "
            f"on {facts['equal_greedy']:.0%}, samples of equal seeds on {facts['repeated']:.0%}{_tell_pace(facts)}"
            )  # fmt: skip


def _tell_pace(facts: Mapping[str, Any]) -> str:
    if "pace_rows" not in facts:
        return ""
    return (f"; tokens a second for {facts['pace_rows']} x {_PACED} greedy ones: {facts['pace_server']:,.0f} by the "
            f"server, {facts['pace_memory']:,.0f} in memory, {facts['pace_generate']:,.0f} by `generate` (load "
            f"{facts['load']:.1f} on {os.cpu_count()} cores)")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the sentence; exit status 0, 2 for bad input and for a server that cannot be used."""
    parser = argparse.ArgumentParser("python -m game24lab.cli.beside_server", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", default="", help="policy, a folder (default: the shipped one)")
    parser.add_argument("--critic", default="", help="critic of the strategies (default: the shipped one)")
    parser.add_argument("--url", default="", help="of a server that runs, such as http://localhost:8000/v1")
    parser.add_argument("--serve", default="", metavar="PYTHON", help="interpreter that has vLLM, to start one")
    parser.add_argument("--options", default="[]", type=_read_options, metavar="JSON", help="more words for it")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4, help="answers a puzzle that are held against the model")
    parser.add_argument("--effort", type=int, default=4, help="how much each strategy searches")
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), help="strategies of game24lab solve")
    parser.add_argument("--pace", type=int, default=0, metavar="ROWS", help="compare tokens a second; 0: do not")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    values = vars(parser.parse_args(arguments))
    try:
        run = compare(values.pop("output"), **values)
    except (ValueError, OSError) as error:
        print(f"{NAME}: {condense(error)}", file=sys.stderr)
        return 2
    print(read_run(run.folder).manifest["result"])
    return 0


def _read_options(text: str) -> Iterable[str]:
    try:
        return [str(one) for one in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"must be a JSON list of words, got {text!r}") from error


if __name__ == "__main__":
    sys.exit(main())
