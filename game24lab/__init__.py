"""A workbench for studying how small language models learn to reason and search: the names that a notebook needs.

`import game24lab as lab` takes milliseconds: each name is imported from its room when it is first used. All else stands
in the rooms (`game24lab.search`, `game24lab.training`, ...), which import what they need in full.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "open_environment": "tasks.environments",
    "require_parts": "tasks.environment",
    "make_reward_functions": "tasks.rewards",
    "make_locator": "tasks.rewards",
    "find_pretrained": "models.locations",
    "load_policy": "models.load_policy",
    "load_critic": "models.critic",
    "read_chat": "models.tokenizer",
    "TransformersPolicy": "models.load_policy",
    "Arm": "evaluation.arms",
    "STRATEGIES": "evaluation.arms",
    "evaluate": "evaluation.evaluate",
    "summarise": "evaluation.evaluate",
    "grade": "evaluation.chains",
    "run_search": "search.engine",
    "enter": "runs.notebook",
    "start_run": "runs.run",
    "TreeView": "views.tree.widget",
    "write_html": "views.tree.page",
}
_OTHER_NAMES = {"run_search": "run"}  # where a room calls it otherwise
__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'game24lab' has no attribute {name!r}; it has {', '.join(__all__)}")
    found = getattr(import_module(f"game24lab.{_NAMES[name]}"), _OTHER_NAMES.get(name, name))
    globals()[name] = found  # the next look finds it at once
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
