"""The pages in a real browser: what moves moves, what sorts sorts, and nothing is asked of the network.

Every test drives a headless Chromium with all requests but those for files refused and recorded; a request, an error
or a word on the console fails the test that caused it.
"""

import os
import re
import shutil
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from time import monotonic
from unittest.mock import patch

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from benchmarks.html_page import html_page
from benchmarks.page import results
from handgrad.cli.options import OPTIMIZERS
from handgrad.cli.play import SETTINGS
from handgrad.experiments import EXPERIMENTS
from handgrad.files import REPORT, RESULT
from handgrad.play.board import Board
from handgrad.play.server import Server
from handgrad.report import page as report_page
from handgrad.report import write_report
from handgrad.report.index import Finished, write_index
from handgrad.report.overlay import read, write_overlay
from handgrad.report.result_json import write_result
from handgrad.report.timeline_pictures import Drawn, Film
from handgrad.trace import trace, unfold
from handgrad.trace.page import page as trace_page
from handgrad.training.outcome import Outcome
from handgrad.training.record import Repeat
from handgrad.training.train import prepare, train
from handgrad.worksheet import draw
from handgrad.worksheet.page import page as worksheet_page
from parity_tests.product.test_report import fake_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZE = 5_000_000  # bytes
WIDTHS = (400, 900, 1600)
TITLES = {"region": "Decision region", "neurons": "Neuron maps", "gradients": "Gradient norms"}
MOMENTS = 5

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


