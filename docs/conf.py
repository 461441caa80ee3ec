"""Sphinx: the site of these pages.

    sphinx-build -W --keep-going -b html docs docs/_build/html

The pages are plain Markdown that reads as well where a Git host shows it. What the site needs
beside, a tree of pages, is made here from the links of the pages in SECTIONS.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils.nodes import reference

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import madapt  # noqa: E402

project = "madapt"
author = "madapt developers"
copyright = author
version = release = madapt.__version__

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
# Sphinx has a page "search" of its own: here search.md is funnel-search.
exclude_patterns = ["_build", "search.md", "auto_examples/**/*.ipynb", "**/sg_execution_times.rst"]
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "ignore_pattern": r"__init__\.py|[\\/]stores[\\/]",
    "abort_on_example_error": True,
    "backreferences_dir": None,
    "doc_module": ("madapt",),
    "reference_url": {"madapt": None},
    "download_all_examples": False,
    "min_reported_time": 3600,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
}

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "madapt"
html_static_path = ["_static"]
html_css_files = ["madapt.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "madapt"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "start": [], "changes": []}

#: Pages whose links to other pages are the tree; each other page hangs below one of them.
SECTIONS = ("index", "guide", "measured", "project")
#: Where pages hang that no section names.
OTHERS = "guide"
#: What lies beside this folder, and the pages that stand for it here.
FOLDERS = {
    "../examples": "auto_examples/index.rst",
    "../CHANGELOG.md": "changes.md",
    "../CONTRIBUTING.md": "rules.md",
    "search.md": "funnel-search.md",
}


def links_of(section: str) -> list[str]:
    """Return the pages that a section's lists name, in order."""
    text = (HERE / f"{section}.md").read_text(encoding="utf-8")
    listed = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("- "))
    targets = re.findall(r"\]\(([^)#:]+)\)", listed)
    return [FOLDERS.get(target, target) for target in targets]


def tree_of(section: str) -> list[str]:
    """Return the pages below a section: its links, less those that other sections have."""
    if section == "index":
        return [*dict.fromkeys(links_of("index"))]
    taken = {page for other in SECTIONS if other != section for page in links_of(other)}
    pages = [page for page in dict.fromkeys(links_of(section)) if page not in links_of("index")]
    if section == OTHERS:
        named = taken | set(pages) | FOLDERS.keys() | {f"{name}.md" for name in SECTIONS}
        there = sorted(page.name for page in HERE.glob("*.md"))
        pages += [page for page in there if page not in named]
    return pages


def add_tree(app, docname, source):
    """Append the tree to a section, and lead links out of this folder to their pages."""
    for folder, page in FOLDERS.items():
        source[0] = re.sub(rf"\]\({re.escape(folder)}(?=[)#])", f"]({page}", source[0])
    if docname in SECTIONS:
        entries = [page.rpartition(".")[0] for page in tree_of(docname)]
        lines = ["", "```{toctree}", ":hidden:", "", *entries, "```", ""]
        source[0] += "\n".join(lines)


def skip_foreign(app, kind, name, member, skip, options):
    """Leave out what classes inherit from others, scikit-learn's methods above all."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    module = getattr(function, "__module__", None) or "madapt"
    return True if not module.startswith("madapt") else None


def unlink_mail(app, doctree):
    """Leave nDCG@10 as text, which reStructuredText takes for an address."""
    for node in list(doctree.findall(reference)):
        if node.get("refuri", "").startswith("mailto:"):
            node.replace_self(node.children)


def name_home(app, pagename, templatename, context, doctree):
    """Call the home page in a browser's tab by what it says, not by the name twice."""
    if pagename == "index":
        context["title"] = "Make any embedding Matryoshka"


def setup(app):
    """Connect the above."""
    app.connect("doctree-read", unlink_mail)
    app.connect("html-page-context", name_home)
    app.connect("source-read", add_tree)
    app.connect("autodoc-skip-member", skip_foreign)
