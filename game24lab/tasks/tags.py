"""Think and answer tags around a chain of thought, put there and taken away.

A model may write them wherever it likes; what stands between answer tags becomes an answer line of its own. It does not
know how lines are judged.
"""

from __future__ import annotations

import re

# With what is blank around them on their line: a group is None where something else is
_THINK_TAGS = re.compile(r"(?P<before>^[ \t]*)?(?:</?think>[ \t]*)+(?P<after>\n)?", re.MULTILINE)
_ANSWER_TAG = re.compile(
    r"(?P<before>^[ \t]*)?<answer>(?P<body>(?:(?!<answer>).)*?)</answer>(?P<after>[ \t]*(?:\n|\Z))?",
    re.DOTALL | re.MULTILINE,
)


def begin_answer(target: int) -> str:
    """What an answer line of a chain begins with."""
    return f"reach {target}! expression: "


def add_tags(chain: str) -> str:
    """A chain as `<think>` its moves `</think>` and `<answer>` its expression `</answer>`; `strip_tags` undoes it."""
    moves, _, last = chain.rstrip("\n").rpartition("\n")
    return f"<think>\n{moves}\n</think>\n<answer>{last.partition(': ')[2]}</answer>\n"


def strip_tags(text: str, target: int) -> str:
    """A text without think and answer tags, what stood between the latter as an answer line. Never raises.

    A tag within a line ends it. Answer tags around nothing that could be an answer (`<answer>...</answer>`) are left.
    """

    def answer(match: re.Match) -> str:
        if not any(map(str.isalnum, match["body"])):
            return match[0]
        before, after = "" if match["before"] is not None else "\n", "\n" if match["after"] is None else match["after"]
        return f"{before}{begin_answer(target)}{' '.join(match['body'].split())}{after}"

    text = _THINK_TAGS.sub(lambda match: "" if match["before"] is not None else "\n", text)
    return _ANSWER_TAG.sub(answer, text)