def stand_in(*_) -> Film:
    """A film whose pictures say which moment they are, and whose ids are the same at every moment."""

    def svg(key, n):
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 400" role="img" '
            f'aria-label="{key} at moment {n}">'
            f'<clipPath id="film-{key}-clip"><rect width="{90 * n}" height="400"/></clipPath>'
            f'<circle clip-path="url(#film-{key}-clip)" r="150" cx="270" cy="200" fill="var(--numpy, #0072b2)"/></svg>'
        )

    frames = [Drawn(f"epoch {n}, step {40 * n}", {key: svg(key, n) for key in TITLES}) for n in range(1, MOMENTS + 1)]
    return Film(frames, TITLES)


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """The report of a run, with everything in it; beside it its result, and under `other` those of another run."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "other").mkdir()
    for place, changes in ((folder, {"epochs": 2}), (folder / "other", {"epochs": 1, "hidden": (3,)})):
        run = train(prepare(replace(EXPERIMENTS["moons"], judge_every=10, **changes)), command="handgrad compare moons")
        write_report(Outcome.of(run), place / REPORT)
        write_result(Outcome.of(run), place / RESULT)
    return folder / REPORT


@pytest.fixture(scope="module")
def pages(tmp_path_factory, real) -> dict[str, Path]:
    """One page of every kind."""
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{name}.html" for name in ("report", "index", "trace", "bench", "overlay")}
    write_overlay(read((real.parent, real.parent / "other")), paths["overlay"])
    run = fake_run("moons", steps=80, epochs=12)
    ends = (0.97, None, 0.955, 0.99, float("nan"))
    run.repeats = [
        Repeat(9 + i, i != 3, {"scratch": end, "torch": 0.9 + i / 100}, {side: [0.5, 0.9] for side in run.sides})
        for i, end in enumerate(ends)
    ]
    with patch.object(report_page, "film", stand_in):
        write_report(Outcome.of(run), paths["report"])
    times = np.random.default_rng(0).permutation(np.geomspace(2e-4, 200, len(EXPERIMENTS)))
    outcomes = [
        Finished(experiment, None, float(time)) for experiment, time in zip(EXPERIMENTS.values(), times, strict=True)
    ]
    write_index(outcomes, paths["index"], "handgrad compare --all", 77.0, interrupted=False)
    step = trace(prepare(EXPERIMENTS["line"]), 2)
    paths["trace"].write_text(trace_page(step, unfold(step, "layers.0.weight[2,1]", depth=2)), encoding="utf-8")
    paths["bench"].write_text(html_page(results()["nvidia-h200-2026-11-29"]), encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        # Root, as in a container, may not have Chromium's sandbox.
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser, and what it did that it must not do."""

    tab: Page
    wrongs: list[str] = field(default_factory=list)

    def text(self, selector: str) -> list[str]:
        return self.tab.locator(selector).all_text_contents()

    def labels(self) -> list[str]:
        """What the pictures of the film say they are."""
        return self.tab.locator(".film .shot svg").evaluate_all("found => found.map(svg => svg.ariaLabel)")

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def watched(chromium, path: Path | str, width: int = 1000, script: bool = True, **options) -> Iterator[Opened]:
    """The page, a file or what a server of ours has, with everything it says or asks of others noted down."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script, **options)
    context.set_default_timeout(120_000)  # milliseconds: for what never comes, not for what a busy machine brings late
    opened = Opened(context.new_page())
    own = "file:" if isinstance(path, Path) else path

    def decide(route) -> None:
        if route.request.url.startswith(own):
            route.continue_()
        else:
            opened.wrongs.append(f"request {route.request.url}")
            route.abort()

    context.route("**/*", decide)
    opened.tab.on("console", lambda message: opened.wrongs.append(f"console {message.text}"))
    opened.tab.on("pageerror", lambda error: opened.wrongs.append(f"error {error}"))
    opened.tab.goto(path.as_uri() if isinstance(path, Path) else path)
    try:
        yield opened
    finally:
        context.close()


@pytest.fixture
def visit(chromium, pages):
    """Open a page by its name; at the end of the test none of them may have done anything wrong."""

    @contextmanager
    def inner(name: str, **options) -> Iterator[Opened]:
        with watched(chromium, pages[name], **options) as opened:
            yield opened
        assert opened.wrongs == []

    return inner


def test_what_a_page_must_not_do_is_seen(chromium, tmp_path):
    (tmp_path / "bad.html").write_text(
        '<img src="https://example.org/a.png"><script>console.log("word"); missing()</script>', encoding="utf-8"
    )
    with watched(chromium, tmp_path / "bad.html") as opened:
        opened.tab.wait_for_load_state("networkidle")
    kinds = {wrong.split()[0] for wrong in opened.wrongs}
    assert kinds == {"request", "console", "error"}


def test_the_browser_itself_refuses_what_is_not_in_the_page(chromium, pages, tmp_path):
    """Were a name to slip through the escaping, its script would not run and its picture would not be fetched."""
    html = pages["report"].read_text(encoding="utf-8")
    evil = '<img src="https://example.org/a.png"><script>document.title = "taken"</script>'
    (tmp_path / "bad.html").write_text(html.replace("</main>", f"{evil}</main>"), encoding="utf-8")
    with watched(chromium, tmp_path / "bad.html") as opened:
        assert opened.tab.title() == "moons · handgrad"
        assert not [wrong for wrong in opened.wrongs if wrong.startswith("request")]
        assert [wrong for wrong in opened.wrongs if "Content Security Policy" in wrong]


@pytest.mark.parametrize("name", ["report", "index", "trace", "bench", "overlay"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_their_window_and_are_small(visit, pages, name, width):
    assert pages[name].stat().st_size < SIZE
    with visit(name, width=width) as page:
        for scheme in ("light", "dark"):
            page.tab.emulate_media(color_scheme=scheme)
            assert page.overflow() == 0
            ink, paper = page.tab.evaluate(
                "['color', 'backgroundColor'].map(of => getComputedStyle(document.body)[of].match(/\\d+/g).map(Number))"
            )
            assert (sum(ink) < sum(paper)) == (scheme == "light")


def test_the_film_comes_first(visit):
    """Below the verdict, of the headings, of the contents, and of what the keyboard reaches in the main part."""
    with visit("report", width=1280) as page:
        verdict, film = page.tab.locator(".verdicts"), page.tab.locator(".film")
        ends = verdict.bounding_box()["y"] + verdict.bounding_box()["height"]
        assert ends < film.bounding_box()["y"] < 900  # in the first window
        assert page.text("main h2")[0] == page.text(".contents a")[0] == "Step by step"
        page.tab.get_by_role("link", name="Skip to the results").press("Enter")
        page.tab.keyboard.press("Tab")
        assert page.tab.evaluate("document.activeElement.id") == "film-step"


def test_a_wide_window_is_used(visit):
    with visit("report", width=1600) as page:
        assert page.tab.locator("main").bounding_box()["width"] > 1450
        tops = page.tab.locator(".film figure").evaluate_all("found => found.map(f => f.getBoundingClientRect().top)")
        assert len(set(tops)) == 1


def moment(n: int) -> list[str]:
    return [f"{key} at moment {n}" for key in TITLES]


def test_the_slider_moves_all_pictures_together(visit):
    with visit("report") as page:
        slider, said = page.tab.get_by_role("slider", name="Step of training"), page.tab.locator(".film output")
        assert page.labels() == moment(MOMENTS)
        assert page.tab.get_by_text("needs JavaScript").is_hidden()
        # Home, then on with the arrows, then back to the end.
        for key, n in [("Home", 1), ("ArrowRight", 2), ("ArrowUp", 3), ("ArrowLeft", 2), ("End", MOMENTS)]:
            slider.press(key)
            label = f"epoch {n}, step {40 * n}"
            assert page.labels() == moment(n)
            assert said.text_content() == slider.get_attribute("aria-valuetext") == label
            assert page.text(".film figcaption") == [label] * len(TITLES)
        assert said.get_attribute("aria-live") == "polite"
        ids = page.tab.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        before = page.tab.locator(".film .gallery").screenshot()
        slider.fill("1")
        assert page.labels() == moment(2)
        assert page.tab.locator(".film .gallery").screenshot() != before


def test_buttons_step_and_play(visit):
    with visit("report") as page:
        page.tab.clock.install(time=0)
        page.tab.clock.pause_at(10)  # time is what the test says, however busy the machine is
        back, on = (page.tab.get_by_role("button", name=name) for name in ("One step back", "One step on"))
        back.click()
        assert page.labels() == moment(MOMENTS - 1)
        on.click()
        on.click(force=True)  # at the end: it can be pressed, and does nothing
        assert page.labels() == moment(MOMENTS)
        assert on.get_attribute("aria-disabled") == "true"
        play = page.tab.get_by_role("button", name="Play")
        play.click()  # at the end: from the beginning
        assert page.labels() == moment(1)
        assert page.tab.locator(".film output").get_attribute("aria-live") == "off"
        page.tab.clock.run_for(850)
        assert page.labels() == moment(2)
        page.tab.get_by_role("button", name="Pause").click()
        page.tab.clock.run_for(5000)
        assert page.labels() == moment(2)
        page.tab.get_by_role("button", name="Play").click()
        page.tab.clock.run_for(10_000)
        assert page.labels() == moment(MOMENTS)
        assert play.is_visible()  # it stopped by itself


def test_who_asked_for_less_motion_gets_no_play_button(visit):
    with visit("report", reduced_motion="reduce") as page:
        play = page.tab.locator("[data-play]")
        assert play.is_hidden()
        page.tab.emulate_media(reduced_motion="no-preference")
        play.wait_for(state="visible")


def test_without_a_script_the_last_step_is_shown(visit):
    with visit("report", script=False) as page:
        assert page.tab.locator(".film .shot svg[aria-label$='moment 5']").count() == len(TITLES)
        assert page.tab.get_by_text("the last of 5 recorded moments").is_visible()
        for absent in (".controls", ".save >> nth=0"):
            assert page.tab.locator(absent).is_hidden()
        assert page.tab.locator("th button").count() == 0


def sorted_column(page: Opened, head: str, column: int, table: str) -> list[str]:
    """The cells of a column after one more press on the head's button."""
    page.tab.locator(f"{table} th button", has_text=head).first.click()
    return page.text(f"{table} tbody tr > :nth-child({column})")


