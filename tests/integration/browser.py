"""A real browser for the tests of the page; a warning or a foreign request fails the test."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Route,
    sync_playwright,
)

NEEDS_CHROMIUM = "needs Chromium: apt-get install chromium, or playwright install chromium"


def installed_chromium() -> str | None:
    """The path of the system's browser, or of Playwright's, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        bundled = playwright.chromium.executable_path
    return bundled if Path(bundled).exists() else None


CHROMIUM = installed_chromium()
NO_NAMES = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
# Ignored by git; screenshots of the last run.
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".run" / "screenshots"

# The contrast of every visible text with its background, and of every bar with its track.
_CONTRASTS = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const [r, g, b, alpha = 1] = parse(getComputedStyle(element).backgroundColor);
    if (alpha === 1) return [r, g, b];
    const below = ground(element.parentElement);
    return [r, g, b].map((c, i) => c * alpha + below[i] * (1 - alpha));
  };
  const contrasts = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const owner = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    if (!text || !owner.checkVisibility()) continue;
    contrasts.push([contrast(parse(getComputedStyle(owner).color), ground(owner)), text]);
  }
  const box = document.getElementById("texts");
  contrasts.push([contrast(parse(getComputedStyle(box).color), ground(box)), "the text box"]);
  const bars = [...document.querySelectorAll(".bar > *")]
    .map((bar) => contrast(ground(bar), ground(bar.parentElement)));
  return { texts: contrasts, bars };
}"""


@contextlib.contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A headless browser that does not use the network."""
    with tempfile.TemporaryDirectory() as home:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # Root in a container has no sandbox, and the tests open only our page. The browser's
            # own requests, such as for updates, fail because host names are not resolved.
            args=["--no-sandbox", "--no-proxy-server", NO_NAMES],
            env={**os.environ, "HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home},
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visit(
    browser: Browser, url: str, *, token: str = "", scheme: str = "light", width: int = 1200
) -> Iterator[Page]:
    """The page in a new context; fails if it logged a warning or sent a request elsewhere.

    `token` is sent only with the navigation, not with requests of the page.
    """
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    hosts: set[str] = set()

    def complain(message: ConsoleMessage) -> None:
        # The browser logs every error status, but one of a prediction is not the page's fault.
        refused = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not (
            refused and "/predictions/" in message.location["url"]
        ):
            complaints.append(f"{message.text} ({message.location['url']})")

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            hosts.add(urlsplit(request.url).netloc)

    def authorize(route: Route) -> None:
        if route.request.is_navigation_request():
            headers = route.request.headers | {"authorization": f"Bearer {token}"}
            route.continue_(headers=headers)
        else:
            route.continue_()

    page.on("console", complain)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note)
    if token:
        page.route("**/*", authorize)
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []
    assert hosts == {urlsplit(url).netloc}


def contrasts(page: Page) -> tuple[list[tuple[float, str]], list[float]]:
    """The contrast of each visible text with its background, and of each bar with its track."""
    contrasts = page.evaluate(_CONTRASTS)
    return [(ratio, text) for ratio, text in contrasts["texts"]], contrasts["bars"]


def screenshot(page: Page, name: str, *, full: bool = False) -> None:
    """Save a screenshot of the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)
