"""The page in a real browser: a query is typed, results and words are seen, by keyboard alone and on a phone, right to left too."""

import os
import shutil
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import tiny_pairs

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import evaluate_retrieval
from optical_hf.search.page import search_page, serve

pytest.importorskip("gradio", reason="the extra app is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]
HEBREW = "הכלב ישן בגן"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def address(searched) -> Iterator[str]:
    """The page, with a translator of German and a report."""
    student, table = searched
    rows = tiny_pairs.bitext()
    english = dict(zip(rows["target"][:], rows["source"][:], strict=True))
    german = [row for row in range(len(rows)) if rows["language"][row] == "de"][:12]
    queries, documents = rows[german]["target"], rows[german]["source"]
    collection = RetrievalCollection.from_lines("scenes", {"de": queries}, documents)
    report = evaluate_retrieval(student, tiny_pairs.teacher(), collection, progress=False, rounds=200)
    page = search_page(
        student, table, teacher=tiny_pairs.teacher(), report=report, language="de", top=3,
        translator=lambda texts, language: [english.get(text, text) for text in texts],
    )  # fmt: skip
    yield serve(page, port=free_port(), wait=False)
    page.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390])
def page(chromium, address, request) -> Iterator[object]:
    """The page at the width of a desk and of a phone; it reaches nothing but its own server."""
    context = chromium.new_context(viewport={"width": request.param, "height": 844})
    opened, hosts, errors = context.new_page(), set(), []
    opened.on("request", lambda one: hosts.add(urlsplit(one.url).hostname))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.get_by_label("Query", exact=True).wait_for()
    yield opened
    if folder := os.environ.get("OPTICAL_HF_SCREENSHOTS"):
        opened.screenshot(path=f"{folder}/{request.node.name}.png", full_page=True)
    assert hosts <= {"127.0.0.1", None}
    assert errors == []
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    context.close()


def test_a_query_by_keyboard_alone(page):
    query = tiny_pairs.bitext()["target"][0]
    page.keyboard.type(query)  # the box has the focus
    page.keyboard.press("Enter")
    sections = page.locator(".answers section")
    sections.first.wait_for()
    assert sections.locator("h2").all_inner_texts() == ["Student", "Translate-query", "Teacher"]
    assert [sections.nth(n).locator("li").count() for n in range(3)] == [3, 3, 3]
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    opened = page.locator("details[open]")
    words = [text.rstrip("0123456789, \n") for text in opened.locator(".asked").all_inner_texts()]
    assert words == query.rstrip(".").split()
    assert opened.locator(".answered").count() >= 1
    page.keyboard.press("Tab")  # to the first word of the query, whose words are shown alone
    assert page.evaluate("document.activeElement.classList.contains('n1')")
    faded = opened.locator(".asked:not(.n1)").first
    assert faded.evaluate("one => getComputedStyle(one).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_right_to_left(page):
    box = page.get_by_label("Query", exact=True)
    box.fill(HEBREW)
    page.get_by_role("button", name="Search").click()
    drawn = page.locator(".drawn").first
    drawn.wait_for(state="attached")
    assert box.evaluate("one => getComputedStyle(one).unicodeBidi") == "plaintext"
    page.locator("summary").first.click()
    assert drawn.evaluate("one => getComputedStyle(one).direction") == "rtl"
    first, last = drawn.locator(".asked").first.bounding_box(), drawn.locator(".asked").last.bounding_box()
    assert first["x"] > last["x"]
    assert page.locator(".found").first.evaluate("one => getComputedStyle(one).direction") == "ltr"


def test_the_teacher_reads_english_and_what_is_wrong_is_said(page):
    page.get_by_role("button", name="Search").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "empty" in alert.inner_text()
    page.get_by_label("Query", exact=True).fill("{{1}} ${1} <b>eey</b>")
    page.get_by_label("The same in English").fill("a dog")
    page.keyboard.press("Enter")
    teacher = page.locator("section", has=page.get_by_role("heading", name="Teacher"))
    teacher.wait_for()
    assert "Reads your English: a dog" in teacher.inner_text()
    assert "{{1}} ${1} <b>eey</b>" in page.locator("section").first.inner_text()


def test_the_report_is_on_a_second_tab(page):
    page.get_by_role("tab", name="Report").click()
    plot = page.locator(".report svg").first
    plot.wait_for()
    assert plot.bounding_box()["width"] >= 500  # on a phone it is moved aside, and the page is not
    assert "German" in plot.text_content()
