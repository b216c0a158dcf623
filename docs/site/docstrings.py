"""Docstrings of this project as reStructuredText: they are plain text with `code`, indented examples and lists.

It does not know what they say.
"""

import re
import textwrap

_SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:")


def to_rst(app, what, name, thing, options, lines):
    """Replace the lines of a docstring, as Sphinx hands them over, in place."""
    blocks = re.split(r"\n[ \t]*\n", textwrap.dedent("\n".join(lines)).strip("\n"))
    lines[:] = [*"\n\n".join(map(_convert, blocks)).splitlines(), ""]


def _convert(block):
    """One paragraph. An indented one is an example and stays as it is."""
    if block.lstrip().startswith(_SECTIONS):
        return escape(block)
    if block.startswith("    "):
        return f"::\n\n{block}"
    wrapped = block.splitlines()
    begins = [bool(re.match(r"(- |\d+\. )", line)) for line in wrapped]
    if any(begins) and not begins[0]:  # a list right below its sentence
        first = begins.index(True)
        return "\n\n".join(_convert("\n".join(part)) for part in (wrapped[:first], wrapped[first:]))
    plain = [line for line in wrapped if not line.startswith("    ")]
    if wrapped and len(plain) < len(wrapped) and not begins[0]:  # an example right below its sentence
        first = next(i for i, line in enumerate(wrapped) if line.startswith("    "))
        last = next((i for i in range(first, len(wrapped)) if not wrapped[i].startswith("  ")), len(wrapped))
        parts = [escape("\n".join(wrapped[:first])), "::\n\n" + "\n".join(wrapped[first:last])]
        return "\n\n".join(parts + ([_convert("\n".join(wrapped[last:]))] if wrapped[last:] else []))
    return escape(block)


def escape(text):
    """What RST would take for markup made harmless, and `code` made ``code``."""
    parts = re.split(r"`([^`]+)`", text)
    for place, part in enumerate(parts):
        if place % 2:
            glued = re.match(r"\w", parts[place + 1])  # `Thing`s
            parts[place] = f"``{part.strip()}``" + "\\ " * bool(glued)
        else:
            parts[place] = re.sub(r"([\\*|]|(?<=\w)_(?!\w))", r"\\\1", part)
    return "".join(parts)
