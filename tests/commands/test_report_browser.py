"""The page in a real browser: quiet, alone, for keys and screen readers, light, dark, on paper."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from madapt.cli import main

playwright = pytest.importorskip("playwright.sync_api")

BROWSER = os.environ.get("MADAPT_CHROMIUM") or shutil.which("chromium")
if BROWSER is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: WCAG's luminance of the colours of an element and of what it stands on, as their contrast.
CONTRAST = """element => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(
    c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  ).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = element;
  const of = one => parts(getComputedStyle(one).backgroundColor);
  while (of(ground).length === 4 && of(ground)[3] === 0) ground = ground.parentElement;
  const style = getComputedStyle(element);
  const ink = light(parts(element instanceof SVGElement ? style.fill : style.color));
  const page = light(of(ground));
  return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
}"""


@pytest.fixture(scope="module")
def page_file(files, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    labels = ["--queries", files / "queries.parquet", "--qrels", files / "qrels.tsv"]
    more = ["--price", "0.3", "--dims", "8,64,384", "--target", "0.3", "-o", path]
    arguments = ["report", model, files / "corpus.parquet", *labels, *more]
    assert main([str(argument) for argument in arguments]) == 0
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            folder, executable_path=BROWSER, args=FLAGS, headless=True
        )
        yield context
        context.close()


@pytest.fixture
def opened(browser, page_file):
    """Open the page at a width, light or dark; whatever it says or asks for is a failure."""
    pages, said, asked = [], [], []

    def run(width=1100, scheme="light", media="screen"):
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.emulate_media(color_scheme=scheme, media=media)
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(Path(page_file).as_uri())
        pages.append(page)
        return page

    yield run
    for page in pages:
        page.close()
    assert said == []
    assert {one for one in asked if one != "data:,"} == {Path(page_file).as_uri()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390, 320])
def test_nothing_is_wider_than_the_screen(width, scheme, opened):
    page = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("svg[role=img]:visible")
    assert shown.count() == 2
    for place in range(2):
        box = shown.nth(place).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    # Ticks can be read: the narrow picture is not the wide one made small.
    scale = page.evaluate(
        "(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
        "([...document.querySelectorAll('svg[role=img]')].find(one => one.clientWidth))"
    )
    assert 13 * scale > 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_it_stands_on(scheme, opened):
    page = opened(scheme=scheme)
    texts = "h1, h2, p, dt, dd, small, th, td, caption, a:not(.skip), code, .mark, .bad, text, li"
    found = page.eval_on_selector_all(
        texts, f"all => all.filter(one => one.textContent.trim()).map({CONTRAST})"
    )
    assert len(found) > 150
    assert min(found) >= 4.5
    lines = page.eval_on_selector_all("svg[role=img] g", f"all => all.map({CONTRAST})")
    assert min(lines) >= 3


def test_dark_is_dark_and_light_is_light(opened):
    grounds = [
        sum(
            map(
                int,
                opened(scheme=scheme).evaluate(
                    "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
                ),
            )
        )
        for scheme in ("light", "dark")
    ]
    assert grounds[0] > 600
    assert grounds[1] < 150


def test_paper_is_white_even_in_the_dark(opened):
    page = opened(700, "dark", "print")
    colour = "getComputedStyle(document.{}).{}"
    assert page.evaluate(colour.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator(".skip").is_visible()
    assert page.locator("svg[role=img]:visible").count() == 2
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_keys_reach_all_there_is(opened):
    page = opened(390)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("one => one === document.activeElement")
    page.wait_for_function("document.querySelector('.skip').getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")  # into the figures, past the links
    assert page.evaluate("document.activeElement.className") == "scroll"


def test_the_order_of_keys_is_that_of_the_page_and_can_be_seen(opened):
    page = opened()
    wanted = page.evaluate("document.querySelectorAll('a[href], [tabindex=\"0\"]').length")
    places, outlines = [], set()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        places.append(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
        outlines.add(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert places == sorted(set(places))
    assert len(places) == wanted
    assert outlines == {"solid"}


def test_what_a_screen_reader_hears(opened):
    page = opened()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title() == "corpus.parquet: madapt report"
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("navigation", name="Sections").count() == 1
    links = page.get_by_role("navigation").get_by_role("link").all_inner_texts()
    assert page.get_by_role("heading", level=2).all_inner_texts() == links
    for name in links:
        assert page.get_by_role("region", name=name, exact=True).count() == 1
    pictures = page.get_by_role("img", name="nDCG@10 by the number of dims kept")
    assert pictures.count() >= 1
    tables = page.get_by_role("table")
    assert tables.count() == 4
    assert page.get_by_role("table", name="The 10 queries that lose most at").count() == 1
    assert page.get_by_role("rowheader", name="take this").count() == 3


def test_links_lead_to_their_sections(opened):
    page = opened()
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        target = page.locator(link.get_attribute("href"))
        page.wait_for_timeout(0)
        assert target.count() == 1
    np.testing.assert_equal(page.url.partition("#")[2], "reproduce")