def test_tables_sort(visit):
    with visit("report") as page:
        table = "section[aria-labelledby=seeds] table"
        assert page.text(f"{table} tbody th") == ["9", "10", "11", "12", "13"]
        # What is no number comes last in either direction.
        assert sorted_column(page, "NumPy", 2, table) == ["0.955", "0.97", "0.99", "–", "NaN"]
        assert page.text(f"{table} tbody th") == ["11", "9", "12", "10", "13"]  # whole rows move
        head = page.tab.locator(f"{table} th", has_text="NumPy")
        assert head.get_attribute("aria-sort") == "ascending"
        assert sorted_column(page, "NumPy", 2, table) == ["0.99", "0.97", "0.955", "–", "NaN"]
        assert head.get_attribute("aria-sort") == "descending"
        assert sorted_column(page, "Seed", 1, table) == ["9", "10", "11", "12", "13"]  # as numbers, not as words
        assert head.get_attribute("aria-sort") == "none"
        assert sorted_column(page, "Parity", 5, table)[0] == "FAILED"
        button = page.tab.locator(f"{table} th button", has_text="Parity")
        button.press("Enter")
        button.press("Space")  # a third press: as it was written
        assert page.text(f"{table} tbody th") == ["9", "10", "11", "12", "13"]
        assert button.evaluate("b => b === document.activeElement")


