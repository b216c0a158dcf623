"""The weak start: who is searched, who decides, and what the policy is taught."""

import pytest

from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.training import weak_start
from game24lab.training.weak_start import draw_pool, pick_taught


@pytest.fixture(scope="module")
def environment():
    return open_environment("game24", split="tot+tsllm", held_out=5)


def test_the_gate_is_never_searched_and_nothing_held_out_is_in_either(environment):
    pool = draw_pool(environment, puzzles=60, roots=20, gate=10, seed=1)
    assert (len(pool.training), len(pool.gate)) == (70, 10)
    assert not set(pool.training) & set(pool.gate)
    held_out = {environment.write_name(puzzle) for puzzle in environment.split.held_out}
    assert not held_out & {*pool.training, *pool.gate}
    assert all(max(puzzle) <= 13 for puzzle in pool.gate.values()), "wider puzzles decide nothing"
    assert sum(max(puzzle) > 13 for puzzle in pool.training.values()) == 20


@pytest.mark.parametrize("gate", [0, 60])
def test_a_gate_that_leaves_nothing_is_refused(environment, gate):
    with pytest.raises(ValueError, match=f"gate must be an integer from 1 to below 60, got {gate}"):
        draw_pool(environment, puzzles=60, gate=gate)


def test_a_share_is_taught_one_problem_at_least(environment):
    pool = draw_pool(environment, puzzles=60, gate=10)
    assert len(pick_taught(pool, 0.1)) == 5
    assert len(pick_taught(pool, 0.001)) == 1
    assert pick_taught(pool, 0.1, 0) != pick_taught(pool, 0.1, 1)
    with pytest.raises(ValueError, match="share must be a number above 0 to 1, got 0"):
        pick_taught(pool, 0)


def test_smaller_puzzles_are_solvable_and_smaller(environment):
    small = environment.draw_smaller(3)
    assert len(small) > 100
    assert all(len(puzzle) == 3 and reachable(make_state(puzzle)) for puzzle in small)
    with pytest.raises(ValueError, match="numbers must be an integer from 2 to below 4, got 4"):
        environment.draw_smaller(4)
    countdown = open_environment("countdown", held_out=1).draw_smaller(3)
    assert all(len(problem.numbers) == 3 for problem in countdown)


def test_the_start_learns_solutions_of_what_it_is_taught_alone(environment, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(weak_start.sft, "train", lambda config, samples, *rest: seen.append((config, samples)))
    pool = draw_pool(environment, puzzles=60, gate=10)
    weak_start.train_start(environment, pool, tmp_path, share=0.1, steps=2, batch_size=64, seed=3)
    weak_start.train_start(environment, pool, tmp_path, numbers=3, steps=2, batch_size=64)
    (config, samples), (_, small) = seen
    assert len(samples) == 2 * 64
    assert (config.seed, config.checkpoint) == (3, "")
    prompts = {environment.prompt(puzzle) for puzzle in pick_taught(pool, 0.1, 3).values()}
    assert {sample.prompt for sample in samples if sample.prompt.count(" ") == 4} <= prompts
    assert max(sample.prompt.count(" ") for sample in small) == 3
