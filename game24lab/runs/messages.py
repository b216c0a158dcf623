"""Messages: what an error says, on one line. It does not know of any error in particular."""

from __future__ import annotations

from typing import Any, TypeVar

E = TypeVar("E", bound=Any)  # an exception
LIMIT = 300  # characters of a message that are shown
_REFERENCES = ("(look up to see its traceback)",)  # to what is not shown


def condense(message: object, limit: int = LIMIT) -> str:
    """A message on one line of at most `limit` characters; of a long one its beginning and its end.

    What went wrong stands on the first line of some messages and on the last of others (`Failed to import ... because
    of the following error:`, then that error), so both are kept. An exception without a message is called after its
    type. Control characters, which a terminal would obey, become `?`.
    """
    text = str(message)
    for reference in _REFERENCES:
        text = text.replace(reference, "")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = ["".join(sign if sign.isprintable() else "?" for sign in line) for line in lines]
    lines = [line.replace(" :", ":") for line in lines if line]
    if not lines:
        return type(message).__name__
    whole = " ".join(lines)
    if len(whole) <= limit:
        return whole
    first, last = lines[0], lines[-1] if len(lines) > 1 else whole
    tail = last if len(last) <= limit // 2 else "..." + last[3 - limit // 2 :]
    room = limit - len(tail) - 5
    return f"{first if len(first) <= room else first[:room].rstrip()} ... {tail.removeprefix('...')}"


def tell_plainly(error: E, *more: str) -> E:
    """The error, which a notebook shows as its message and further lines in the place of a traceback.

    It stays of its type, and what catches it sees no difference; elsewhere it is shown as ever.
    """
    kind = f"{type(error).__name__}: " if str(error) else ""
    error._render_traceback_ = lambda: [*([kind + condense(error)] if kind else []), *more]  # what IPython asks for
    return error