def test_the_numbers_behind_the_curves(visit):
    with visit("report") as page:
        page.tab.get_by_text("Every epoch in numbers").click()
        table = "details table"
        assert page.text(f"{table} tbody th") == [str(epoch) for epoch in range(13)]
        shares = [float(cell.rstrip(" %")) for cell in sorted_column(page, "NumPy, train accuracy", 6, table)]
        assert shares == sorted(shares)
        losses = [float(cell) for cell in sorted_column(page, "NumPy, train loss", 2, table)]
        assert losses == sorted(losses)


def test_the_other_pages_sort_as_well(visit):
    with visit("index") as page:
        times = sorted_column(page, "Time", 7, "section:nth-of-type(4) table")
        units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
        seconds = [float(number) * units[unit] for number, unit in map(str.split, times)]
        assert seconds == sorted(seconds)
        assert len({time.split()[1] for time in times}) > 1
    with visit("trace") as page:
        sums = [float(cell) for cell in sorted_column(page, "sum so far", 6, "#entry > .scroll > table")]
        assert sums == sorted(sums)


def test_a_step_is_walked_through(visit):
    with visit("trace") as page:
        slider, moves = page.tab.get_by_role("slider", name="Move of the step"), page.tab.locator(".move")
        titles = page.text(".move h2")
        assert [title.split()[0] for title in titles] == ["Forward"] * 4 + ["Loss:"] + ["Backward"] * 5 + ["Update"] * 2
        for key, n in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 11), ("Home", 0)]:
            slider.press(key)
            assert [move.is_visible() for move in moves.all()] == [k == n for k in range(12)]
            assert page.text(".walk output") == [titles[n]] == [slider.get_attribute("aria-valuetext")]
        page.tab.get_by_role("link", name="Update").click()
        assert moves.nth(10).is_visible()
    with visit("trace", script=False) as page:
        assert all(move.is_visible() for move in page.tab.locator(".move").all())


def test_every_picture_is_saved_as_a_file_that_stands_alone(visit, tmp_path):
    with visit("report", accept_downloads=True, color_scheme="dark") as page:
        page.tab.get_by_role("slider").press("ArrowLeft")
        pictures = page.tab.locator("figure")
        buttons = page.tab.get_by_role("button", name="Save as SVG: ")
        assert pictures.count() == buttons.count() >= 8
        names: set[str] = set()
        for i, button in enumerate(buttons.all()):
            if i % 10 == 9:
                page.tab.wait_for_timeout(1100)  # Chromium takes at most ten in a second
            with page.tab.expect_download() as waiting:
                button.click()
            names.add(waiting.value.suggested_filename)
            path = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(path)
            text = path.read_text(encoding="utf-8")
            root = ElementTree.fromstring(text)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert float(root.get("width")) > 100
            assert float(root.get("height")) > 50
            assert len(root.findtext("{http://www.w3.org/2000/svg}title")) > 5
            assert "var(" not in text
            ids = [e.get("id") for e in root.iter() if e.get("id")]
            assert len(ids) == len(set(ids))
    assert {"moons-loss.svg", "moons-region-epoch-4-step-160.svg", "moons-confusion-NumPy.svg"} <= names
    assert "moment 4" in (tmp_path / "moons-region-epoch-4-step-160.svg").read_text(encoding="utf-8")


def test_a_saved_picture_opens_by_itself(chromium, visit, tmp_path):
    with visit("report") as page:
        for name in ("Loss, step by step", "confusion matrix of NumPy"):
            with page.tab.expect_download() as waiting:
                page.tab.get_by_role("button", name=f"Save as SVG: {name}").click()
            waiting.value.save_as(tmp_path / "saved.svg")
            with watched(chromium, tmp_path / "saved.svg") as opened:
                assert opened.tab.locator("text").count() > 5
            assert opened.wrongs == []


