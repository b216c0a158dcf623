"""Word problems answered greedily by each backend and by transformers' own `generate`, and judged twice.

    python -m game24lab.cli.beside_plain runs/real/smollm2 --source gsm8k --output runs/real/start

The product writes the prompt, samples and judges; the plain way takes the chat template and `generate` as anybody
would, and a scorer of a few lines that shares nothing with the product's. Equal tokens and equal verdicts are what is
asked for. It is a run like any other: killed, the same command goes on. It does not know how a model was trained.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from game24lab.evaluation.jsonl import append_rows, mend, read_rows
from game24lab.evaluation.statistics import wilson
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.hub import check_hub
from game24lab.models.load_policy import load_policy
from game24lab.models.locations import check_location
from game24lab.models.policy import Completion
from game24lab.models.tokenizer import read_chat
from game24lab.runs.messages import condense
from game24lab.runs.run import Run, read_run, start_run
from game24lab.tasks.gsm8k.environment import WordGame, open_word_game

NAME = "beside_plain"
WAYS = ("transformers", "ctranslate2", "generate")
_CHUNK = 32  # answers that are made and written together
Answer = tuple[list[int], str]  # sampled tokens, and their text
_TAGGED = re.compile(r"<answer>\s*\$?\s*(-?[0-9][0-9,]*\.?[0-9]*)\s*</answer>")
_NUMBER = re.compile(r"-?\$?[0-9][0-9,]*(?:\.[0-9]+)?")


def compare(
    checkpoint: str, source: str, output: Path, *, problems: int = 100, budget: int = 256, ways: Sequence[str] = WAYS,
    seed: int = 0,
) -> Run:  # fmt: skip
    """The finished run in `output`: `records.parquet` with a row for each way and problem.

    Columns: `way`, `problem`, `solved` (by the product's judge), `scored` (by the plain scorer, between the tags),
    `found` (the last number of the whole text), `tokens`, `seconds`, `ids`, `text`. ValueError for bad input.
    """
    check_location(checkpoint)
    check_hub(checkpoint)
    environment = open_word_game(held_out=problems, source=source, chat=read_chat(checkpoint), seed=seed)
    parameters = {"checkpoint": checkpoint, "source": source, "problems": problems, "budget": budget,
                  "ways": list(ways), "seed": seed}  # fmt: skip
    with start_run(output, NAME, parameters) as run:
        if run.before == "finished":
            return run
        log = run.path("answers.jsonl")
        held = _read(log)
        for way in ways:
            left = [one for one in environment.held_out if (way, one) not in held]
            answer = _open(way, checkpoint, environment, budget) if left else None
            for begin in tqdm(range(0, len(left), _CHUNK), desc=way, disable=not left):
                asked, clock = left[begin : begin + _CHUNK], time.perf_counter()
                found = answer(asked)
                seconds = (time.perf_counter() - clock) / len(asked)
                rows = [{"way": way, "problem": one, "ids": ids, "text": text, "seconds": seconds}
                        for one, (ids, text) in zip(asked, found, strict=True)]  # fmt: skip
                append_rows(log, rows)
                held |= {(way, row["problem"]): row for row in rows}
        table = pd.DataFrame([_judge(environment, held[way, one]) for way in ways for one in environment.held_out])
        run.write_records(table)
        agreement = measure_agreement(table)
        run.finish(result=tell(table, agreement), **{f"equal_{way}": share for way, share in agreement.items()},
                   sampled_tokens=int(table["tokens"].sum()))  # fmt: skip
    return run


def _read(log: Path) -> dict[tuple[str, str], dict[str, Any]]:
    if not log.exists():
        return {}
    lines = list(read_rows(log, lambda row, _: row, whole=True))
    mend(log, lines[-1][1] if lines else 0)
    return {(row["way"], row["problem"]): row for _, _, row in lines}


def _open(way: str, checkpoint: str, environment: WordGame, budget: int) -> Callable[[Sequence[str]], list[Answer]]:
    """A function from questions to greedy answers."""
    if way != "generate":
        policy = load_policy(checkpoint, backend=way, work="traces")

        def answer(asked: Sequence[str]) -> list[Answer]:
            prompts = [environment.prompt(one) for one in asked]
            found = policy.generate(prompts, 1, max_tokens=budget, temperature=0.0)
            return [(list(completion.ids), completion.text) for (completion,) in found]

        return answer
    model, tokenizer = load_checkpoint(checkpoint)
    template = environment.task.template

    @torch.inference_mode()
    def generate(asked: Sequence[str]) -> list[Answer]:
        texts = [template.replace("{question}", one) for one in asked]
        shape = {"padding": True, "return_tensors": "pt"}
        if tokenizer.chat_template is None:
            batch = tokenizer(texts, **shape)
        else:
            messages = [[{"role": "user", "content": text.strip()}] for text in texts]
            batch = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, **shape)
        found = model.generate(batch["input_ids"], attention_mask=batch["attention_mask"], do_sample=False,
                               max_new_tokens=budget, pad_token_id=tokenizer.pad_token_id)  # fmt: skip
        return [_cut(row, tokenizer) for row in found[:, batch["input_ids"].shape[1] :].tolist()]

    return generate


def _cut(ids: list[int], tokenizer: Any) -> Answer:
    """A row of `generate` up to its end token."""
    end = ids.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in ids else len(ids)
    return ids[:end], tokenizer.decode(ids[:end], skip_special_tokens=True)


def _judge(environment: WordGame, row: dict[str, Any]) -> dict[str, Any]:
    said = Completion(row["text"], tuple(row["ids"]), (), "stop")
    gold = float(environment.know(row["problem"]).value)
    tagged, found = score_plainly(row["text"], gold)
    return {"way": row["way"], "problem": row["problem"], "solved": environment.judge(row["problem"], said)["solved"],
            "scored": tagged, "found": found, "tokens": len(row["ids"]), "seconds": row["seconds"], "ids": row["ids"],
            "text": row["text"]}  # fmt: skip


def score_plainly(text: str, gold: float) -> tuple[bool, bool]:
    """Whether the first tagged number, and the last number of all, is the right one: by patterns and floats."""
    tagged, numbers = _TAGGED.search(text), _NUMBER.findall(text)
    return (tagged is not None and _float(tagged[1]) == gold, bool(numbers) and _float(numbers[-1]) == gold)


def _float(number: str) -> float:
    return float(number.replace(",", "").replace("$", ""))


def measure_agreement(table: pd.DataFrame) -> dict[str, float]:
    """The share of answers whose tokens are those of the first way, by every other way."""
    ids = {way: part.set_index("problem")["ids"].map(tuple) for way, part in table.groupby("way", sort=False)}
    first, *others = ids
    return {way: float((ids[way] == ids[first].reindex(ids[way].index)).mean()) for way in others}


def tell(table: pd.DataFrame, agreement: dict[str, float]) -> str:
    """What came of it, in a sentence."""
    first = table[table["way"] == table["way"].iloc[0]]
    low, high = wilson(int(first["solved"].sum()), len(first))
    equal = ", ".join(f"{way} {share:.1%}" for way, share in agreement.items())
    scorers = f"the two scorers agree on {(table['solved'] == table['scored']).mean():.1%} of {len(table)} answers"
    return (f"{first['solved'].mean():.1%} [{low:.0%}, {high:.0%}] of {len(first)} word problems, greedy, "
            f"{first['tokens'].mean():.0f} tokens; {scorers}; answers of the same tokens as "
            f"{first['way'].iloc[0]}: {equal or 'no other way was asked'}")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the sentence; exit status 0, 2 for bad input."""
    parser = argparse.ArgumentParser("python -m game24lab.cli.beside_plain", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="policy, a folder or a hub id")
    parser.add_argument("--source", default="", help="folder, file or hub data set of word problems (default: made)")
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--budget", type=int, default=256, help="tokens of an answer")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    options = vars(parser.parse_args(arguments))
    try:
        run = compare(options.pop("checkpoint"), options.pop("source"), options.pop("output"), **options)
    except (ValueError, OSError) as error:
        print(f"game24lab.cli.beside_plain: {condense(error)}", file=sys.stderr)
        return 2
    print(read_run(run.folder).manifest["result"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
