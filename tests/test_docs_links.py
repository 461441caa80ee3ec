"""Relative links of README and the docs lead to files and headings; the API page is complete."""

import importlib
import re
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
if not DOCS.exists():
    pytest.skip("the docs are not there, only the package", allow_module_level=True)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
#: Modules whose public names the API page lists.
MODULES = [
    "madapt",
    *(
        f"madapt.{name}"
        for name in (
            "losses",
            "neighbors",
            "search",
            "evaluation",
            "baselines",
            "datasets",
            "io",
            "export",
            "backends",
            "exceptions",
        )
    ),
]


def prose(page):
    """Return a page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def links(page):
    """Return targets of the page's links that are not addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page):
    """Return what a Git host calls the page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    names = []
    for heading in re.findall(r"^#+ (.*)$", text, flags=re.M):
        plain = unicodedata.normalize("NFC", heading.strip().lower())
        names.append(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(there), target


def test_links_are_found():
    # A pattern that finds nothing would pass the test above.
    assert {"guide.md", "../examples"} <= set(links(DOCS / "index.md"))
    assert "the-guard" in anchors(DOCS / "house.md")


def listed():
    """Return the objects that the API page lists, by their full names."""
    found, module = {}, None
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if start := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = start[1]
        elif name := re.match(r"   ([\w.]+)$", line):
            found[f"{module}.{name[1]}"] = None
    for full in found:
        before, _, last = full.rpartition(".")
        found[full] = getattr(importlib.import_module(before), last)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_lists_every_public_name(module):
    there = listed()
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        if name == "__version__":
            continue
        # What is public in two modules is described in one of them.
        assert f"{module}.{name}" in there or any(value is one for one in there.values()), name


def test_the_reference_lists_nothing_else():
    for full in listed():
        module, _, name = full.rpartition(".")
        assert name in importlib.import_module(module).__all__, full
