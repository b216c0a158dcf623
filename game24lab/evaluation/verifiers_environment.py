"""Number games as an environment of the library verifiers (an extra: `pip install game24lab[verifiers]`).

Its rubric is the exact verifier (`tasks.reward_signatures`). It does not know of models or training.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.reward_signatures import make_signatures

PROMPT = ("Using the numbers {numbers}, create an expression that equals {target}. {rule} Use the operations + - * / "
          "and parentheses. Give the expression alone in <answer> </answer> tags.")  # fmt: skip
RULES = {True: "Use every number exactly once.", False: "Each number may be used at most once."}


def list_rows(problems: Iterable[Any], *, every: bool = True) -> list[dict[str, Any]]:
    """Problems as the rows of a data set of verifiers: `prompt` (a chat), `answer` (the target) and `info`.

    Problems as `read_problem` takes them. ValueError for what is none.
    """
    rows = []
    for problem in map(read_problem, problems):
        shown = ", ".join(map(str, problem.numbers))
        text = PROMPT.format(numbers=shown, target=problem.target, rule=RULES[every])
        info = {"numbers": list(problem.numbers), "target": problem.target, "every": every}
        rows.append({"prompt": [{"role": "user", "content": text}], "answer": str(problem.target), "info": info})
    return rows


def load_environment(
    problems: Iterable[Any] = (), *, held_out: int = 100, seed: int = 0, every: bool = True, strict: bool = False,
    **options: Any,
) -> Any:  # fmt: skip
    """A `verifiers.SingleTurnEnv` over number games, as `vf-eval` and trainers load it.

    Args:
        problems: what is asked; without any the first `held_out` held-out puzzles of the split "game24" are.
        every: whether all numbers must be used.
        options: of `SingleTurnEnv`.

    ValueError for what is no problem; ImportError that names the extra where verifiers is not installed, or of a
    version that has another form.
    """
    try:
        import verifiers
        from datasets import Dataset
    except ModuleNotFoundError as error:
        if error.name != "verifiers":
            raise
        missing = "verifiers is not installed: pip install 'game24lab[verifiers]'"
        raise ModuleNotFoundError(missing, name="verifiers") from None
    if not hasattr(verifiers, "SingleTurnEnv"):
        raise ImportError(f"verifiers {verifiers.__version__} has no SingleTurnEnv: pip install "
                          "'game24lab[verifiers]' takes a version that has it")  # fmt: skip
    asked = list(problems) or open_environment("game24", held_out=held_out, seed=seed).held_out
    rows = list_rows(asked, every=every)
    rubric = verifiers.Rubric(funcs=[make_signatures(strict=strict).verifiers], weights=[1.0])
    return verifiers.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=rubric, **options)