def test_everything_is_reached_by_keyboard(visit):
    with visit("report", width=400) as page:
        page.tab.keyboard.press("Tab")
        skip = page.tab.get_by_role("link", name="Skip to the results")
        assert skip.bounding_box()["width"] > 100
        page.tab.keyboard.press("Enter")
        assert page.tab.evaluate("document.activeElement.id") == "main"
        expected = page.tab.locator("main :is(button, input, summary):visible").count()
        seen = 0
        for _ in range(200):
            page.tab.keyboard.press("Tab")
            tag, outline = page.tab.evaluate(
                "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
            if tag == "BODY":
                break
            assert outline != "none"
            seen += tag in ("BUTTON", "INPUT", "SUMMARY")
        assert seen == expected > 20


def test_a_screen_reader_finds_its_way(visit):
    """Names of what can be pressed, pictures and regions; one main part, headings without gaps."""
    for name in ("report", "index", "trace", "overlay"):
        with visit(name) as page:
            tree = page.tab.locator("body").aria_snapshot()
            for role in ("button", "slider", "img", "figure", "region", "link", "navigation"):
                lines = [line.strip() for line in tree.splitlines() if line.strip().startswith(f"- {role}")]
                assert not [line for line in lines if '"' not in line], role
            levels = page.tab.locator("h1, h2, h3").evaluate_all("found => found.map(h => Number(h.tagName[1]))")
            assert levels[0] == 1
            assert levels.count(1) == page.tab.get_by_role("main").count() == 1
            assert all(b <= a + 1 for a, b in pairwise(levels))


def test_a_real_run(chromium, real):
    assert real.stat().st_size < SIZE
    for width in WIDTHS:
        with watched(chromium, real, width=width) as page:
            assert page.overflow() == 0
            shots = page.tab.locator(".film .shot")
            last = shots.evaluate_all("found => found.map(shot => shot.innerHTML)")
            page.tab.get_by_role("slider").press("Home")
            first = shots.evaluate_all("found => found.map(shot => shot.innerHTML)")
            assert len(first) == 8
            assert all(before != after for before, after in zip(first, last, strict=True))
        assert page.wrongs == []


READ = "found => found.map(figure => figure.querySelector('.reading').textContent)"
SHOTS = "figure:has(.shot svg title)"


def test_values_are_read_by_pointer_and_keyboard(chromium, real):
    """In every picture that has them, the film's first: a mark's words stand below it, and follow the slider."""
    with watched(chromium, real) as page:
        figures = page.tab.locator(SHOTS)
        assert figures.count() == 8 + 3  # of the film; loss, accuracy, drift
        for figure in figures.all():
            shot, said, frame = (figure.locator(part) for part in (".shot", ".reading", ".here"))
            titles = shot.locator("title").all_text_contents()
            shot.focus()
            for key, n in [("ArrowRight", 0), ("ArrowDown", 1), ("ArrowLeft", 0), ("End", -1), ("Home", 0)]:
                shot.press(key)
                assert said.text_content() == titles[n] != ""
                assert frame.count() == 1
        assert page.tab.locator(".here").count() == 1  # of the picture that has the focus
        assert sum(map(bool, figures.evaluate_all(READ))) == 1
        first = figures.first
        first.locator("title").nth(9).locator("..").hover()
        now = first.locator(".reading").text_content()
        assert now == first.locator("title").nth(9).text_content()
        page.tab.get_by_role("slider").press("Home")  # the pointer rests where it was
        assert first.locator(".reading").text_content() == first.locator("title").nth(9).text_content() != now
        page.tab.mouse.move(0, 0)
        assert not any(figures.evaluate_all(READ))
    assert page.wrongs == []


def test_two_films_move_in_step(visit):
    """One slider for both; a picture of A stands beside the same of B."""
    with visit("overlay", width=1600) as page:
        slider, shots = page.tab.get_by_role("slider"), page.tab.locator(".film .shot")
        said = page.tab.locator(".film output")
        assert said.text_content() == "A: epoch 2, step 10; B: epoch 1, step 5"
        slider.press("Home")
        assert said.text_content() == "untrained"
        assert all(label.rstrip(".").count("untrained") for label in page.labels())
        headings = page.text(".film h3")
        assert [heading[0] for heading in headings] == ["A", "B"] * (shots.count() // 2)
        assert [a[1:] for a in headings[::2]] == [b[1:] for b in headings[1::2]]
    for width, row in ((400, 1), (900, 2), (1600, 4)):
        with visit("overlay", width=width) as page:
            tops = page.tab.locator(".film figure").evaluate_all("all => all.map(f => f.getBoundingClientRect().top)")
            assert len({tops[i] for i in range(row)}) == 1 < len({tops[i] for i in range(row + 1)})


def test_on_paper(visit):
    with visit("report", width=794, color_scheme="dark") as page:
        page.tab.emulate_media(media="print")
        assert page.overflow() == 0
        assert page.tab.locator(".controls").is_hidden()
        assert page.tab.locator(".save:visible").count() == 0
        assert page.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.tab.pdf().startswith(b"%PDF")


def test_a_long_film_is_thinned_until_the_page_is_small_enough():
    picture = "x" * 40_000
    frames = [Drawn(str(n), {"a": picture, "b": picture}) for n in range(150)]
    kept = report_page.fitting(Film(frames, {"a": "A", "b": "B"}))
    assert kept.frames[0] == frames[0]
    assert kept.frames[-1] == frames[-1]
    most = report_page.FILM_SIZE / len(picture) / 2
    assert most / 2 < len(kept.frames) <= most
    assert report_page.fitting(kept) == kept


def test_the_fullest_worksheets_print_on_one_sheet(chromium, tmp_path):
    for sizes, samples in (((3, 4, 1), 2), ((2, 3, 1), 4), ((2, 2, 2, 1), 2)):
        sheet = draw(sizes, samples=samples)
        (tmp_path / "key.html").write_text(worksheet_page(sheet, sheet.key()), encoding="utf-8")
        with watched(chromium, tmp_path / "key.html") as opened:
            printed = opened.tab.pdf(prefer_css_page_size=True)
            assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


# --- the live board ---------------------------------------------------------------------------------------------------


@pytest.fixture
def board(chromium):
    """Open the board of an experiment, served; at the end of the test it may have done nothing wrong."""

    @contextmanager
    def inner(name: str, given: dict[str, str], **options) -> Iterator[tuple[Opened, Board]]:
        played = Board(name, SETTINGS, tuple(OPTIMIZERS))
        for setting, text in given.items():
            played.change(setting, text)
        server = Server(played)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            with watched(chromium, server.url, **options) as opened:
                until(opened, "#numbers-said:not(:empty)")
                yield opened, played
            assert opened.wrongs == []
        finally:
            server.shutdown()
            serving.join()
            server.end()

    return inner


def until(page: Opened, selector: str, text: str = "") -> None:
    page.tab.locator(selector, has_text=text).first.wait_for()


def later(page: Opened, reached: Callable[[], bool]) -> None:
    """Wait for what the page does by itself; its policy lets no expression be tried in it again and again."""
    start = monotonic()
    while not reached():
        assert monotonic() - start < 120, "it never comes"
        page.tab.wait_for_timeout(20)


def test_the_board_plays_while_it_is_changed(board):
    with board("moons", {"hidden": "4"}) as (page, played):
        play, now = page.tab.get_by_role("button", name="Play"), page.tab.locator("#now")
        assert now.text_content() == "step 0"
        play.click()
        later(page, lambda: played.run.step > 2)
        # Changed while it plays: the rate at once, without a new net.
        page.tab.get_by_label("Learning rate").fill("0.002")
        page.tab.get_by_label("Learning rate").press("Enter")
        until(page, "#said", "lr is 0.002 from step")
        assert played.number == 2
        # What is refused is said, and the net goes on as it was.
        page.tab.get_by_label("Widths of hidden").fill("4,x")
        page.tab.get_by_label("Widths of hidden").press("Tab")
        until(page, "#refused", "hidden must be whole numbers")
        assert page.tab.get_by_label("Widths of hidden").get_attribute("aria-invalid") == "true"
        seen = played.run.step
        later(page, lambda: played.run.step > seen)
        assert (played.number, played.settings()["hidden"]) == (2, "4")
        # Another net: from the start, and it plays on.
        page.tab.get_by_label("Activation").select_option("tanh")
        until(page, "#said", "activation changed: a new net, at step 0")
        later(page, lambda: played.number == 3 and played.run.step > 2)
        page.tab.get_by_role("button", name="Pause").click()
        later(page, lambda: not page.tab.evaluate("looping"))
        # What is shown is what is there.
        frame = played.frame()
        losses = [float(text) for text in page.text("[data-of$='.batch_loss']")]
        assert losses == [float(f"{frame['sides'][side]['batch_loss']:.6g}") for side in ("scratch", "torch")]
        assert page.text("#numbers td:first-child button") == ["".join(row[0][:3]) for row in frame["table"]["rows"]]
        assert page.tab.locator("#map-torch").get_attribute("aria-label").endswith(frame["maps"]["torch"]["said"])
        colours = (
            "new Set(document.querySelector('#map-scratch').getContext('2d').getImageData(0, 0, 656, 656).data).size"
        )
        assert page.tab.evaluate(colours) > 20
        # A hidden page asks for nothing.
        page.tab.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden'})")
        page.tab.get_by_role("button", name="Play").click()
        assert page.tab.evaluate("looping") is False


def test_a_number_of_the_board_opens(board):
    """By pointer in the net, and by keyboard alone in the table."""
    with board("moons", {"hidden": "4"}) as (page, played):
        page.tab.get_by_role("button", name="One step").press("Enter")
        until(page, "#now", "step 1")
        assert page.tab.locator("#net .wire").count() == 16
        page.tab.locator("#net .wire").nth(2).dispatch_event("click")
        until(page, "#opened-title", "dL/dweight[1,0] of layers.0, step 1")
        page.tab.get_by_label("its weights").check()
        until(page, "#numbers button[data-entry='update layers.0.weight[0,0]']")
        first = page.tab.locator("#numbers button[tabindex='0']")
        first.focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
            page.tab.keyboard.press(key)
        until(page, "#opened-title", "new layers.0.weight[2,1], step 1")
        assert page.tab.evaluate("document.activeElement.id") == "opened-title"
        text = page.tab.locator("#unfolded").text_content()
        assert f"{played.opened('update layers.0.weight[2,1]').number.reference:.17g}" in text
        assert (
            "handgrad trace moons --step 1 --hidden 4 --entry 'update layers.0.weight[2,1]'"
            in page.text("#opened-said")[0]
        )
        page.tab.keyboard.press("Tab")
        page.tab.keyboard.press("ArrowDown")  # two layers deep
        until(page, "#unfolded details summary")
        page.tab.get_by_role("button", name="Back to the number").press("Enter")
        assert page.tab.evaluate("document.activeElement.dataset.entry") == "update layers.0.weight[2,1]"
        # The loss opens the page of the whole step, at the loss.
        link = page.tab.locator("[data-loss]").first
        page.tab.goto(page.tab.url + link.get_attribute("href").lstrip("/"))
        assert page.text(".move:visible h2")[0].startswith("Loss")
        assert played.run.step == 1


def test_rows_are_pasted_into_the_board(board):
    rows = "length,width,kind\n" + "".join(f"{i},{i % 3 - 0.5},{'rose' if i < 8 else '<b>iris'}\n" for i in range(20))
    with board("line", {}, width=400) as (page, played):
        page.tab.get_by_text("Your own data").click()
        button = page.tab.get_by_role("button", name="Train on these rows")
        page.tab.get_by_label("Rows of a CSV file").fill(rows.replace("\n7,", "\n7 or 8,"))
        page.tab.get_by_label("Column to learn").fill("kind")
        button.click()
        until(page, "#refused", "'7 or 8'")
        assert (played.number, played.settings()["data"]) == (1, "line")
        page.tab.get_by_label("Rows of a CSV file").fill(rows)
        button.click()
        until(page, "#about", "pasted.csv: kind from 2 columns")
        assert page.text("#refused") == [""]
        assert [text.strip() for text in page.text("#legend li")] == ["<b>iris", "rose"]
        assert page.tab.get_by_label("Data", exact=True).input_value() == "pasted.csv"


def test_the_board_fits_its_window_and_is_read_aloud(board):
    with board("moons", {}, color_scheme="dark") as (page, _):
        page.tab.get_by_role("button", name="One step").click()
        until(page, "#now", "step 1")
        page.tab.locator("#numbers button").first.click()
        until(page, "#opened-title", "of layers.0, step 1")
        for width in WIDTHS:
            page.tab.set_viewport_size({"width": width, "height": 900})
            assert page.overflow() == 0
        tree = page.tab.locator("body").aria_snapshot()
        for role in ("button", "img", "figure", "region", "link", "textbox", "combobox", "radio", "status", "alert"):
            lines = [line.strip() for line in tree.splitlines() if line.strip().startswith(f"- {role}")]
            unnamed = [line for line in lines if '"' not in line and role not in ("status", "alert")]
            assert unnamed == []
        levels = page.tab.locator("h1, h2, h3").evaluate_all("found => found.map(h => Number(h.tagName[1]))")
        assert levels.count(1) == page.tab.get_by_role("main").count() == 1
        assert all(b <= a + 1 for a, b in pairwise(levels))
