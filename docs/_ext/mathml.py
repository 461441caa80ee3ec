"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def converted(node, as_block):
    """Return a formula as MathML; what cannot be read is a warning, and stays as it is."""
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", node.astext(), error, location=node)
        return f"<code>{node.astext()}</code>"


def inline(self, node):
    """Write a formula in a line."""
    self.body.append(converted(node, as_block=False))
    raise SkipNode


def block(self, node):
    """Write a formula of its own."""
    self.body.append(f'<div class="math">{converted(node, as_block=True)}</div>')
    raise SkipNode


def setup(app):
    """Register the renderer; `html_math_renderer` names it."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
