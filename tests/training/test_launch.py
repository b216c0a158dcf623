"""Jobs from files: what is asked is checked before anything heavy is loaded; the result is that of `train`."""

import json

import pytest
import tiny_models

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.critic import load_critic
from game24lab.training import launch, precision


def write(folder, job="steps: 1\n", rows=({"prompt": "Input: 1 2 3 4\n", "completion": "1 + 2 = 3\n"},)):
    (folder / "job.yaml").write_text(job)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "data.jsonl").write_text("\n".join(lines))
    return [str(folder / name) for name in ("job.yaml", "data.jsonl", "out")]


PAIR = {"prompt": "Input: 1 2 3 4\n", "chosen": "1 + 2 = 3\n", "rejected": "1 + 2 = 4\n", "rejected_ends": False}


WORTH = [{"text": f"Input: {numbers}\n", "visits": 4, "solved": solved}
         for numbers, solved in (("4 5 6 10", 4), ("1 1 1 1", 0), ("3 3 8 8", 1))]  # fmt: skip


@pytest.mark.parametrize(("trainer", "rows"), [("sft", None), ("dpo", [PAIR] * 2)])
def test_a_job(tmp_path, capsys, trainer, rows):
    start = tiny_models.save("qwen3", tmp_path / "start")
    job = f"checkpoint: {start}\nsteps: 2\nbatch_size: 2\nevaluate_every: 0\nprecision: fp32\n"
    files = write(tmp_path, job, rows) if rows else write(tmp_path, job)
    assert launch.main([trainer, *files]) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "out" / "checkpoint")]
    assert "game24lab.training.launch: 1 at work" in said.err
    load_checkpoint(tmp_path / "out" / "checkpoint")
    assert (tmp_path / "out" / "training.parquet").exists()


def test_a_job_of_a_critic(tmp_path, capsys):
    start = tiny_models.save("qwen3", tmp_path / "start")
    job = f"policy: {start}\nepochs: 2.0\nbatch_size: 3\nheld_out: 0.0\nprecision: fp32\n"
    assert launch.main(["critic", *write(tmp_path, job, WORTH)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / "checkpoint")]
    assert len(load_critic(tmp_path / "out" / "checkpoint").score(["Input: 4 5 6 10\n"])) == 1
    assert launch.main(["critic", *write(tmp_path, job, [{"text": "Input: 1 2\n", "solved": 0.5}])]) == 2
    assert "line 1: solved must be a int, got 0.5" in capsys.readouterr().err


def test_a_job_of_grpo_on_word_problems(tmp_path, capsys):
    start = tiny_models.save("qwen3", tmp_path / "start", window=512)
    job = (f"task: gsm8k\ncheckpoint: {start}\nsteps: 1\nmini_batch: 2\nprecision: fp32\nweights: {{xml_count: 1}}\n"
           "rollouts: {problems: 2, num_generations: 2, max_completion_length: 8}\n")  # fmt: skip
    rows = [{"question": f"How much is {n} + 2?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"} for n in (3, 4)]
    assert launch.main(["grpo", *write(tmp_path, job, rows)]) == 0
    load_checkpoint(tmp_path / "out" / "checkpoint")
    capsys.readouterr()
    assert launch.main(["grpo", *write(tmp_path, job, [{"question": "How much?", "answer": "much"}])]) == 2
    assert "answer must have a line such as #### 42" in capsys.readouterr().err
    assert launch.main(["grpo", *write(tmp_path, job.replace("gsm8k", "chess"), rows)]) == 2
    assert "task must be one of" in capsys.readouterr().err


