"""Equations as MathML, which browsers draw themselves: no script, no font, no network. It knows no page."""

import re

from docutils import nodes
from latex2mathml.converter import convert


def set_math(text, display="inline"):
    r"""LaTeX as MathML. `\arg`, which the converter leaves as it stands, is an operator's name."""
    return convert(re.sub(r"\\arg(?![a-zA-Z])", lambda found: r"\operatorname{arg}", text), display=display)


def write_inline(translator, node):
    """An equation in a line of text."""
    translator.body.append(f'<span class="math">{set_math(node.astext())}</span>')
    raise nodes.SkipNode


def write_block(translator, node):
    """An equation of its own."""
    translator.body.append(f'<div class="math">{set_math(node.astext(), "block")}</div>')
    raise nodes.SkipNode
