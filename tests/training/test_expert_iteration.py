"""Expert iteration: what is kept and learnt, the gate, kills at every stage, and that the solver is never asked."""

import json
import math
import sys
import types
from dataclasses import replace

import pytest
import tiny_models
import toy_task

from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained
from game24lab.models.tokenizer import make_tokenizer
from game24lab.search.mcts import mcts
from game24lab.search.sampling import best_of_n
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Sample
from game24lab.tasks.rewards import make_reward_functions
from game24lab.training import critic as critic_training
from game24lab.training import expert_iteration, grpo, iteration_search, sft
from game24lab.training.expert_iteration import IterationConfig, find_best, iterate, measure_flops
from game24lab.training.found_solutions import Archive
from game24lab.training.iteration_controls import Lesson, run_lines
from game24lab.training.known_chances import measure_known

PUZZLE = (4, 5, 6, 10)
WORLD = toy_task.Sums()
PROBLEMS = {f"{a} {b}": (a, b) for a in range(3) for b in range(4)}


# ------------------------------------------------------------------------------------------------ rounds
@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A policy of a few thousand weights that has seen the sums of a third of the problems."""
    folder = tmp_path_factory.mktemp("start")
    samples = [Sample(f"Input: {a} {b}\n", f"{a + b}\n") for a, b in PROBLEMS.values() if (a + b) % 3 == 0]
    checkpoint = tiny_models.save("qwen3", folder / "random")
    return sft.train(sft.SFTConfig(checkpoint=str(checkpoint), steps=30, batch_size=16, evaluate_every=0),
                     samples * 16, folder)  # fmt: skip


def measure(stand):
    """The mean log-probability of the right sums."""
    prompts, sums = [f"Input: {a} {b}\n" for a, b in PROBLEMS.values()], [str(sum(two)) for two in PROBLEMS.values()]
    logs = load_policy(stand.policy).open_reader().score(prompts, sums)
    return {"gate": float(logs.mean()), "told": len(stand.solved)}


SAMPLES = {"choose": "logprob", "batch": 4, "max_tokens": 4}  # a search without a critic


def configure(start, **changes):
    settings = {"rounds": 1, "budget": 24, "waves": 2, "growth": 2.0, "steps": 6, "batch_size": 16, "chunk": 5,
                "critic_epochs": 1.0, "critic_batch_size": 16}  # fmt: skip
    return IterationConfig(start=str(start), **settings | changes)


def play(config, output, meter=measure, algorithm=mcts, **more):
    return iterate(config, WORLD, PROBLEMS, algorithm, output, meter, **more)


def drop_times(table):
    return table.drop(columns=["seconds", "policy", "critic"])


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return play(configure(start), folder), folder


def test_rounds_are_told_one_a_row(whole):
    table, folder = whole
    assert table["round"].tolist() == [0, 1]
    assert table["accepted"][0]
    assert (table["solved_ever"].diff()[1:] >= 0).all()
    assert (table["sampled_tokens"] > 0).all()
    assert table["flops_total"].tolist() == pytest.approx(table["flops"].cumsum().tolist())
    assert table["told"].tolist() == [round(share * len(PROBLEMS)) for share in table["solved_ever"]]
    policy, critic = find_best(table, folder)
    assert (policy / "config.json").is_file()
    assert (critic / "config.json").is_file()
    assert table["gate"][table["best"].iloc[-1]] == table["gate"].max()


@pytest.mark.parametrize(("critic", "begin"), [("continue", "round-0/critic/checkpoint"), ("refit", "")])
def test_a_critic_goes_on_or_begins_anew(critic, begin, start, tmp_path):
    play(configure(start, critic=critic, steps=2), tmp_path)
    settings = json.loads((tmp_path / "round-1" / "critic" / "checkpoint" / "training_config.json").read_text())
    assert settings["begin"] == (str(tmp_path / begin) if begin else "")


def test_what_is_finished_is_not_repeated(whole, start, monkeypatch):
    table, folder = whole
    for module, name in ((iteration_search, "_search"), (sft, "make_trainer"), (critic_training, "_make_trainer")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("it was finished"))
    again = play(configure(start), folder, lambda stand: pytest.fail("it was measured"))
    assert again.equals(table)


def kill_at(monkeypatch, place, name, call):
    """Let the `call`-th call of a function end as a kill does, before it has done anything."""
    function, calls = getattr(place, name), []

    def killed(*given, **named):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*given, **named)

    monkeypatch.setattr(place, name, killed)


KILLS = (  # in the order in which they come: where, and at which call since the last kill
    (iteration_search, "_search", 2), (iteration_search, "_read_outcomes", 1), (expert_iteration, "roll_out", 1),
    (critic_training._Trainer, "compute_loss", 2), (expert_iteration._Loop, "_measure", 1),
    (expert_iteration._Loop, "_close", 1), (iteration_search, "_search", 2),
    (iteration_search, "_read_outcomes", 1), (sft._Trainer, "compute_loss", 4), (expert_iteration, "roll_out", 1),
    (critic_training._Trainer, "compute_loss", 1), (expert_iteration._Loop, "_measure", 1),
    (expert_iteration._Loop, "_close", 1),
)  # fmt: skip


def test_a_kill_in_every_stage_changes_nothing_in_the_end(whole, start, tmp_path, monkeypatch):
    for place, name, call in KILLS:
        with monkeypatch.context() as patched:
            kill_at(patched, place, name, call)
            with pytest.raises(KeyboardInterrupt):
                play(configure(start), tmp_path)
    assert drop_times(play(configure(start), tmp_path)).equals(drop_times(whole[0]))


def test_a_gate_that_never_opens_keeps_the_start(start, tmp_path):
    gates = iter([0.0, -1.0, -2.0, -3.0])
    config = configure(start, rounds=3, patience=2, steps=2, critic="none", mode="rules", parameters=SAMPLES)
    table = play(config, tmp_path, lambda stand: {"gate": next(gates)}, best_of_n)
    assert table["accepted"].tolist() == [True, False, False]
    assert table["stopped"].iloc[-1] == "the gate has refused 2 rounds in a row"
    assert find_best(table, tmp_path)[0].resolve() == start.resolve()


def test_a_refused_round_is_begun_again_from_the_best(start, tmp_path):
    seen, gates = [], iter([0.0, -1.0, 1.0])

    def watch(stand):
        seen.append((stand.old_policy.resolve(), stand.old_critic))
        return {"gate": next(gates)}

    table = play(configure(start, rounds=2, steps=2), tmp_path, watch)
    assert [policy for policy, _ in seen] == [start.resolve()] * 3
    assert seen[1][1] == seen[2][1] == tmp_path / "round-0" / "critic" / "checkpoint"
    assert table["best"].tolist() == [0, 0, 2]


def test_behind_a_refused_round_only_the_unsolved_are_searched_with_more(start, tmp_path, monkeypatch):
    searches, search_round = [], expert_iteration.search_round

    def watch(task, problems, waves, open_models, folder, archive, seed, title):
        before = set(archive.list_solved())
        found = search_round(task, problems, waves, open_models, folder, archive, seed, title)
        searches.append((set(problems), before, waves.budgets))
        return found

    monkeypatch.setattr(expert_iteration, "search_round", watch)
    gates = iter([0.0, -1.0, -2.0, 1.0, 2.0])
    config = configure(start, rounds=4, steps=2, budget=2)
    play(config, tmp_path, lambda stand: {"gate": next(gates)})
    (first, _, usual), (second, _, again), (third, known, more), (fourth, later, most), (fifth, _, last) = searches
    assert (usual, again, last) == ((2,), (2, 4), (2, 4))
    assert first == second == fifth == set(PROBLEMS)
    assert known
    assert (third, more) == (set(PROBLEMS) - known, (8,))
    assert (fourth, most) == (set(PROBLEMS) - later, (16,))


def test_what_the_waves_of_a_round_leave_is_shared_by_those_still_unsolved(start, tmp_path, monkeypatch):
    waves, search = [], iteration_search._search

    def watch(task, problems, how, models, budget, seed, bar):
        outcomes = search(task, problems, how, models, budget, seed, bar)
        if how.algorithm is mcts:  # not the samples of round 0
            waves.append((budget, len(problems), sum(outcome.cost.sampled_tokens for outcome in outcomes)))
        return outcomes

    monkeypatch.setattr(iteration_search, "_search", watch)
    play(configure(start, budget=2, waves=1, mean_budget=40, chunk=100), tmp_path / "more")
    (budget, searched, spent), (more, left, _) = waves
    assert (budget, searched) == (2, len(PROBLEMS))
    assert 0 < left < searched
    assert more == (40 * searched - spent) // left
    waves.clear()
    play(configure(start, budget=41, waves=1, mean_budget=4, chunk=100), tmp_path / "none")
    assert len(waves) == 1, "nothing is left of four tokens a problem"


def test_what_one_problem_solves_is_lent_to_others_and_counted(tmp_path, monkeypatch):
    lines = ("10 - 4 = 6 (left: 5 6 6)", "5 * 6 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)")
    puzzles = {"4 5 6 10": PUZZLE, "2 5 6 8": (2, 5, 6, 8)}

    def search(task, problems, waves, open_models, folder, archive, seed, title):
        way = {"Input: 5 6 6\n": ("8 - 2 = 6 (left: 5 6 6)",)}
        found = iteration_search.Found(["4 5 6 10"], reached={"2 5 6 8": way})
        found.new = archive.add("4 5 6 10", PUZZLE, [lines])
        found.positions["Input: 5 6 6\n"] = (1, 1)
        return found

    monkeypatch.setattr(expert_iteration, "search_round", search)
    environment, tables = open_environment("game24", split="tot", held_out=2), {}
    for lent in (True, False):
        config = IterationConfig(start=str(find_pretrained("policy")), rounds=1, steps=2, batch_size=8, critic="none",
                                 transpositions=lent)  # fmt: skip
        tables[lent] = iterate(config, environment, puzzles, mcts, tmp_path / str(lent), lambda stand: {"gate": 0.0})
    assert tables[True][["solved", "solved_ever", "new", "joined"]].iloc[0].tolist() == [0.5, 1.0, 1, 1]
    assert tables[True]["joined"].iloc[1] == 0, "nothing is lent twice"
    assert tables[False][["solved_ever", "joined"]].iloc[-1].tolist() == [0.5, 0]


def test_a_round_without_solutions_ends_it(tmp_path):
    lost = tiny_models.save("qwen3", tmp_path / "random", seed=3)
    table = iterate(configure(lost), WORLD, {"90 90": (90, 90)}, mcts, tmp_path / "out", lambda stand: {"gate": -9.0})
    assert table["stopped"].tolist() == ["no problem was solved in round 0"]
    assert find_best(table, tmp_path / "out")[0].resolve() == lost.resolve()


def test_rare_problems_alone_are_learnt_from(start, tmp_path):
    policy, archive = load_policy(start), Archive(WORLD)
    for name, two in PROBLEMS.items():
        if sum(two) % 3 == 0:
            archive.add(name, two, [(str(sum(two)),)])
    middle = sorted(measure_known(policy, archive).values())[len(archive.list_solved()) // 2]
    table = play(configure(start, rare=middle, critic="none", mode="rules", parameters=SAMPLES), tmp_path,
                 algorithm=best_of_n)  # fmt: skip
    assert 0 < table["learnt"][1] < round(table["solved_ever"][1] * len(PROBLEMS))


def test_known_chances_are_those_of_the_solutions(start):
    policy, archive = load_policy(start), Archive(WORLD)
    archive.add("1 2", (1, 2), [("3",)])
    log = policy.open_reader().score(["Input: 1 2\n"], ["3"])[0, 0]
    assert measure_known(policy, archive) == {"1 2": pytest.approx(math.exp(log))}


def test_controls_cost_what_the_main_line_costs(start, tmp_path):
    solved = Archive(WORLD)
    for name, two in PROBLEMS.items():
        solved.add(name, two, [(str(sum(two)),)])
    answers = grpo.Rollouts(problems=2, num_generations=4, max_completion_length=4)
    lesson = Lesson(lambda: solved, WORLD.problems(8, 0, 1, iter), make_reward_functions(WORLD.rewards),
                    grpo.GRPOConfig(checkpoint=str(start), rollouts=answers, mini_batch=8))  # fmt: skip
    lines = ["search", "solver", "samples", "first critic", "grpo"]
    table = run_lines(lines[::-1], configure(start, steps=16), WORLD, PROBLEMS, mcts, tmp_path, measure, lesson)
    assert list(dict.fromkeys(table["line"])) == lines
    spent = table[table["round"] == 1].set_index("line")["flops_total"]
    assert spent[lines[:-1]].to_list() == pytest.approx([spent["search"]] * 4, rel=0.2)
    assert 0.5 * spent["search"] < spent["grpo"] < 1.5 * spent["search"], "of answers whose length is not known before"
    assert table[table["line"] == "grpo"]["solved_ever"].isna().all(), "it does not search"
    assert (table[table["line"] == "solver"]["sampled_tokens"] == 0).all()
    assert (table[table["line"] == "samples"]["critic_tokens"] == 0).all()
    first = table[table["line"] == "first critic"]["critic"]
    assert set(first) == {"round-0/critic/checkpoint"}


# ------------------------------------------------------------------------------------------------ the solver
def test_the_loop_never_asks_the_solver(tmp_path, monkeypatch):
    """Everything that knows which positions are alive raises, but within the meters."""
    metering, asked = [], []

    def forbid(function):
        def guarded(*given, **named):
            assert metering, f"{function.__name__} was asked outside of the meters"
            asked.append(function.__name__)
            return function(*given, **named)

        return guarded

    environment = open_environment("game24", split="tot", held_out=2)
    for name in ("reachable", "alive_steps", "preferred_steps", "count_ways", "measure_difficulty", "can_make"):
        for module in [module for key, module in sys.modules.items() if key.startswith("game24lab.")]:
            if name in vars(module):
                monkeypatch.setattr(module, name, forbid(vars(module)[name]))
    for name in ("truth", "live_steps", "live_lines", "explain"):
        monkeypatch.setattr(Game24, name, forbid(getattr(Game24, name)))

    def meter(stand):
        metering.append(1)
        assert all(environment.task.truth(environment.task.start(puzzle)) for puzzle in environment.held_out)
        metering.pop()
        return {"gate": float(stand.round)}

    puzzles = {"4 5 6 10": PUZZLE, "1 2 3 4": (1, 2, 3, 4), "1 1 1 8": (1, 1, 1, 8)}
    config = IterationConfig(start=str(find_pretrained("policy")), rounds=1, budget=60, waves=2, steps=2, batch_size=8,
                             critic_epochs=1.0, parameters={"sampling": "legal"})  # fmt: skip
    table = iterate(config, environment, puzzles, mcts, tmp_path, meter)
    assert table["solved_ever"].iloc[-1] > 0
    assert asked, "the meters did ask it"


# ------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(("changes", "message"), [
    ({"budget": 0}, "budget must be an integer >= 1, got 0"),
    ({"waves": 0}, "waves must be an integer >= 1, got 0"),
    ({"rounds": 0}, "rounds must be an integer >= 1, got 0"),
    ({"mean_budget": -1}, "mean_budget must be an integer >= 0, got -1"),
    ({"growth": 0.5}, "growth must be a number >= 1, got 0.5"),
    ({"critic": "old"}, "critic must be one of continue, refit, first, none, got 'old'"),
    ({"rare": 0.0}, "rare must be a number above 0 to 1, got 0.0"),
    ({"flops": (1.0, 2.0)}, "flops must be one number for each of the 1 rounds, got 2"),
    ({"critic": "none", "first_critic": "x"}, "first_critic must be '' where critic is 'none', got 'x'"),
    ({"mode": "blind"}, "mode must be rules or verified, got 'blind': what a blind search finds is not checked"),
])  # fmt: skip
def test_settings_that_mean_nothing_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        configure("nowhere", **changes)


def test_nothing_to_search_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="problems to learn from must be at least one, got none"):
        iterate(configure(start), WORLD, {}, mcts, tmp_path, measure)


def test_a_meter_without_a_gate_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="measure must return the number 'gate' that decides, got None"):
        play(configure(start), tmp_path, lambda stand: {"other": 1.0})


def test_another_configuration_in_the_folder_is_refused(whole, start):
    with pytest.raises(ValueError, match=r"rounds of another configuration lie there \(steps is 6 there and 7 here"):
        play(replace(configure(start), steps=7), whole[1])


def test_a_policy_of_another_task_is_refused(tmp_path):
    environment = open_environment("countdown", held_out=1)
    named = {"5 7 25 250 -> 287": environment.read_name("5 7 25 250 -> 287")}
    with pytest.raises(ValueError, match="its vocabulary lacks the number 250"):
        iterate(configure(find_pretrained("policy")), environment, named, mcts, tmp_path, measure)


def test_a_critic_of_another_task_is_refused(tmp_path, monkeypatch):
    environment = open_environment("game24", split="tot", held_out=2)
    checkpoint = tiny_models.save("qwen3", tmp_path / "policy")
    critic = types.SimpleNamespace(tokenizer=make_tokenizer("problems"))
    monkeypatch.setattr(expert_iteration, "load_critic", lambda path: critic)
    with pytest.raises(ValueError, match="they were trained for different tasks"):
        iterate(configure(checkpoint, first_critic="critic"), environment, {"4 5 6 10": PUZZLE}, mcts, tmp_path / "out",
                measure)  # fmt: skip


def test_controls_need_the_main_line_and_known_names(start, tmp_path):
    with pytest.raises(ValueError, match="lines must hold 'search', whose FLOPs the others have, got solver"):
        run_lines(["solver"], configure(start), WORLD, PROBLEMS, mcts, tmp_path, measure, None)
    with pytest.raises(ValueError, match=r"lines must be one of search, .*, got 'serch'; did you mean 'search'"):
        run_lines(["serch"], configure(start), WORLD, PROBLEMS, mcts, tmp_path, measure, None)


def test_flops_are_six_and_two_a_parameter_and_token():
    assert measure_flops(10, trained=3, forwarded=5) == 6 * 10 * 3 + 2 * 10 * 5


def test_a_round_file_is_plain_json(whole):
    row = json.loads((whole[1] / "round-1" / "row.json").read_text())
    assert row["round"] == 1
    assert best_of_n.effort == "n"
