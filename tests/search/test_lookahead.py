"""Lookahead: plain decoding as its special cases, every token charged, what it changes and why, bad input."""

import pytest
import tiny_models
import torch
from letters import Table

from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.search.engine import derive, run
from game24lab.search.lookahead import RULES, lookahead
from game24lab.search.sampling import best_of_n, greedy
from game24lab.search.token_task import Continuations, add_up
from game24lab.tasks.numbers.task import Game24

PROBLEMS = [(4, 5, 6, 10), (1, 2, 3), (7, 7)]
LONG = 14  # tokens of an answer


@pytest.fixture(scope="module")
def policy():
    return TransformersPolicy(*tiny_models.make("qwen3", seed=3), frozen=True)


def count_fives(problems, texts):
    """A reward that knows the text alone: more fives are better."""
    return [text.count("5") / 10 for text in texts]


def make_world(policy, **options):
    return Continuations(Game24(), policy, **{"reward": count_fives, "honest": True, **options})


def write(policy, problems=PROBLEMS, world=None, mode="rules", seed=0, critic=None, **parameters):
    parameters = {"max_tokens": LONG, "simulations": 4, "depth": 2, "top_k": 3, **parameters}
    return run(world or make_world(policy), problems, lookahead, policy, critic, parameters=parameters, mode=mode,
               seed=seed)  # fmt: skip


def read_ids(found):
    """The ids of an answer, from its tree."""
    tree = found.tree
    last = next(event[1] for event in reversed(tree.events) if event[0] == "stop")
    return [int(word) for node in tree.path(last)[1:] for word in tree.line[node].split(" ")]


def plain(policy, temperature, seed=0, problems=PROBLEMS):
    """What the policy says by itself, with the random numbers of a search's first request."""
    world = Game24()
    prompts = [world.text(world.start(problem)) for problem in problems]
    seeds = [derive(seed, problem, 1, 0) for problem in problems]
    return [answer for (answer,) in policy.generate(prompts, 1, max_tokens=LONG, temperature=temperature, seeds=seeds)]


# ------------------------------------------------------------------------------------------------- special cases
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("case", [
    {"simulations": 0}, {"depth": 0}, {"top_k": 1, "every": 3}, {"fallback": 1.0}, {"top_k": 1, "rule": "line"},
    {"top_k": 1, "rule": "entropy", "threshold": 1.0}, {"top_k": 1, "rule": "margin", "threshold": 0.5},
    {"top_k": 1, "chunk": 5, "every": 4}, {"top_k": 1, "unit": "line", "chunk": 6, "depth": 2},
])  # fmt: skip
def test_with_nothing_to_choose_it_is_plain_decoding_token_for_token(policy, case, temperature):
    found = write(policy, **{"temperature": temperature, "simulations": 2, "depth": 2, **case})
    for outcome, answer in zip(found, plain(policy, temperature), strict=True):
        assert read_ids(outcome) == list(answer.ids)
        assert outcome.tree.meta["text"] == answer.text
        assert not any(decision["changed"] for decision in outcome.tree.meta["decisions"])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fallback", [0.5])
def test_points_passed_over_are_plain_too(policy, rule, fallback):
    """Cut in pieces at every decision point that is passed over, the answer is still the plain one."""
    settings = {"rule": rule, "fallback": fallback, "temperature": 1.0, "every": 2, "threshold": 0.7, "top_k": 1}
    for outcome, answer in zip(write(policy, **settings), plain(policy, 1.0), strict=True):
        assert read_ids(outcome) == list(answer.ids)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_strategies_of_lines_say_the_same(policy, temperature):
    """`greedy` and one sample of `best_of_n` are the same texts, judged the same."""
    algorithm, parameters = (greedy, {}) if not temperature else (best_of_n, {"n": 1, "choose": "logprob"})
    lines = run(Game24(), PROBLEMS, algorithm, policy, parameters={"max_tokens": LONG, **parameters}, mode="rules")
    for one, other in zip(lines, write(policy, simulations=0, temperature=temperature), strict=True):
        assert one.cost.sampled_tokens == other.cost.sampled_tokens
        assert one.cost.prompt_tokens == other.cost.prompt_tokens
        assert (one.solved, one.outcome) == (other.solved, other.outcome)


