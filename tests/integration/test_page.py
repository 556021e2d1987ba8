"""The page in a real browser, as a user sees it."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment.protocol.page import render
from sentiment_client import SentimentClient
from tests.conftest import running
from tests.integration.browser import (
    CHROMIUM,
    NEEDS_CHROMIUM,
    chromium,
    contrasts,
    screenshot,
    visit,
)
from tests.integration.texts import TEXTS

LOVELY, AWFUL = "A gripping, beautifully shot film.", "A terrible, boring mess."
PLAIN = "The parcel arrived on Tuesday."
NASTY = (
    """It's "$HOME" & `date` $(id) \\n \\\\ \\u0041 %s ${x} {0} 100 % !! #"""
    " \u00fcber \u65e5\u672c \U0001f3ac \u202e\u2028 </script> <!-- 'EOF'\tend\\"
)
# Two emoji before the first sentence: each is one code point, and two units of a JavaScript string.
PRAISE, CRITICISM = "\U0001f3ac\U0001f3ac The acting is superb.", "The plot makes no sense at all."
MIXED = f"{PRAISE} {CRITICISM}"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NEEDS_CHROMIUM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium(playwright) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with visit(browser, url) as page:
        yield page


def box(page: Page) -> Locator:
    return page.get_by_label("Your texts")


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Results").locator("#rows > li")


def snippet(page: Page, language: str) -> str:
    page.get_by_label(language, exact=True).check()
    return page.locator("#code").inner_text()


def marks(swatches: Locator) -> list[str]:
    """The colour of each."""
    colors: list[str] = swatches.evaluate_all(
        "swatches => swatches.map((it) => getComputedStyle(it).borderTopColor)"
    )
    return colors


def labels_of(url: str, texts: list[str]) -> list[str]:
    answer = requests.post(url, json={"texts": texts}, timeout=60).json()
    return [result["sentiment"] for result in answer["results"]]


def test_the_label_follows_the_text_as_it_is_typed(page: Page, url: str) -> None:
    box(page).press_sequentially(LOVELY)
    score = requests.post(url, json={"text": LOVELY}, timeout=60).json()["score"]
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("strong")).to_have_text("POSITIVE")
    expect(rows(page).locator(".best")).to_have_text(f"POSITIVE{score:.3f}")
    expect(rows(page).locator(".bars li")).to_have_count(3)
    # A screen reader announces it once, when the typing has stopped.
    expect(page.get_by_role("status")).to_have_text(f"POSITIVE, {score:.3f}")
    box(page).fill(AWFUL)
    expect(rows(page).locator("strong")).to_have_text("NEGATIVE")
    expect(page.get_by_role("heading", level=1)).to_have_text("sentiment")
    expect(page.get_by_text("Round trip")).to_be_visible()


def test_each_label_has_its_own_mark(page: Page) -> None:
    box(page).fill(f"{CRITICISM}\n{PLAIN}\n{LOVELY}")
    labels = ["NEGATIVE", "NEUTRAL", "POSITIVE"]
    expect(rows(page).locator("strong")).to_have_text(labels)
    expect(rows(page).locator(".bars li")).to_contain_text(labels * 3)
    expect(rows(page).locator(".best")).to_contain_text(labels)
    assert len(set(marks(rows(page).locator(".verdict .swatch")))) == 3


def test_clicking_an_example_classifies_it(page: Page) -> None:
    page.get_by_role("button", name=LOVELY).click()
    expect(rows(page).locator("strong")).to_have_text("POSITIVE")
    expect(box(page)).to_be_focused()


def test_a_late_answer_is_ignored(page: Page) -> None:
    held: list[Route] = []  # the first answer never comes
    page.route("**/*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/*"):
        box(page).fill(LOVELY)
    with page.expect_event("requestfailed") as given_up:
        box(page).fill(AWFUL)
    assert json.loads(given_up.value.post_data or "") == {"texts": [LOVELY]}
    expect(rows(page).locator("strong")).to_have_text("NEGATIVE")
    expect(page.get_by_role("alert")).to_be_empty()


