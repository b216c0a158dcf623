"""A task of forty lines: say the sum of two numbers. Nothing in the package knows of it."""

from game24lab.tasks.environment import Environment
from game24lab.tasks.problems import Problem, Sample
from game24lab.tasks.rewards import RewardSet
from game24lab.tasks.task import Illegal, Verdict


class Sums(Environment):
    """A problem is two numbers, a state is what was said so far, and both are its own key."""

    name, lacks = "sums", {"traces": "one line is no search"}
    held_out = tuple((a, b) for a in range(1, 5) for b in range(5, 8))
    rewards = RewardSet({"right": lambda total, text: float(text.strip() == str(total))}, {"right": 1.0}, ("total",),
                        lambda total: total, lambda total, text: ("solved", 1), lambda total, text: None)  # fmt: skip

    def __init__(self):
        self.task = self

    # the world and its judge
    start = staticmethod(lambda two: (tuple(map(int, two.split() if isinstance(two, str) else two)), ""))
    text = prompt_of = staticmethod(lambda state: f"Input: {state[0][0]} {state[0][1]}\n{state[1]}")
    read = staticmethod(lambda text: (tuple(map(int, text.splitlines()[0][7:].split())), text.partition("\n")[2]))
    label = staticmethod(lambda state: state[1].strip() or "-")
    step = staticmethod(lambda state, line: Illegal("it was said") if state[1] else (state[0], f"{line}\n"))
    is_terminal = staticmethod(lambda state: bool(state[1]))
    key = staticmethod(lambda state: state)
    truth = staticmethod(lambda state: state[1].strip() in ("", str(sum(state[0]))))
    believe = lambda self: self  # noqa: E731

    def verdict(self, state):
        solved = self.is_terminal(state) and self.truth(state)
        return Verdict(solved, "solved" if solved else "wrong value", state[1].strip(), "")

    # the environment
    sft_samples = staticmethod(lambda count, progress, **_: [Sample(f"Input: {i % 9} {i % 7}\n", f"{i % 9 + i % 7}\n")
                                                              for i in range(count)])  # fmt: skip
    problems = staticmethod(lambda count, lowest, highest, progress: [
        Problem(f"Input: {i % 9} 1\n", {"total": i % 9 + 1}) for i in range(count)])  # fmt: skip
    know = lambda self, problem: sum(self.start(problem)[0])  # noqa: E731
    features = lambda self, problem: {"total": self.know(problem)}  # noqa: E731