# ------------------------------------------------------------------------------------------------- what it changes
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("rule", RULES)
def test_it_never_earns_less_than_plain_decoding(policy, rule, temperature):
    """The rollout of the usual token is the plain answer: choosing by value one edge deep, nothing is given up."""
    settings = {"rule": rule, "temperature": temperature, "threshold": 0.7, "every": 3, "top_k": 3, "depth": 1,
                "simulations": 3, "choose": "value"}  # fmt: skip
    earned = count_fives(None, [outcome.tree.meta["text"] for outcome in write(policy, **settings)])
    before = count_fives(None, [answer.text for answer in plain(policy, temperature)])
    assert all(after >= usual for after, usual in zip(earned, before, strict=True))
    assert sum(earned) > sum(before), "and it should find something"


def test_an_answer_is_the_plain_one_up_to_the_first_change(policy):
    found = write(policy, temperature=1.0, every=2, top_k=3, depth=2, simulations=6, choose="value")
    changed = 0
    for outcome, answer in zip(found, plain(policy, 1.0), strict=True):
        meta, ids = outcome.tree.meta, read_ids(outcome)
        first = next((d["at"] for d in meta["decisions"] if d["changed"]), len(ids))
        assert ids[:first] == list(answer.ids[:first])
        changed += first < len(ids)
        assert first == len(ids) or ids[first] != answer.ids[first]
        assert len(meta["pieces"]) == meta["answer_tokens"] == len(ids)
        marked = [place for place, (_, mark) in enumerate(meta["pieces"]) if mark == "changed"]
        assert marked == [d["at"] for d in meta["decisions"] if d["changed"]]
    assert changed


def test_decisions_come_where_they_should(policy):
    (every,) = write(policy, PROBLEMS[:1], every=5)
    assert [d["at"] for d in every.tree.meta["decisions"]] == list(range(0, every.tree.meta["answer_tokens"], 5))
    (chunks,) = write(policy, PROBLEMS[:1], every=2, chunk=4)
    assert [d["at"] for d in chunks.tree.meta["decisions"]] == list(range(0, chunks.tree.meta["answer_tokens"], 4))
    for outcome in write(policy, rule="line", chunk=3):
        ids = read_ids(outcome)
        begins = [place for place in range(len(ids)) if not place or ids[place - 1] in policy.line_ends]
        assert [d["at"] for d in outcome.tree.meta["decisions"]] == [b for b in begins if b < len(ids)]


def test_only_half_of_the_points_are_taken(policy):
    many = write(policy, PROBLEMS, every=1, fallback=0.5, simulations=1, depth=1, top_k=2)
    taken = sum(len(outcome.tree.meta["decisions"]) for outcome in many)
    points = sum(outcome.tree.meta["answer_tokens"] for outcome in many)
    assert 0.2 < taken / points < 0.8


# ------------------------------------------------------------------------------------------------- the meter, the tree
@pytest.mark.parametrize("parameters", [
    {"every": 4}, {"rule": "line", "unit": "line", "chunk": 8}, {"rule": "entropy", "leaves": 3, "temperature": 0.7},
    {"rule": "margin", "chunk": 3, "rollouts": 2, "rollout_temperature": 1.0},
])  # fmt: skip
def test_every_sampled_token_is_charged_and_stands_in_the_tree(policy, parameters, monkeypatch):
    sampled = []
    generate = TransformersPolicy.generate

    def spy(self, prompts, n, **options):
        answers = generate(self, prompts, n, **options)
        sampled.append(sum(answer.tokens for group in answers for answer in group))
        return answers

    monkeypatch.setattr(TransformersPolicy, "generate", spy)
    found = write(policy, **parameters)
    assert sum(outcome.cost.sampled_tokens for outcome in found) == sum(sampled)
    assert all(outcome.tree.sampled == outcome.cost.sampled_tokens for outcome in found)
    assert len(sampled) < sum(outcome.cost.depth for outcome in found), "problems share model calls"


