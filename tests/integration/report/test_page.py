"""Test the page of a report in a browser, from a file and without a network."""

import base64
import gzip
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reported import MACS, write_run
from seminas.report import page
from seminas.report.runs import read_runs

MARKUP = "<b>seminas</b></script><script>throw 1</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    for strategy in ("random", "seminas"):
        for seed in range(5):
            write_run(folder / f"{strategy}{seed}", strategy, seed, costs=[MACS])
    for file in folder.rglob("*.json*"):  # A name is a text, and must not become markup.
        file.write_text(file.read_text().replace('"seminas"', json.dumps(MARKUP)))
    return page.write_report(read_runs([folder]), folder / "report")


@pytest.fixture(scope="module")
def loaded(browser: Any, report: Path) -> Iterator[Any]:
    """Yield the page after its charts have been drawn. It must ask for no other file, and have no error."""
    context = browser.new_context(color_scheme="light", offline=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on(
        "request", lambda request: problems.append(request.url) if request.url.startswith("http") else None
    )
    tab.goto(report.as_uri())
    tab.wait_for_selector("html[data-ready]", timeout=60_000)
    assert tab.locator("figure[data-charts] img:visible").count() == 0
    tab.problems = problems
    yield tab
    context.close()


@pytest.fixture
def opened(loaded: Any) -> Iterator[Any]:
    """Yield the page. A test must have caused no error, and no request to a network."""
    loaded.mouse.move(0, 0)
    yield loaded
    assert loaded.problems == []


def chart(tab: Any, name: str) -> Any:
    place = tab.locator(f"figure[data-charts={name}] .chart").first
    place.scroll_into_view_if_needed()
    return place


def point(tab: Any, name: str) -> tuple[float, float, dict[str, Any]]:
    """Return the place on the screen of the point of an architecture that is farthest from others, with its values."""
    found = chart(tab, name).evaluate(
        """(place) => {
            const { left, top } = place.getBoundingClientRect();
            const { xaxis, yaxis, _size } = place._fullLayout;
            const points = place.data.filter((trace) => trace.mode === "markers").flatMap((trace) =>
                trace.x.map((x, i) => ({
                    x: left + _size.l + xaxis.d2p(x), y: top + _size.t + yaxis.d2p(trace.y[i]),
                    value: trace.y[i], about: trace.customdata[i], name: trace.name,
                })));
            const inside = points.filter(({ value }) => value > yaxis.range[0] && value < yaxis.range[1]);
            const room = (p) => Math.min(...points.map((q) => p === q ? 1e9 : Math.hypot(p.x - q.x, p.y - q.y)));
            return inside.reduce((best, p) => room(p) > room(best) ? p : best);
        }"""
    )
    return found["x"], found["y"], found


def hover_and_read(tab: Any, name: str) -> tuple[str, dict[str, Any]]:
    x, y, found = point(tab, name)
    tab.mouse.move(x + 30, y + 30)
    tab.mouse.move(x, y, steps=3)
    label = tab.locator(f"figure[data-charts={name}] .hoverlayer .hovertext").first
    label.wait_for()
    return label.text_content(), found


@pytest.mark.parametrize("name", ["curves", "fronts"])
def test_a_point_shows_its_architecture_and_its_metrics(opened: Any, report: Path, name: str) -> None:
    text, found = hover_and_read(opened, name)
    (content,) = re.findall(r'id="section-1">(.*?)</script>', report.read_text())
    section = json.loads(gzip.decompress(base64.b64decode(content)))
    architecture = section["architectures"][found["about"][0]]
    assert architecture["key"] in text and f"seed {found['about'][1]}" in text
    assert re.search(rf"validation accuracy {found['value']:.5g}", text) and "macs " in text
    assert architecture["graph"]["names"][0] in text


def test_a_click_draws_the_architecture(opened: Any) -> None:
    _, found = hover_and_read(opened, "fronts")
    x, y, _ = point(opened, "fronts")
    opened.mouse.click(x, y)
    panel = opened.locator("#architecture")
    panel.wait_for()
    assert panel.locator("svg rect").count() == 8 and panel.locator("svg path[marker-end]").count() == 7
    assert html.unescape(found["name"]) in panel.locator("strong").text_content()
    opened.keyboard.press("Escape")
    assert panel.count() == 0


def test_dark_colors_follow_the_system_and_a_button(opened: Any) -> None:
    def background() -> str:
        return str(opened.evaluate("getComputedStyle(document.body).backgroundColor"))

    def ink() -> str:
        return str(chart(opened, "curves").locator(".xtitle").evaluate("text => getComputedStyle(text).fill"))

    light = background(), ink()
    assert light == ("rgb(255, 255, 255)", "rgb(34, 34, 34)")
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function("document.querySelector('.xtitle').style.fill !== 'rgb(34, 34, 34)'")
    dark = background(), ink()
    assert dark == ("rgb(22, 24, 29)", "rgb(228, 228, 228)")
    opened.click("#theme")
    opened.wait_for_function("document.querySelector('.xtitle').style.fill === 'rgb(34, 34, 34)'")
    assert (background(), ink()) == light


def test_a_name_from_a_run_is_no_markup(opened: Any) -> None:
    assert opened.locator("table td", has_text=MARKUP).count() >= 2
    legend = chart(opened, "curves").locator(".legendtext")
    assert MARKUP in legend.all_text_contents()


def test_no_button_sends_a_chart_to_a_server(opened: Any) -> None:
    titles = set(opened.locator(".modebar-btn").evaluate_all("all => all.map((b) => b.dataset.title)"))
    assert titles == {"Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}


def test_a_rectangle_zooms(opened: Any) -> None:
    place = chart(opened, "curves")
    before = place.evaluate("place => place._fullLayout.xaxis.range")
    box = place.locator(".nsewdrag").first.bounding_box()
    opened.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
    opened.mouse.up()
    after = place.evaluate("place => place._fullLayout.xaxis.range")
    width = before[1] - before[0]
    assert after == pytest.approx([before[0] + 0.3 * width, before[0] + 0.6 * width], abs=0.03 * width)


def test_without_javascript_the_page_has_its_static_figures(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(report.as_uri())
    images = tab.locator("figure img")
    assert images.count() >= 5 and images.first.is_visible() and tab.locator("table").count() >= 3
    context.close()
