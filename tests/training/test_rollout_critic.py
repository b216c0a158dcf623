"""A critic of one policy: what it is taught of the policy's own answers, and what is not done twice."""

import pandas as pd
import pytest

from game24lab.models.critic import load_critic
from game24lab.models.locations import find_pretrained
from game24lab.tasks.environments import open_environment
from game24lab.training import critic, critic_data
from game24lab.training.rollout_critic import TRAJECTORIES, teach_critic

PUZZLES = [(1, 1, 1, 8), (1, 2, 3, 4), (2, 2, 2, 3), (1, 1, 2, 6)]


@pytest.fixture(scope="module")
def environment():
    return open_environment("game24", split="tot", held_out=3)


def test_chains_are_learnt_from_as_the_verifier_judges_them(environment, tmp_path, monkeypatch):
    taught = []
    monkeypatch.setattr(critic, "train", lambda *given: taught.append(given) or tmp_path)
    teach_critic(environment, PUZZLES, find_pretrained("policy"), tmp_path, samples=4, falsified=20)
    ((config, rolled, output, certain),) = taught
    assert (config.reads, output) == ("chains", tmp_path)
    world = environment.task.believe()
    ends = critic_data.list_answers(rolled[rolled["view"] == 1])
    assert ends["solved"].any()
    assert [world.verdict(world.read(text)).solved for text in ends["text"]] == ends["solved"].tolist()
    false = certain[certain["text"].str.count("\n") > 1]
    assert len(false) >= 20
    assert not false["solved"].any()
    assert certain["solved"].sum() == 1, "the right end"


def test_what_is_done_is_not_done_again(environment, tmp_path, monkeypatch):
    few = {"samples": 2, "chains": False, "epochs": 1.0}
    found = teach_critic(environment, PUZZLES[:2], find_pretrained("policy"), tmp_path, **few)
    assert load_critic(found).reads == "positions"
    assert pd.read_parquet(tmp_path / TRAJECTORIES)["view"].unique().tolist() == [0]
    monkeypatch.setattr(critic_data, "collect_trajectories", lambda *_, **__: pytest.fail("it was sampled"))
    before = (found / "model.safetensors").stat().st_mtime_ns
    assert teach_critic(environment, PUZZLES[:2], find_pretrained("policy"), tmp_path, **few) == found
    assert (found / "model.safetensors").stat().st_mtime_ns == before


def test_no_samples_are_refused(environment, tmp_path):
    with pytest.raises(ValueError, match="samples must be an integer >= 1, got 0"):
        teach_critic(environment, PUZZLES, find_pretrained("policy"), tmp_path, samples=0)


def test_a_critic_that_goes_on_begins_with_its_own_values(environment, tmp_path):
    first = find_pretrained("critic")
    positions = pd.DataFrame({"text": ["Input: 4 6\n", "Input: 5 6 6\n"] * 20, "visits": 1, "solved": 1})
    settings = {"policy": str(find_pretrained("policy")), "epochs": 1.0, "learning_rate": 1e-12,
                "matrix_learning_rate": 1e-12}  # fmt: skip
    texts = ["Input: 4 6\n", "Input: 5 6 6\n", "Input: 1 1\n", "Input: 4 5 6 10\n"]
    values = {}
    for begin in (str(first), ""):
        found = critic.train(critic.CriticConfig(begin=begin, **settings), positions, tmp_path / f"from-{bool(begin)}")
        values[begin] = load_critic(found).score(texts)
    assert values[str(first)] == pytest.approx(load_critic(first).score(texts), abs=1e-3)
    assert values[""] != pytest.approx(values[str(first)], abs=1e-2)