@pytest.mark.parametrize("parameters", [{"every": 3}, {"rule": "line", "chunk": 4}, {"every": 2, "chunk": 3}])
def test_log_probabilities_of_the_answer_are_the_models_own(policy, parameters):
    """Token by token by one forward of the whole; shares stand where the search chose."""
    for outcome, problem in zip(write(policy, temperature=1.0, **parameters), PROBLEMS, strict=True):
        meta, start = outcome.tree.meta, policy.encode(Game24().text(Game24().start(problem)))
        with torch.inference_mode():
            logits = policy.model(torch.tensor([[*start, *meta["ids"]]])).logits[0, len(start) - 1 : -1]
        logprobs = torch.log_softmax(logits, -1).gather(1, torch.tensor(meta["ids"])[:, None])[:, 0]
        assert meta["logprobs"] == pytest.approx(logprobs.tolist(), abs=1e-4)
        chosen = [place for place, share in enumerate(meta["shares"]) if share is not None]
        assert chosen == [decision["at"] for decision in meta["decisions"]]
        assert all(0 < meta["shares"][place] <= 1 for place in chosen)


def test_neighbours_change_nothing(policy):
    together = write(policy, temperature=1.0, every=3)
    for outcome, problem in zip(together, PROBLEMS, strict=True):
        (alone,) = write(policy, [problem], temperature=1.0, every=3)
        assert read_ids(alone) == read_ids(outcome)
        assert alone.cost.sampled_tokens == outcome.cost.sampled_tokens


def test_the_tree_can_be_read_back_and_walked(policy):
    (found,) = write(policy, PROBLEMS[:1], every=4)
    tree = type(found.tree).from_json(found.tree.to_json())
    world = make_world(policy)
    tree.annotate(world, world.start(PROBLEMS[0]))
    assert tree.label[0] == ""
    assert {tree.label[d["chosen"]] for d in tree.meta["decisions"]}
    for decision in tree.meta["decisions"]:
        priors = [tree.prior[node] for node in decision["children"]]
        assert len(priors) == 3
        assert priors == sorted(priors, reverse=True)


def test_a_critic_values_leaves_without_rollouts(policy):
    class Fives(Table):
        def score(self, texts):
            return [min(1.0, text.count("5") / 5) for text in texts]

    found = write(policy, critic=Fives(), leaf="critic", every=2, depth=1, simulations=4)
    assert all(outcome.cost.critic_calls for outcome in found)
    assert not any(status == "unfinished" for outcome in found for status in outcome.tree.status[:-1])


def test_verified_it_ends_with_the_first_rollout_that_is_right(policy, monkeypatch):
    """Where the verifier is told to accept what holds a five, such an end is the answer, chain or rollout."""
    from game24lab.tasks.task import Verdict

    def verdict(self, state):
        return Verdict("5" in self.read(state), "solved" if "5" in self.read(state) else "wrong value", "x", "")

    monkeypatch.setattr(Continuations, "verdict", verdict)
    found = write(policy, world=make_world(policy, reward=None, honest=False), mode="verified", every=2)
    assert any(outcome.solved for outcome in found)
    for outcome in found:
        assert outcome.stopped == ("solved" if outcome.solved else "done")
        assert outcome.solved == ("5" in outcome.tree.meta["text"])


def test_a_spent_budget_leaves_the_best_rollout(policy):
    world = make_world(policy)
    for limit in (0, 1, 60, 200):
        (found,) = run(world, PROBLEMS[:1], lookahead, policy, parameters={"max_tokens": LONG}, mode="rules",
                       budget={"sampled_tokens": limit})  # fmt: skip
        assert found.stopped == "sampled_tokens"
        assert found.tree.meta["answer_tokens"] <= LONG


