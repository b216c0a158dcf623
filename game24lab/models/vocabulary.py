"""Whether a policy has the numbers of a task's problems in its vocabulary. It does not know how policies are loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from game24lab.tasks.environment import Environment


def check_vocabulary(policy: Any, environment: Environment, problems: Sequence[Any] | None = None) -> None:
    """ValueError where a policy that has numbers as single tokens lacks one that the environment's own vocabulary has.

    It would spell such a number digit by digit, which it has never learnt: a checkpoint of another game. Checked are
    the prompts of some problems, by default those held out; checkpoints with other vocabularies pass.
    """
    if policy.count(" Target:") != 1:
        return
    own = None
    for problem in environment.held_out if problems is None else problems:
        for number in dict.fromkeys(re.findall(" [0-9]+", environment.prompt(problem))):
            if policy.count(number) == 1:
                continue
            if own is None:
                from game24lab.models.tokenizer import make_tokenizer  # brings transformers, nearly never needed

                own = make_tokenizer(environment.vocabulary)
            if len(own(number)["input_ids"]) == 1:
                raise ValueError(f"checkpoint {policy.name}: its vocabulary lacks the number{number} of the problem "
                                 f"{environment.write_name(problem)}; one that was trained for the task "
                                 f"{environment.name} has it")  # fmt: skip
