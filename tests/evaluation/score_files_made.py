"""Small files of answers in every published shape, made of problems and texts: what others write, in the same form."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from game24lab.tasks.numbers.puzzles import list_solvable

CHAT = ("system\nPlay 24 game. Given four numbers, determine if it's possible to reach 24 through basic arithmetic "
        "operations. On the last line, output the expression, for example, input: '10 1 12 3', the last line should "
        "output: 'reach 24! expression: ((12 + 3) + (10 - 1))'.\nuser\n{numbers}{end}\nassistant\n{text}")  # fmt: skip
TINYZERO = ("Using the numbers {numbers}, create an equation that equals {target}. You can use basic arithmetic "
            "operations (+, -, *, /) and each number can only be used once. Show your work in <think> </think> tags. "
            "And return the final answer in <answer> </answer> tags, for example <answer> (1 + 2) / 3 </answer>.")
VERL = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
GYM = "Calculate {target} using the numbers {numbers}.\nEach number may be used at most once.\nFinal answer format ..."
GYM24 = ("Make 24 using {numbers}. You can only use each number once. You can use the operators +, -, *, /.\nFinal "
         "answer format instructions:\n1. Provide your final answer as a arithmetic expression (no '=' sign).\n")


def _join(numbers, sign=" "):
    return sign.join(map(str, numbers))


def write_lines(path, rows):
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_list(path, rows):
    """A JSON file that is one list."""
    path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return path


def write_table(path, rows):
    """A CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path, rows):
    """A Parquet file."""
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    return path


# Each maker takes the folder and rows (numbers, target, texts); it returns the file
def make_tot(folder, rows):
    """A log of Tree of Thoughts' breadth-first search: the puzzle stands in its steps."""
    return write_list(folder / "gpt-4_0.7_propose1_value3_greedy5.json", [
        {"steps": [{"step": 0, "x": _join(numbers), "ys": [""], "new_ys": [], "values": [], "select_new_ys": []}],
         "idx": 900 + place, "ys": texts, "infos": [{"r": 1}] * len(texts), "usage_so_far": {"cost": 1.5}}
        for place, (numbers, _, texts) in enumerate(rows)])  # fmt: skip


def make_tot_naive(folder, rows):
    """A log of single prompts, whose puzzles are places in 24.csv, which is written beside it."""
    order = sorted({tuple(sorted(numbers)) for numbers, _, _ in rows})
    lines = ["Rank,Puzzles", *(f"{rank},{_join(numbers)}" for rank, numbers in enumerate(order, 1))]
    (folder / "24.csv").write_text("\n".join(lines), encoding="utf-8")
    return write_list(folder / "naive.json", [
        {"idx": order.index(tuple(sorted(numbers))), "ys": texts, "infos": [{"r": 0}] * len(texts), "usage_so_far": {}}
        for numbers, _, texts in rows])  # fmt: skip


def make_tsllm(folder, rows):
    """Outputs of TS-LLM's tests."""
    return write_lines(folder / "record.jsonl", [
        {"i": place, "question": _join(numbers), "groundtruth": "(1 + 2 + 3) * 4 = 24",
         "output": [{"path_idx": path, "text": text, "value": 0.5} for path, text in enumerate(texts)],
         "result": {"majority_vote@10": 1, "c%": 0.3, "#token": 310}}
        for place, (numbers, _, texts) in enumerate(rows)])  # fmt: skip


def make_tsllm_data(folder, rows):
    """TS-LLM's own data."""
    return write_lines(folder / "train.jsonl", [
        {"question": _join(numbers), "answer": [{"text": text, "correct": True} for text in texts], "i": place}
        for place, (numbers, _, texts) in enumerate(rows)])  # fmt: skip


def make_llm4game24(folder, rows):
    """Results of LLM4Game24: whole chats, without their special tokens."""
    return write_list(folder / "res.json", [
        CHAT.format(numbers=_join(numbers), end=("/n", "\n")[place % 2], text=text)
        for place, (numbers, _, (text,)) in enumerate(rows)])  # fmt: skip


def make_completions(folder, rows):
    """search-and-learn's completions; the answer of a puzzle is its target."""
    return write_lines(folder / "best_of_n_completions.jsonl", [
        {"problem": _join(numbers), "answer": str(target), "solution": "", "unique_id": str(place),
         "completions": texts, "scores": [[0.1, 0.9]] * len(texts), "pred": texts[0]}
        for place, (numbers, target, texts) in enumerate(rows)])  # fmt: skip


def make_harness(folder, rows):
    """lm-evaluation-harness's samples with two filters: each answer stands there twice."""
    return write_lines(folder / "samples_countdown.jsonl", [
        {"doc_id": place, "doc": {"nums": numbers, "target": target, "question": "Reach it."}, "target": str(target),
         "arguments": {"gen_args_0": {"arg_0": "Reach it."}}, "resps": [texts], "filtered_resps": [texts[0]],
         "filter": chosen, "metrics": ["exact_match"], "exact_match": 1.0, "doc_hash": "abc"}
        for chosen in ("strict-match", "flexible-extract")
        for place, (numbers, target, texts) in enumerate(rows)])  # fmt: skip