def test_many_lines_are_answered_in_order_in_few_requests(page: Page, url: str) -> None:
    texts = [f"{i}: {text}" for i in range(15) for text in TEXTS[:10]]
    sizes: list[int] = []
    page.on(
        "request", lambda request: sizes.append(len(json.loads(request.post_data or "")["texts"]))
    )
    box(page).fill("\n\n".join(texts) + "\n \n")
    expect(rows(page)).to_have_count(150)
    expect(rows(page).locator("strong")).to_have_count(150)
    assert rows(page).locator(".text").all_inner_texts() == texts
    expected = [label for i in (0, 50, 100) for label in labels_of(url, texts[i : i + 50])]
    assert rows(page).locator("strong").all_inner_texts() == expected
    assert sizes == [64, 64, 22]
    # If one line changes, only that line is sent.
    box(page).press("End")
    box(page).press_sequentially(LOVELY)
    expect(rows(page)).to_have_count(151)
    expect(rows(page).last.locator("strong")).to_have_text("POSITIVE")
    assert sizes[3:] == [1]
    expect(page.locator("#times")).to_contain_text("1 text")


def test_a_text_with_paragraphs_can_be_one_text(page: Page) -> None:
    page.get_by_label("Each line is one text").uncheck()
    box(page).fill(f"{LOVELY}\n\n{LOVELY}")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("strong")).to_have_text("POSITIVE")


def test_an_error_is_shown_next_to_its_text(page: Page) -> None:
    long = "word " * 10_000
    # The fourth line exceeds TorchServe's own limit, whose refusal has no body.
    typed = f"{LOVELY}\n{long}x\n{'long ' * 900}\n{'y' * 300_000}\n{AWFUL}"
    box(page).fill(typed)
    expect(rows(page)).to_have_count(5)
    expect(rows(page).nth(1)).to_contain_text("The text has 50,001 characters")
    expect(rows(page).nth(2)).to_contain_text("in 2 windows")
    expect(rows(page).nth(3)).to_contain_text("larger than the server takes")
    expect(rows(page).nth(4).locator("strong")).to_have_text("NEGATIVE")
    assert box(page).input_value() == typed
    screenshot(page, "error")


def test_errors_of_torchserve_itself_are_shown(page: Page, url: str) -> None:
    unknown = url.replace("/sentiment", "/nobody")
    page.evaluate("path => history.replaceState(null, '', path)", unknown)
    box(page).fill(LOVELY)
    sentence = requests.post(unknown, json={"text": LOVELY}, timeout=60).json()["message"]
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(rows(page)).to_contain_text("Not classified")
    assert box(page).input_value() == LOVELY
    page.evaluate("path => history.replaceState(null, '', path)", url)
    page.get_by_role("button", name="Score again").click()
    expect(rows(page).locator("strong")).to_have_text("POSITIVE")
    expect(page.get_by_role("alert")).to_be_empty()


def test_the_page_links_to_the_openapi_document(page: Page, url: str) -> None:
    link = page.get_by_role("link", name="openapi.json", exact=True)
    document = requests.get(
        f"{url.removesuffix('/predictions/sentiment')}{link.get_attribute('href')}", timeout=60
    ).json()
    assert document["openapi"] == "3.1.0"


