"""Searches that grow paths or trees of positions, with parameters, and what any of them must leave behind."""

from fake_models import FakeCritic, FakePolicy
from hypothesis import strategies as st

from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.engine import run
from game24lab.search.gumbel import gumbel_mcts
from game24lab.search.particles import particle_filter, rebase
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.rap import rap
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Verdict

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (2, 9, 10, 11)]
PATHS = [
    (beam_search, {"n": 6, "beam_width": 3}),
    (beam_search, {"n": 6, "beam_width": 2, "lookahead": 2, "agg_strategy": "prod", "filter_duplicates": True}),
    (dvts, {"n": 6, "beam_width": 2}),
    (bfs_v, {"beam_size": 3, "width": 4}),
    (dfs_v, {"width": 4}),
    (best_first, {"width": 4, "simulations": 6}),
    (a_star, {"width": 4, "simulations": 6}),
    (particle_filter, {"n_particles": 6}),
    (rebase, {"width": 6}),
]
TREES = [
    (mcts_alpha, {"width": 5}),
    (mcts_alpha, {"width": 4, "simulations": 12, "leaves": 4, "sample": True}),
    (mcts_rollout, {"width": 4, "num_paths": 6}),
    (mcts_rollout, {"width": 4, "num_paths": 6, "leaves": 3, "aggregate": "majority_vote"}),
    (gumbel_mcts, {"width": 5, "simulations": 9}),
    (gumbel_mcts, {"width": 5, "simulations": 9, "non_root_child_selection_mode": "ucb", "complete": "critic"}),
    (rap, {"n_iters": 6}),
    (rap, {"n_iters": 6, "calc_q": "max", "cum_reward": "mean", "simulate_strategy": "random"}),
]
CASES = {  # what hypothesis draws for `leave_tree`, besides `which`
    "seed": st.integers(0, 10**6), "problem": st.sampled_from(PUZZLES), "merge": st.booleans(),
    "mode": st.sampled_from(["verified", "rules"]), "skill": st.sampled_from([0.0, 3.0]),
    "budget": st.none() | st.integers(0, 400), "illegal": st.sampled_from([0.03, 0.6]),
}  # fmt: skip


class Contrary(Game24):
    """A world whose judge says the opposite, once it is asked."""

    def verdict(self, state):
        true = super().verdict(state)
        return Verdict(not true.solved, "wrong value" if true.solved else "solved", true.answer, true.reason)

    def truth(self, state):
        raise AssertionError("no search may ask for the truth")


def leave_tree(which, seed, problem, merge, mode, skill, budget, illegal):
    """The tree of one search by fake models, after what holds for all of them has been checked."""
    algorithm, parameters = which
    policy = FakePolicy(skill=skill, illegal=illegal)
    (found,) = run(Game24(), [problem], algorithm, policy, FakeCritic(), seed=seed, mode=mode, merge=merge,
                   parameters=parameters, budget=None if budget is None else {"sampled_tokens": budget})  # fmt: skip
    tree = found.tree
    assert Tree.from_json(tree.to_json()) == tree
    assert tree.sampled == found.cost.sampled_tokens == sum(tree.tokens)
    assert [event[1] for event in tree.events if event[0] == "expand"] == list(range(len(tree)))
    assert tree.events[-1][0] == "stop"
    if budget is not None and policy.calls:
        drawn = sum(len(completion.ids) for answer in policy.calls[-1]["answers"] for completion in answer)
        assert found.cost.sampled_tokens - drawn < budget  # no request was begun beyond it
    check_end(found, problem, mode)
    return tree


def check_end(found, problem, mode):
    """The answer of a search is that of the path it committed to; verified, it has one only where it is right."""
    if found.answer:
        end, state = found.tree.events[-1][1], Game24().start(problem)
        for step in found.tree.path(end)[1:]:
            state = Game24().step(state, found.tree.line[step])
        assert Game24().verdict(state).answer == found.answer
        assert found.solved == (found.tree.status[end] == "solved")
    if mode == "verified":
        assert found.solved == bool(found.answer) == (found.stopped == "solved")