# ------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(("parameters", "reason"), [
    ({"top_k": 0}, "top_k 0: a whole number of at least 1"),
    ({"depth": 50, "chunk": 2}, "depth x chunk must be at most .* window of 96 leaves .* got 50 x 2"),
    ({"simulations": -1}, "simulations -1"),
    ({"rule": "tokes"}, "rule 'tokes': one of tokens"),
    ({"fallback": 1.5}, "fallback 1.5"),
    ({"rollouts": 3}, "rollouts must be 1 at temperature 0, .* got 3"),
    ({"leaf": "critic"}, "there is no critic"),
    ({"leaf": "rollout"}, "leaf 'rollout'"),
    ({"every": 0}, "every 0"),
    ({"choose": "best"}, "choose 'best'"),
    ({"top_k": 100_000}, "vocabulary"),
])  # fmt: skip
def test_bad_parameters_are_named(policy, parameters, reason):
    with pytest.raises(ValueError, match=reason):
        write(policy, **parameters)


def test_a_reward_that_knows_the_answer_is_refused_where_nobody_verifies(policy):
    with pytest.raises(ValueError, match="knows the right answer"):
        write(policy, world=Continuations(Game24(), policy))


def test_a_world_of_lines_is_refused(policy):
    with pytest.raises(ValueError, match="Continuations"):
        run(Game24(), PROBLEMS, lookahead, policy, mode="verified")


def fail(problems, texts):
    """A reward with a fault."""
    raise KeyError("numbers")


@pytest.mark.parametrize(("reward", "reason"), [
    (fail, "reward 'fail' raised KeyError"),
    (lambda problems, texts: [1.0], "must return 3 numbers, one an answer, got 1"),
    (lambda problems, texts: [float("nan")] * len(texts), "must return finite numbers or None, got nan"),
    (lambda problems, texts: ["1"] * len(texts), "must return finite numbers or None, got '1'"),
])  # fmt: skip
def test_rewards_that_fail_are_named(policy, reward, reason):
    with pytest.raises(ValueError, match=reason):
        write(policy, world=make_world(policy, reward=reward))


def test_rewards_add_up_by_weight_and_a_faulty_one_is_named():
    def long(completions, **columns):
        return [float(len(text)) for text in completions]

    def known(completions, gold, **columns):
        pairs = zip(completions, gold, strict=True)
        return [None if answer is None else float(answer in text) for text, answer in pairs]

    def short(completions, **columns):
        return [0.0]

    answers = {"a": "b", "b": None}
    reward = add_up([long, known], [0.5, 2.0], lambda problem: {"gold": answers[problem]})
    assert reward(["a", "b"], ["abc", "ab"]) == [3.5, 1.0]
    assert reward.__name__ == "long + known"
    assert add_up([known], [1.0], lambda problem: {"gold": None})(["a"], ["x"]) == [None]
    with pytest.raises(ValueError, match="'short' must return 2 numbers, one an answer, got 1"):
        add_up([long, short], [1.0, 1.0])(["a", "b"], ["x", "y"])
    with pytest.raises(ValueError, match="'known' raised TypeError"):
        add_up([known], [1.0])(["a"], ["x"])
    with pytest.raises(ValueError, match="1 functions and 2 weights"):
        add_up([long], [1.0, 2.0])


def test_what_tokens_say_is_kept_for_pictures(policy):
    """Lines of the tree are token ids, which nobody reads."""
    from game24lab.views.tree.layout import name_move
    from game24lab.views.tree.still import draw_svg

    for outcome in write(policy, simulations=4, depth=2):
        tree, moves = outcome.tree, outcome.tree.meta["moves"]
        assert len(moves) == len(tree)
        for node in range(1, len(tree)):
            text = policy.decode([[int(word) for word in tree.line[node].split()]])[0]
            assert moves[node] == text[:28].replace("\n", "⏎")
            assert tree.line[node] not in (moves[node], name_move(tree, node)) or text == tree.line[node]
        assert draw_svg(tree)
    tree.meta["moves"] = tree.meta["moves"][:-1]  # of another tree: not used
    assert name_move(tree, 1) == tree.line[1][:20]