def run(code: list[str], tmp_path: Path, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client"), "x": "expanded"} | variables
    done = subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
@pytest.mark.parametrize("size", [1, 700])  # the larger one does not fit on a command line
def test_the_pages_curl_command_gets_the_answer_that_the_page_shows(
    page: Page, url: str, tmp_path: Path, size: int
) -> None:
    text = f"{NASTY}\n{LOVELY}\n" * size
    page.get_by_label("Each line is one text").uncheck()
    box(page).fill(text)
    answer = requests.post(url, json={"texts": [text]}, timeout=60).json()
    expect(rows(page)).to_have_count(1)
    stdout = run(["bash", "-c", snippet(page, "curl").replace("curl", "curl --silent")], tmp_path)
    assert json.loads(stdout) == answer
    assert list(tmp_path.iterdir()) == []


def test_the_pages_python_code_gets_the_answer_that_the_page_shows(
    page: Page, url: str, server: Server, tmp_path: Path
) -> None:
    texts = [NASTY, LOVELY, '"""', "\\"]
    box(page).fill("\n".join(texts))
    answer = requests.post(url, json={"texts": texts}, timeout=60).json()
    expect(rows(page).locator("strong")).to_have_count(4)
    stdout = run([sys.executable, "-c", snippet(page, "Python, requests")], tmp_path)
    assert [ast.literal_eval(line) for line in stdout.splitlines()] == answer["results"]
    stdout = run([sys.executable, "-c", snippet(page, "Python, our client")], tmp_path)
    with SentimentClient(server.properties.inference) as client:
        assert stdout.splitlines() == [str(result) for result in client.predict_many(texts)]


def test_each_sentence_is_shown_with_its_own_label(page: Page, url: str) -> None:
    body = {"text": MIXED, "detail": "sentences"}
    answer = requests.post(url, json=body, timeout=60).json()
    box(page).fill(f"{MIXED}\n{AWFUL}")
    page.get_by_label("Each sentence").check()
    sentences = [
        f"{text} {part['sentiment']} {part['score']:.2f}"
        for text, part in zip([PRAISE, CRITICISM], answer["sentences"], strict=True)
    ]
    expect(rows(page).first.locator(".sentence")).to_have_text(sentences)
    expect(rows(page).nth(1).locator(".sentence")).to_contain_text(f"{AWFUL} NEGATIVE 0.")
    expect(page.locator("#legend")).to_contain_text("POSITIVENEGATIVE")
    expect(rows(page).first.locator(".chip")).to_have_text(
        "mixed: some sentences clearly positive, others clearly negative"
    )
    expect(rows(page).first.locator(".chip .swatch")).to_be_visible()
    expect(rows(page).nth(1).locator(".chip")).to_have_count(0)
    # The same tone for the same label, and a fainter one for a lower score.
    colors = (
        rows(page)
        .locator(".sentence")
        .evaluate_all("sentences => sentences.map((it) => getComputedStyle(it).backgroundColor)")
    )
    tones = [color.rpartition(",")[0] for color in colors]
    assert tones[0] != tones[1] == tones[2]
    page.get_by_label("The label").check()
    expect(rows(page).locator(".sentence, .chip")).to_have_count(0)
    expect(page.locator("#legend")).to_be_hidden()


def test_the_words_that_tell_are_marked(page: Page, url: str) -> None:
    answer = requests.post(url, json={"text": MIXED, "explain": True}, timeout=60).json()
    words = sorted(answer["words"], key=lambda word: -abs(word["weight"]))
    box(page).fill(MIXED)
    page.get_by_label("Telling words").check()
    shown = [
        f"\u201c{MIXED[word['start'] : word['end']]}\u201d {word['weight']:+.3f}".replace(
            "-", "\u2212"
        )
        for word in words[:5]
    ]
    expect(rows(page).locator(".why")).to_have_text(f"Telling words: {', '.join(shown)}")
    expect(rows(page).locator(".text")).to_have_text(MIXED)
    for kind, sign in (("for", 1), ("against", -1)):
        strongest = next(word for word in words if word["weight"] * sign > 0)
        marked = rows(page).locator(f".word.{kind}").all_inner_texts()
        assert MIXED[strongest["start"] : strongest["end"]] in marked
    # A screen reader hears them, since it does not see the marks.
    expect(page.get_by_role("status")).to_contain_text(f"Telling words: {shown[0]}")


def test_details_are_chosen_with_the_keyboard(page: Page) -> None:
    box(page).fill(MIXED)
    choice = page.get_by_role("radiogroup", name="Show")
    choice.get_by_label("The label").focus()
    page.keyboard.press("ArrowRight")
    expect(choice.get_by_label("Each sentence")).to_be_focused()
    expect(rows(page).locator(".sentence")).to_have_count(2)
    expect(page.get_by_role("status")).to_contain_text("mixed")


@pytest.mark.parametrize(
    ("label", "options", "needed"),
    [
        ("Each sentence", {"detail": "sentences"}, "sentences=(Sentence("),
        ("Telling words", {"explain": True}, "words=(Word("),
    ],
)
def test_the_pages_code_gets_the_details_that_the_page_shows(
    page: Page, url: str, tmp_path: Path, label: str, options: dict[str, object], needed: str
) -> None:
    box(page).fill(MIXED)
    page.get_by_label(label).check()
    answer = requests.post(url, json={"texts": [MIXED]} | options, timeout=60).json()
    if shutil.which("curl"):
        command = snippet(page, "curl").replace("curl", "curl --silent")
        assert json.loads(run(["bash", "-c", command], tmp_path)) == answer
    stdout = run([sys.executable, "-c", snippet(page, "Python, requests")], tmp_path)
    assert ast.literal_eval(stdout) == answer["results"][0]
    assert needed in run([sys.executable, "-c", snippet(page, "Python, our client")], tmp_path)


def test_the_copy_button_copies_the_code_that_is_shown(page: Page) -> None:
    box(page).fill(NASTY)
    expect(rows(page).locator("strong")).to_have_count(1)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == snippet(page, "curl")


def test_the_page_can_be_used_without_a_mouse(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the text box")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box(page)).to_be_focused()
    page.keyboard.type(f"{LOVELY}\n{AWFUL}")
    expect(rows(page).locator("strong")).to_have_text(["POSITIVE", "NEGATIVE"])
    controls = ["by-line", "again", "detail", "answers", "copy", "language", "code", "openapi"]
    reached = []
    for _ in controls:
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "(it => [it.id || it.name || it.innerText, getComputedStyle(it).outlineStyle])"
            "(document.activeElement)"
        )
        assert outline == "solid", name  # the focus is visible
        reached.append(name)
    assert reached == controls


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_enough_contrast(browser: Browser, url: str, scheme: str) -> None:
    with visit(browser, url, scheme=scheme) as page:
        box(page).fill("\n".join([LOVELY, AWFUL, *TEXTS[6:8], MIXED]))
        expect(rows(page).locator("strong")).to_have_count(5)
        screenshot(page, scheme)
        page.get_by_label("Each sentence").check()
        expect(rows(page).locator(".sentence")).to_have_count(6)
        screenshot(page, f"{scheme}-sentences")
        sentences, _ = contrasts(page)
        page.get_by_label("Telling words").check()
        expect(rows(page).locator(".why")).to_have_count(5)
        screenshot(page, f"{scheme}-words")
        words, _ = contrasts(page)
        assert [pair for pair in sentences + words if pair[0] < 4.5] == []
        page.get_by_label("The label").check()
        box(page).fill(f"{LOVELY}\n{'x' * 50_001}\n{'long ' * 900}")
        expect(rows(page)).to_contain_text(["POSITIVE", "50,001 characters", "in 2 windows"])
        page.evaluate("document.getElementById('key').hidden = false")
        texts, bars = contrasts(page)
        assert len(texts) > 40
        assert [pair for pair in texts if pair[0] < 4.5] == []
        assert len(bars) == 6
        assert min(bars) >= 3


def test_the_page_fits_a_narrow_screen(browser: Browser, url: str) -> None:
    with visit(browser, url, width=320) as page:
        box(page).fill(f"{LOVELY}\n{'x' * 300}\n{NASTY}")
        expect(rows(page).locator("strong")).to_have_count(3)
        screenshot(page, "narrow", full=True)
        for detail in ("The label", "Each sentence", "Telling words"):
            page.get_by_label(detail).check()
            expect(rows(page).locator("[aria-busy], .waiting")).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_the_page_asks_for_the_token_and_keeps_it_in_memory(
    browser: Browser, archive: Path, tmp_path: Path
) -> None:
    with running(archive, tmp_path, disable_token_authorization="false") as server:
        key = json.loads(server.key_file.read_text())["inference"]["key"]
        url = f"{server.properties.inference}/predictions/sentiment"
        with visit(browser, url, token=key) as page:
            box(page).fill(LOVELY)
            field = page.get_by_label("Inference token")
            expect(field).to_have_attribute("type", "password")
            expect(page.get_by_role("alert")).to_contain_text("Token")
            screenshot(page, "token")
            field.fill("wrong")
            field.press("Enter")
            expect(field).to_be_focused()
            field.fill(key)
            field.press("Enter")
            expect(rows(page).locator("strong")).to_have_text("POSITIVE")
            expect(field).to_be_hidden()
            expect(box(page)).to_be_focused()
            expect(page.get_by_role("alert")).to_be_empty()

            for language in ("curl", "Python, requests", "Python, our client"):
                code = snippet(page, language)
                assert key not in code
                command = ["bash", "-c"] if language == "curl" else [sys.executable, "-c"]
                assert "POSITIVE" in run([*command, code], tmp_path, TOKEN=key)
            assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
            assert page.context.cookies() == []
            assert key not in page.content() + page.url

            # If the service stops, the typed text stays.
            server.stop()
            box(page).fill(AWFUL)
            expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
            assert box(page).input_value() == AWFUL


@contextmanager
def answered(
    browser: Browser, labels: list[str], result: dict[str, object], path: str
) -> Iterator[Page]:
    """The page of another model, with the same answer for every text."""
    context = browser.new_context()
    page = context.new_page()
    service = {"name": path.split("/")[1], "version": "2.0", "labels": labels}
    page.route(
        "**/*",
        lambda route: (
            route.fulfill(json={"results": [result]})
            if route.request.method == "POST"
            else route.fulfill(body=render(service), content_type="text/html")
        ),
    )
    page.goto(f"http://page.test/{path}")
    box(page).fill(LOVELY)
    yield page
    context.close()


def test_the_page_shows_odd_labels_and_many_labels(browser: Browser) -> None:
    labels = [f"</b> label {i}" for i in range(28)]
    result = {
        "sentiment": labels[0],
        "score": 3.0,
        "scores": {label: round(3 - i / 5, 3) for i, label in enumerate(labels)},
        "tokens": 1,
        "truncated": False,
        "sentences": [{"start": 0, "end": 9, "sentiment": labels[5], "score": -2.5}],
    }
    with answered(browser, labels, result, "predictions/emotions/2.0") as page:
        expect(rows(page).locator(".bars li")).to_have_count(3)
        page.get_by_text("25 more labels").click()
        expect(rows(page).locator(".bars li")).to_have_count(28)
        expect(rows(page).locator(".bars li").nth(27)).to_have_text("</b> label 27-2.400")
        expect(rows(page).locator(".sentence")).to_have_text("A grippin </b> label 5 -2.50")
        expect(page.locator("#legend")).to_contain_text("</b> label 5")
        assert 'model="emotions", version="2.0"' in snippet(page, "Python, our client")


@pytest.mark.parametrize(("decided", "score"), [("NEUTRAL", 0.7), ("UNCERTAIN", 0.4)])
def test_the_page_shows_neutral_and_uncertain_texts(
    browser: Browser, decided: str, score: float
) -> None:
    result = {
        "sentiment": decided,
        "score": score,
        "scores": {"NEGATIVE": 0.1, "NEUTRAL": score, "POSITIVE": 0.9 - score - 0.2},
        "tokens": 9,
        "windows": 1,
        "truncated": False,
        "mixed": False,
        "sentences": [{"start": 0, "end": 35, "sentiment": decided, "score": score}],
    }
    labels = ["NEGATIVE", "NEUTRAL", "POSITIVE"]
    with answered(browser, labels, result, "predictions/sentiment") as page:
        expect(rows(page).locator("strong")).to_have_text(decided)
        expect(page.locator("#summary")).to_have_text(f"1 text: 1 {decided}")
        expect(rows(page).locator(".tag")).to_have_text(f"{decided} {score:.2f}")
        # The mark of the text is that of the label in the legend.
        expect(page.locator("#legend")).to_contain_text(decided)
        (mark,) = marks(rows(page).locator(".verdict .swatch"))
        assert marks(page.locator("#legend .swatch")) == [mark]
        doubt = rows(page).get_by_text("NEUTRAL is best, but its score is below the threshold")
        certain = decided == "NEUTRAL"
        expect(doubt).to_have_count(0 if certain else 1)
        expect(rows(page).locator(".best")).to_have_count(1 if certain else 0)


def test_a_word_that_two_windows_cut_differently_is_shown_once(browser: Browser) -> None:
    result = {
        "sentiment": "GOOD",
        "score": 0.9,
        "scores": {"GOOD": 0.9, "BAD": 0.1},
        "tokens": 9,
        "windows": 2,
        "truncated": False,
        "words": [
            {"start": 0, "end": 1, "weight": 0.004},
            {"start": 2, "end": 6, "weight": 0.5},
            {"start": 2, "end": 10, "weight": -0.25},
        ],
    }
    with answered(browser, ["GOOD", "BAD"], result, "predictions/sentiment") as page:
        expect(rows(page).locator(".text")).to_have_text(LOVELY)
        expect(rows(page).locator(".word")).to_have_text(["grip", "ping"])
