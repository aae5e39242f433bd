"""The pages of runs and comparisons in a real browser: no complaint, no request, nothing cut off."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tercet.evals.comparison import compare_runs
from tercet.evals.comparison_files import write_comparison
from tercet.evals.gate import Gate
from tercet.evals.runs import write_run
from tests.evals.made_runs import HOSTILE, hostile_run, made_run

if sys.platform == "win32":
    pytest.skip("the pipe to Chromium is made as POSIX has it", allow_module_level=True)

from tests.evals.chromium import Chromium, chromium, find_chromium

LUMINANCE = """
const linear = (share) => (share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
const channel = (value) => linear(value / 255);
const luminance = (colour) => {
  const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number);
  return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!/rgba\\(.*, 0\\)/.test(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrast = (node) => {
  const style = getComputedStyle(node);
  const ink = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
  const [one, other] = [luminance(ink), luminance(ground(node))];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
};
const texts = [...document.querySelectorAll("main *")].filter(
  (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
    && !["title", "desc"].includes(node.tagName) && !node.classList.contains("on-bar"));
"""
"""Contrast as WCAG 2.2 defines it, for every element that shows text."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    find_chromium()
    folder = tmp_path_factory.mktemp("pages")
    baseline, candidate = made_run("before"), made_run("after", skill=0.3, seed=8)
    hostile, other = hostile_run(), hostile_run("other")
    write_run(folder / "run", candidate)
    write_run(folder / "hostile", hostile)
    write_comparison(folder / "comparison", compare_runs(baseline, candidate, gates=[Gate.parse("R@10>=-0.01")]))
    write_comparison(folder / "hostile-comparison", compare_runs(other, replace(hostile, name=f"{HOSTILE} now")))
    return {path.name: path / "report.html" for path in folder.iterdir()}


@pytest.fixture(scope="module")
def browser(pages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["run", "comparison", "hostile", "hostile-comparison"])
def test_a_page_is_quiet_whole_and_legible(
    browser: Chromium, pages: dict[str, Path], name: str, scheme: str, width: int
) -> None:
    browser.open(pages[name], dark=scheme == "dark", width=width)

    overflow = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    faint = browser.evaluate(
        f"(() => {{ {LUMINANCE} return texts.filter((node) => contrast(node) < 4.5)"
        ".map((node) => `${contrast(node).toFixed(2)} ${node.outerHTML.slice(0, 120)}`); })()"
    )
    strangers = browser.evaluate('document.querySelectorAll("img, iframe, object, form").length')
    scripts = browser.evaluate("document.scripts.length")

    assert browser.complaints() == []
    assert set(browser.requests()) - {"data:,"} == {pages[name].as_uri()}
    assert overflow <= 0
    assert (int(ground[4:].split(",")[0]) < 128) == (scheme == "dark")
    assert faint == []
    assert (strangers, scripts) == (0, 1)


def test_a_click_on_a_header_sorts_by_number(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["comparison"], dark=False, width=1280)
    click = "document.querySelectorAll('table.sortable')[0].querySelectorAll('th button')[3].click()"
    values = (
        "[...document.querySelectorAll('table.sortable')[0].tBodies[0].rows].map((row) => +row.cells[3].dataset.value)"
    )

    browser.evaluate(click)
    rising = browser.evaluate(values)
    browser.evaluate(click)

    assert len(set(rising)) > 2
    assert rising == sorted(rising)
    assert browser.evaluate(values) == rising[::-1]
    assert browser.complaints() == []


def test_what_a_page_does_not_own_is_neither_run_nor_fetched(browser: Chromium, tmp_path: Path) -> None:
    """The policy holds even if markup from data came through: the test that the tests above can fail."""
    page = write_run(tmp_path / "run", made_run(questions=3)) / "report.html"
    broken = page.read_text("utf-8").replace("</h1>", f"{HOSTILE}<img src='http://127.0.0.1:9/x.png'></h1>", 1)
    page.write_text(broken, encoding="utf-8")

    browser.open(page, dark=False, width=1280)

    assert browser.evaluate("document.images.length") == 2
    assert "Content Security Policy" in " ".join(browser.complaints())
    assert not any("ran" in complaint and "consoleAPICalled" in complaint for complaint in browser.complaints())
    assert [event for event in browser.events if event["method"] == "Runtime.consoleAPICalled"] == []
    assert browser.requests()[0] == page.as_uri()


def test_every_plot_and_table_has_words(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["run"], dark=False, width=1280)

    unnamed = browser.evaluate(
        '[...document.querySelectorAll("svg[role=img]")].filter((svg) => !svg.querySelector(":scope > title")).length'
    )
    untitled = browser.evaluate('[...document.querySelectorAll("table")].filter((table) => !table.caption).length')
    plots = browser.evaluate('document.querySelectorAll("svg[role=img]").length')

    assert (unnamed, untitled) == (0, 0)
    assert plots > 10