def test_a_job_of_grpo_with_the_names_of_the_version_before(tmp_path, capsys):
    start = tiny_models.save("qwen3", tmp_path / "start")
    job = (f"checkpoint: {start}\nsteps: 1\nmini_batch: 2\nprecision: fp32\nweights: {{output: 1, length: 0.5}}\n"
           "rollouts: {problems: 2, group: 2, max_tokens: 8}\n")  # fmt: skip
    files = write(tmp_path, job, [{"numbers": "4 5 6 10"}, {"numbers": "1 2 3 4"}])
    assert launch.main(["grpo", *files]) == 0
    said = capsys.readouterr().err
    assert "Rollouts's group is called num_generations now" in said
    load_checkpoint(tmp_path / "out" / "checkpoint")
    for wrong, message in [
        ("weights: {outputs: 1}", "got 'outputs'"), ("weights: {output: -1}", "weight of 'output'"),
        ("rollouts: {groups: 2}", "rollouts: 'groups' is no field of Rollouts; it has problems, num_generations"),
        ("rollouts: {num_generations: 1}", "num_generations must be an integer >= 2, got 1"),
        ("rollouts: 3", "rollouts: 3 is no field"),
    ]:  # fmt: skip
        capsys.readouterr()
        assert launch.main(["grpo", *write(tmp_path, f"checkpoint: {start}\n{wrong}\n", [{"numbers": "1 2"}])]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert launch.main(["grpo", *write(tmp_path, f"checkpoint: {start}\n", [{"numbers": "1 x"}])]) == 2


@pytest.mark.parametrize(
    ("job", "rows", "message"),
    [("stepz: 1\n", None, "job.yaml: 'stepz' is no field of SFTConfig; it has size, vocabulary"),
     ("steps: 0\n", None, "steps must be an integer >= 1, got 0"),
     ("learning_rate: 1e-4\n", None,
      "learning_rate must be a finite number > 0, got '1e-4' (YAML reads 1e-4 as text; write 1.0e-4)"),
     ("steps: [\n", None, "job.yaml"),
     ("steps: 1\n", ["{}"], "data.jsonl, line 1: 'prompt' is missing"),
     ("steps: 1\n", ['{"prompt": "a", "completion": "b"}', '{"prom'], "line 2: must be one JSON object, got a damaged"),
     ("steps: 1\n", ['{"prompt": "a", "completion": "b", "ends": 1}'], "line 1: ends must be a bool, got 1"),
     ("steps: 1\n", ["3"], "line 1: 'prompt' is missing, or no text"),
     ("steps: 1\n", [], "data.jsonl: must have at least one line")],
)  # fmt: skip
def test_bad_jobs_are_one_line(tmp_path, capsys, job, rows, message):
    files = write(tmp_path, job) if rows is None else write(tmp_path, job, rows)
    assert launch.main(["sft", *files]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_byte_order_mark_and_blank_lines_are_no_damage(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('\ufeff{"prompt": "a", "completion": "b"}\n\n', encoding="utf-8")
    assert launch.read_rows(path, ("prompt", "completion"), {}) == [("a", "b")]


def test_other_processes_are_silent(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert launch.main(["sft", *write(tmp_path, "stepz: 1\n")]) == 2
    assert capsys.readouterr().err == ""
    assert launch.main(["sft", "no.yaml", "no.jsonl", str(tmp_path)]) == 2


@pytest.mark.parametrize("trainer", ["sft", "dpo", "grpo"])
def test_a_precision_that_the_machine_lacks(tmp_path, capsys, monkeypatch, trainer):
    monkeypatch.setattr(precision, "computes_bf16", lambda: False)
    start = tiny_models.save("qwen3", tmp_path / "start")
    rows = {"sft": [{"prompt": "1", "completion": "2"}], "dpo": [PAIR] * 2, "grpo": [{"numbers": "1 2 3 4"}]}[trainer]
    job = f"checkpoint: {start}\nsteps: 1\nprecision: bf16\n"
    assert launch.main([trainer, *write(tmp_path, job, rows)]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "precision must be 'auto' or 'fp32' on this machine (" in line
    assert not (tmp_path / "out" / "checkpoint").exists()
