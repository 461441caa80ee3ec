"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from docutils.utils.math.latex2mathml import tex2mathml


def inline(self, node):
    """Write a formula in a line."""
    self.body.append(tex2mathml(node.astext()))


def block(self, node):
    """Write a formula of its own."""
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')


def nothing(self, node):
    """Close what is closed."""


def setup(app):
    """Register the renderer; `html_math_renderer` names it."""
    from docutils.nodes import SkipNode

    def skipping(write):
        def visit(self, node):
            write(self, node)
            raise SkipNode

        return visit

    app.add_html_math_renderer("mathml", (skipping(inline), nothing), (skipping(block), nothing))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
