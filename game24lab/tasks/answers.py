"""Where an answer stands in a free text: between answer tags, in a box, behind `####`, on an answer line.

Of each kind the last one counts, as the published scorers have it, `####` apart. Only the end of a text is looked
through, with searches whose time grows with its length alone. It does not know what a text answers, how an answer is
read, nor which kind goes before which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TAIL = 20_000  # characters of a text that are looked through, from its end
LONGEST = 500  # characters of an answer
_OPEN, _CLOSE = "<answer>", "</answer>"
_BOXES = 100  # of a text, the last ones, that are looked into
_BOX = re.compile(r"\\(?:boxed|fbox) ?\{")
_MARKED = re.compile(r"####\s*([^\s#][^\n]*)")
# What a chat's own marks say: the answer's turn begins, and ends
_BEGINS = ("<|im_start|>assistant", "<|start_header_id|>assistant<|end_header_id|>", "\nassistant\n", "Assistant:")
_ENDS = re.compile(r"<\|(?:im_end|eot_id|endoftext|end_of_text|end)\|>|</s>")
_WORDS = re.compile(
    r"\banswer(?:\*\*)?(?: is(?:\*\*)?(?!\w)| ?:)(?:\*\*)?:?(?:\*\*)?|\breach -?[0-9]{1,6}! expression:", re.IGNORECASE
)
_START = re.compile(r"[#>*\s-]*(?:(?:so|thus|therefore|hence),? )?(?:(?:the|my) )?(?:final )?\Z", re.IGNORECASE)
_LONGEST_START = 60  # characters before those words
_MOST_LINES = 4  # that an answer below its own line may have


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer that was found in a text, and the word of its task's verifier on it."""

    rule: str  # that found it, "" where there is none
    answer: str  # as it was written, cut at `LONGEST`
    right: bool
    fault: str  # the kind of what is wrong with it, "" where it is right
    reason: str  # in one line


def take_turn(text: str) -> str:
    """The end of a text without what stands before and behind the answering turn of a chat, and without its thoughts.

    Thoughts end at `</think>`; where nothing stands behind it, they are all there is.
    """
    for mark in _BEGINS:
        _, found, after = text.partition(mark)
        if found:
            text = after
            break
    ended = _ENDS.search(text) if "<|" in text or "</s>" in text else None
    if ended and text[: ended.start()].strip():
        text = text[: ended.start()]
    text = text[-TAIL:]
    behind = text.rpartition("</think>")[2]
    return behind if behind.strip() else text


def find_tagged(text: str) -> str | None:
    """What stands in the last closed pair of answer tags around something; None where there is none."""
    end = text.rfind(_CLOSE)
    while end >= 0:
        begin = text.rfind(_OPEN, 0, end)
        if begin < 0:
            return None
        body = text[begin + len(_OPEN) : text.find(_CLOSE, begin)]
        if any(map(str.isalnum, body)):
            return body
        end = text.rfind(_CLOSE, 0, begin)
    return None


def find_opened(text: str) -> str | None:
    """What stands behind the last answer tag where none closes it, as where a server stops at the closing one."""
    begin = text.rfind(_OPEN)
    if begin < 0 or text.find(_CLOSE, begin) >= 0:
        return None
    body = text[begin + len(_OPEN) :]
    return body if any(map(str.isalnum, body)) else None


def find_boxed(text: str) -> tuple[str, str] | None:
    """What stands in the last box that is closed, and the text before that box; None where there is none."""
    for match in reversed(list(_BOX.finditer(text))[-_BOXES:]):
        inner = read_braces(text, match.end())
        if inner is not None:
            return inner, text[: match.start()]
    return None


def read_braces(text: str, begin: int) -> str | None:
    """What stands between an opened brace and the one that closes it."""
    depth = 1
    for place in range(begin, min(len(text), begin + LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[begin:place]
    return None


def find_marked(text: str) -> str | None:
    """What stands behind the first `####` that no word follows, else behind the first; None without any.

    Headings have some, and a model that goes on invents other questions.
    """
    marked = _MARKED.findall(text)
    said = [one for one in marked if not one[0].isalpha()][:1] or marked[:1]
    return said[0] if said else None


def find_line(text: str) -> str | None:
    """What stands behind the last words that begin an answer (`Answer: `, `the answer is `, `reach 24! expression: `).

    Where nothing stands behind them it is what stands on the lines below, up to a blank one. In the middle of a line
    they count where a digit follows. None without such words.
    """
    if "nswer" not in text and "NSWER" not in text and "reach" not in text:
        return None
    lines = text.split("\n")
    for place in range(len(lines) - 1, -1, -1):
        line = lines[place]
        if len(line) > LONGEST * 4 or ("nsw" not in line and "NSW" not in line and "reach" not in line):
            continue
        for match in reversed(list(_WORDS.finditer(line))):
            behind = line[match.end() :].strip()
            begins = match.start() <= _LONGEST_START and _START.match(line[: match.start()])
            if not begins and not re.search("[0-9]", behind):
                continue
            if any(map(str.isalnum, behind)):
                return behind
            below = [one.strip() for one in lines[place + 1 : place + 2 + _MOST_LINES * 2]]
            while below and not below[0]:
                del below[0]
            below = below[: below.index("")] if "" in below else below
            if below:
                return " ".join(below[:_MOST_LINES])
    return None
