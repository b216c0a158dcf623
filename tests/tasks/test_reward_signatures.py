"""The verifier under the signatures of other libraries: the same word under each, called as each library calls it."""

import asyncio
import importlib.util
import json
import sys
import types

import documented
import pytest

from game24lab.evaluation.verifiers_environment import list_rows, load_environment
from game24lab.tasks.reward_signatures import make_signatures, read_completion

RIGHT, WRONG = "<answer>(10 - 4) * 5 - 6</answer>", "<answer>6 * 4</answer>"
NUMBERS = [4, 5, 6, 10]
REWARD = make_signatures()
CHAT = [{"role": "assistant", "content": f"<think>so</think>{RIGHT}"}]


def test_trl_gives_columns_and_takes_a_list():
    found = REWARD.trl(prompts=["p"] * 4, completions=[RIGHT, WRONG, CHAT, "no"], completion_ids=[[1]] * 4,
                       numbers=[NUMBERS] * 4, trainer_state=None)  # fmt: skip
    assert found == [1.0, 0.0, 1.0, 0.0]
    assert REWARD.trl(completions=[WRONG] * 2, numbers=[[4, 6]] * 2, target=[24, 25]) == [1.0, 0.0]
    assert REWARD.trl(completions=[WRONG] * 2, nums=[NUMBERS, None], target=[24, 24]) == [1.0, None]
    shown = ["Using the numbers [4, 6, 9], create an equation that equals 24. You can", "Input: 4 6 9", "Hello"]
    assert REWARD.trl(prompts=shown, completions=[WRONG] * 3) == [1.0, 0.0, None]
    assert REWARD.trl.__name__ == "verified"
    with pytest.raises(ValueError, match="needs one of the columns numbers, nums, target"):
        REWARD.trl(completions=[RIGHT])
    with pytest.raises(ValueError, match="completion must be a text or chat messages"):
        REWARD.trl(completions=[5], numbers=[NUMBERS])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_trls_trainer_calls_it(tmp_path):
    """With the installed TRL: a step of its own GRPO trainer on a fresh model."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from game24lab.models.checkpoints import make_model, save_checkpoint
    from game24lab.models.tokenizer import make_tokenizer

    save_checkpoint(make_model("tiny", make_tokenizer()), make_tokenizer(), tmp_path / "model")
    seen = []

    def spy(**given):
        seen.append(REWARD.trl(**given))
        return seen[-1]

    spy.__name__ = "verified"
    data = Dataset.from_dict({"prompt": ["4 5 6 10"] * 2, "numbers": [NUMBERS] * 2, "target": [24, 24]})
    arguments = GRPOConfig(str(tmp_path / "out"), per_device_train_batch_size=2, num_generations=2, max_steps=1,
                           max_completion_length=8, report_to="none", use_cpu=True, bf16=False,
                           activation_checkpointing=False, logging_steps=1)  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model", padding_side="left")
    trainer = GRPOTrainer(str(tmp_path / "model"), spy, arguments, train_dataset=data, processing_class=tokenizer)
    trainer.train()
    assert seen
    assert all(value in (0.0, 1.0) for values in seen for value in values)
    assert "rewards/verified/mean" in trainer.state.log_history[0]


@pytest.mark.parametrize("info", [{"numbers": NUMBERS, "target": 24}, json.dumps({"numbers": NUMBERS, "target": 24})])
def test_verifiers_gives_what_a_rollout_knows(info):
    assert REWARD.verifiers(completion=CHAT, prompt=[], answer="24", state={}, info=info, task="t") == 1.0
    assert REWARD.verifiers(completion=WRONG, answer="24", info=info) == 0.0
    assert REWARD.verifiers(completion=WRONG, info={"numbers": NUMBERS, "every": False}) == 1.0
    assert REWARD.verifiers(RIGHT, [{"role": "user", "content": "Input: 4 5 6 10"}]) == 1.0
    with pytest.raises(ValueError, match="nothing says what the problem is"):
        REWARD.verifiers(RIGHT, "hello", answer="24")


def test_reasoning_gym_gives_answer_and_entry():
    entry = {"question": "Calculate 24 using the numbers 4, 5, 6, 10.\nEach number may be used at most once.",
             "answer": "4 * 6", "metadata": {"numbers": NUMBERS, "target": 24}}  # fmt: skip
    assert [REWARD.reasoning_gym(answer, entry) for answer in ("6 * 4", "6 + 6 + 6 + 6", None, "")] == [1.0, 0, 0, 0]
    game = {"question": "Make 24 using 4, 5, 6, 10. You can only use each number once.", "answer": "x",
            "metadata": {"source_dataset": "puzzle24", "numbers": NUMBERS}}  # fmt: skip
    assert [REWARD.reasoning_gym(answer, game) for answer in ("(10-4)*5-6", "6 * 4", "10+10+4.9")] == [1.0, 0.0, 0.0]
    assert REWARD.reasoning_gym("6*4", {"question": entry["question"], "answer": "x"}) == 1.0


def test_verl_gives_the_ground_truth():
    truth = {"target": 24, "numbers": NUMBERS}
    assert REWARD.verl("countdown", f"User: q\nAssistant: Let me\n{RIGHT}", truth) == 1.0
    assert REWARD.verl(data_source="countdown", solution_str=WRONG, ground_truth=truth, extra_info={}) == 1.0
    assert make_signatures(every=True).verl("countdown", WRONG, truth) == 0.0


def test_word_problems_have_the_same_signatures():
    reward = make_signatures("gsm8k")
    texts = ["#### 42", "The answer is 41"]
    assert reward.trl(completions=texts, answer=["so\n#### 42"] * 2) == [1.0, 0.0]
    assert [reward.verifiers(text, answer="42") for text in texts] == [1.0, 0.0]
    assert [reward.reasoning_gym(text, {"question": "q", "answer": "42"}) for text in texts] == [1.0, 0.0]
    assert [reward.verl("openai/gsm8k", text, "42") for text in texts] == [1.0, 0.0]
    with pytest.raises(ValueError, match="task must be one of numbers, gsm8k"):
        make_signatures("chess")


def test_strict_reads_the_plain_form_alone():
    text = "<answer>$(10 - 4) \\times 5 - 6$</answer>"
    assert REWARD.verifiers(text, info={"numbers": NUMBERS}) == 1.0
    assert make_signatures(strict=True).verifiers(text, info={"numbers": NUMBERS}) == 0.0


def test_completions_are_texts_chats_or_their_parts():
    parts = [{"type": "text", "text": "a"}]
    chat = [{"role": "user", "content": "no"}, {"role": "assistant", "content": parts}, {"role": "assistant"}]
    assert read_completion(chat) == "a\n"
    assert read_completion(None) == ""


def test_rows_of_an_environment_are_scored_by_its_reward():
    rows = list_rows(["4 5 6 10", "3 5 7 -> 36"], every=False)
    assert rows[1]["answer"] == "36"
    for row in rows:
        assert "(" not in row["prompt"][0]["content"] or "{" not in row["prompt"][0]["content"]
    assert REWARD.verifiers(WRONG, **{name: rows[0][name] for name in ("prompt", "answer", "info")}) == 1.0
    with pytest.raises(ValueError, match="no integer"):
        list_rows(["4 five"])


def test_the_page_shows_how_to_take_them():
    (snippet,) = documented.find_blocks(documented.read("docs/score.md"), "python")
    names = {}
    exec(compile(snippet, "docs/score.md", "exec"), names)
    assert names["compute_score"]("countdown", WRONG, {"target": 24, "numbers": NUMBERS}) == 1.0
    assert callable(names["trl"])
    assert callable(names["rubric"])
    assert callable(names["scorer"])


@pytest.mark.parametrize(("question", "left_out"), [
    ("Calculate 24 using all of these numbers: 4, 5, 6, 10.\nEach number may be used at most once.\n", 0.0),
    ("Find a way to make 24 using all of these numbers: 4, 5, 6, 10.\nEach number can only be used once.\n", 0.0),
    ("Using all the numbers 4, 5, 6, 10, create an expression that equals 24.\nYou can only use each once.", 0.0),
    ("Find a way to make 24 using some or all of these numbers: 4, 5, 6, 10.\nEach can only be used once.", 1.0),
])  # fmt: skip
def test_reasoning_gym_asks_in_words_of_its_own(question, left_out):
    known = {"numbers": NUMBERS, "target": 24}
    for entry in ({"question": question, "answer": "x"}, {"question": question, "answer": "x", "metadata": known}):
        assert [REWARD.reasoning_gym(said, entry) for said in ("(10-4)*5-6", "6*4", "6*5")] == [1.0, left_out, 0.0]


@pytest.mark.skipif(importlib.util.find_spec("reasoning_gym") is None, reason="reasoning-gym is an extra")
@pytest.mark.parametrize("name", ["countdown", "puzzle24"])
def test_reasoning_gyms_own_rows_and_verdicts(name):
    """With the installed reasoning-gym: equal verdicts, with and without its `metadata`."""
    from reasoning_gym.factory import create_dataset

    data = create_dataset(name, size=30, seed=0)
    for entry in data:
        right = entry["metadata"].get("expression") or entry["answer"]
        for answer in (right, f"({right})", f"{right} + 1", "1 + 1", "", None):
            said = REWARD.reasoning_gym(answer, entry)
            assert said == float(data.score_answer(answer, entry) == 1.0)
            assert said == REWARD.reasoning_gym(answer, {name: entry[name] for name in ("question", "answer")})


@pytest.mark.skipif(importlib.util.find_spec("verifiers") is None, reason="verifiers is an extra")
def test_verifiers_scores_rollouts_of_the_environment():
    """With the installed verifiers: its rubric pays for a rollout what the exact verifier says."""
    from verifiers.types import State

    environment = load_environment(["4 5 6 10", "3 7 -> 21"], every=False)
    rows = environment.get_dataset()
    for row, text, reward in ((rows[0], RIGHT, 1.0), (rows[0], WRONG, 1.0), (rows[1], "<answer>7*3</answer>", 1.0),
                              (rows[1], WRONG, 0.0)):  # fmt: skip
        completion = [{"role": "assistant", "content": text}]
        state = State(input=row, completion=completion, trajectory=[], timing={}, is_completed=True)
        asyncio.run(environment.rubric.score_rollout(state))
        assert state["reward"] == reward


def test_a_verifiers_of_another_form_is_refused(monkeypatch):
    """Version 0.4 has no `SingleTurnEnv` any more."""
    monkeypatch.setitem(sys.modules, "verifiers", types.SimpleNamespace(__version__="0.4.0"))
    with pytest.raises(ImportError, match=r"verifiers 0.4.0 has no SingleTurnEnv: .*game24lab\[verifiers\]"):
        load_environment(["4 5 6 10"])


@pytest.mark.skipif(importlib.util.find_spec("verifiers") is not None, reason="verifiers is installed")
def test_the_extra_is_named_where_verifiers_is_missing():
    with pytest.raises(ModuleNotFoundError, match=r"game24lab\[verifiers\]"):
        load_environment(["4 5 6 10"])