def make_gym(folder, rows):
    """reasoning-gym's results of one data set, in one object."""
    results = [
        {"question": GYM.format(numbers=_join(numbers, ", "), target=target), "expected_answer": "1 + 1",
         "best_model_answer": "1", "best_full_model_response": texts[0], "best_score": 0.01, "mean_score": 0.01,
         "completions": [{"model_answer": "1", "full_model_response": text, "score": 1.0} for text in texts],
         **({"metadata": {"numbers": numbers, "target": target, "source_dataset": "countdown"}} if place % 2 else {})}
        for place, (numbers, target, texts) in enumerate(rows)
    ]  # fmt: skip
    path = folder / "countdown.json"
    path.write_text(json.dumps({"name": "countdown", "category": "games", "mean_score": 0.9, "results": results}))
    return path


def make_gym24(folder, rows):
    """reasoning-gym's puzzle24, an answer in a column of its own."""
    return write_lines(folder / "puzzle24.jsonl", [
        {"question": GYM24.format(numbers=_join(numbers, ", ")), "answer": "1+1", "model_answer": text,
         "metadata": {"source_dataset": "puzzle24", "source_index": place, "numbers": numbers}}
        for place, (numbers, _, (text,)) in enumerate(rows)])  # fmt: skip


def make_rollouts(folder, rows):
    """Rollouts of verifiers, zipped: chats, the problem in `info` or in the prompt alone."""
    path = folder / "results.jsonl.gz"
    lines = []
    for place, (numbers, target, texts) in enumerate(rows):
        for text in texts:
            info = {"numbers": numbers, "target": target, "every": False} if place % 2 else {}
            asked = TINYZERO.format(numbers=numbers, target=target)
            lines.append({
                "example_id": place,
                "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked}],
                "completion": [{"role": "assistant", "content": text}], "reward": 1.0, "answer": str(target),
                "info": json.dumps(info) if place % 4 == 1 else info, "is_completed": True})  # fmt: skip
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


def make_tinyzero(folder, rows):
    """TinyZero's Parquet rows with the responses that were generated to them."""
    return write_parquet(folder / "countdown.parquet", [
        {"data_source": "countdown",
         "prompt": [{"role": "user", "content": TINYZERO.format(numbers=numbers, target=target)}], "ability": "math",
         "reward_model": {"style": "rule", "ground_truth": {"target": target, "numbers": numbers}},
         "extra_info": {"split": "test", "index": place}, "responses": texts}
        for place, (numbers, target, texts) in enumerate(rows)])  # fmt: skip


def make_countdown(folder, rows):
    """Rows of Countdown-Tasks-3to4 with a column of answers, as CSV with windows' line ends and a byte order mark."""
    path = write_table(folder / "countdown.csv", [
        {"target": target, "nums": str(numbers).replace(",", "") if place % 2 else numbers, "response": text}
        for place, (numbers, target, (text,)) in enumerate(rows)])  # fmt: skip
    text = path.read_text(encoding="utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    return path


def make_verl(folder, rows):
    """Rollouts that verl writes: the whole chat as input and output."""
    return write_lines(folder / "1.jsonl", [
        {"input": VERL.format(TINYZERO.format(numbers=numbers, target=target)), "output": text + "<|im_end|>",
         "gts": {"numbers": numbers, "target": target}, "score": 0.1, "step": 1}
        for numbers, target, (text,) in rows])  # fmt: skip


def make_plain(folder, rows):
    """A table that somebody made, in UTF-16: problems as text with their target."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t")
    writer.writerow(["id", "problem", "target", "reply text"])
    for place, (numbers, target, (text,)) in enumerate(rows):
        writer.writerow([place, _join(numbers, ", "), target, text])
    path = folder / "answers.tsv"
    path.write_bytes(stream.getvalue().encode("utf-16"))
    return path


# How it is made; whether its rows hold one answer; whether its target is always 24, its puzzles the published ones;
# whether all numbers must be used; the name of its shape; the unit of its places
SHAPES = {
    make_tot: (False, True, True, "Tree of Thoughts", "entry"),
    make_tot_naive: (False, True, True, "Tree of Thoughts", "entry"),
    make_tsllm: (False, True, True, "TS-LLM", "line"),
    make_tsllm_data: (False, True, True, "TS-LLM", "line"),
    make_llm4game24: (True, True, True, "LLM4Game24", "entry"),
    make_completions: (False, False, True, "search-and-learn", "line"),
    make_harness: (False, False, True, "lm-evaluation-harness", "line"),
    make_gym: (False, False, False, "reasoning-gym", "entry"),
    make_gym24: (True, True, True, "reasoning-gym", "line"),
    make_rollouts: (False, False, False, "verifiers", "line"),
    make_tinyzero: (False, False, False, "TinyZero", "row"),
    make_countdown: (True, False, False, "TinyZero", "line"),
    make_verl: (True, False, False, "TinyZero", "line"),
    make_plain: (True, False, True, "table", "line"),
}
PUZZLES = list_solvable()[::40]


def read_verdicts(path):
    """The rows of a file of verdicts."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
