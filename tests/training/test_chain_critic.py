"""The critic of chains: taught by a policy's own answers, it tells right chains from false ones."""

import pytest

from game24lab.models.critic import load_critic
from game24lab.models.locations import find_pretrained
from game24lab.tasks.environments import open_environment
from game24lab.training import critic_data
from game24lab.training.chain_critic import teach_chains

SETTINGS = {"samples": 16, "falsified": 200, "epochs": 12.0}
PUZZLES = [(1, 1, 1, 8), (1, 2, 3, 4), (2, 2, 2, 3), (1, 1, 2, 6)]


@pytest.fixture(scope="module")
def environment():
    return open_environment("game24", split="tot", held_out=3)


@pytest.fixture(scope="module")
def taught(environment, tmp_path_factory):
    output = tmp_path_factory.mktemp("chains")
    return teach_chains(environment, PUZZLES, find_pretrained("policy"), output, **SETTINGS)


def test_it_reads_chains_and_tells_false_ones_from_right_ones(taught):
    critic = load_critic(taught)
    assert critic.reads == "chains"
    right = ["1 2 3 4\n1*2=2\n2*3=6\n4*6=24\n", "1 1 1 8\n1+1=2\n1+2=3\n3*8=24\n"]
    false = ["1 2 3 4\n1*2=3\n2*3=6\n4*6=24\n", "1 1 1 8\n1+1=3\n1+2=3\n3*8=24\n"]
    values = critic.score(right + false)
    assert min(values[:2]) > max(values[2:])


def test_what_is_done_is_not_done_again(environment, taught, monkeypatch):
    monkeypatch.setattr(critic_data, "collect_trajectories", lambda *_, **__: pytest.fail("it was sampled"))
    again = teach_chains(environment, PUZZLES, find_pretrained("policy"), taught.parent, **SETTINGS)
    assert again == taught


def test_no_samples_are_refused(environment, tmp_path):
    with pytest.raises(ValueError, match="samples must be an integer >= 1, got 0"):
        teach_chains(environment, PUZZLES, find_pretrained("policy"), tmp_path, samples=0)
