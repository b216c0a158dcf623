"""Equations as MathML, which browsers draw themselves: no script, no font, no network. It knows no page."""

from docutils import nodes
from latex2mathml.converter import convert


def write_inline(translator, node):
    """An equation in a line of text."""
    translator.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def write_block(translator, node):
    """An equation of its own."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode
