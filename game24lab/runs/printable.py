"""Foreign text made fit to be shown: printable, of bounded length, and no markup.

Text may be a model's: it is shown, never obeyed. This module does not know where it is shown.
"""

from __future__ import annotations

import html
import re


def clean(text: object, longest: int = 240, keep: str = "") -> str:
    """Printable text of bounded length; what cannot be printed, and turns or breaks a line, is a sign."""
    text = str(text)
    shown = "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."


def keep_units(text: str) -> str:
    """Text in which a number and its unit stay on one line: 12.3 %, 1.24 G."""
    return re.sub(r"(?<=\d) (?=%|[kMGTP]\b)", "\u00a0", text)


def escape(text: object) -> str:
    """Text that HTML shows as it is, line ends included."""
    return html.escape(clean(text, len(str(text)), keep="\n"))
