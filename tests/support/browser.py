"""A headless browser for tests that look at pages; nothing it opens may leave this machine."""

import shutil
from contextlib import contextmanager

import pytest

WIDTHS = (1300, 420)
SMALLEST = 8  # px of text, as shown


def needed():
    """Chromium and its driver; the test is skipped without them."""
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(found):
        pytest.skip("looks at pages in a browser: install chromium and chromium-driver (Debian: apt-get install)")
    return found


@contextmanager
def opened(path, width, height=900):
    """A page from disk in a window of a width [px]."""
    from selenium import webdriver

    chromium, driver = needed()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # no name is ever looked up
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        # Of a window, Chromium takes no less than 500 px: the size of the page is told by itself.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(path.resolve().as_uri())
        yield browser
    finally:
        browser.quit()


def complaints(browser):
    """What the page wrote to the console as an error."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requests(browser):
    """Addresses the page asked for that are not files."""
    import json

    sent = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    asked = (one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent")
    return [url for url in asked if not url.startswith(("file:", "data:"))]


def overflow(browser):
    """By how many px the page is wider than its window."""
    return browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


def small_text(browser):
    """Texts shown in less than SMALLEST px, with their size: a picture's own text counts as it is scaled."""
    return browser.execute_script(
        """
        const found = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const parent = walker.currentNode.parentElement, box = parent.getBoundingClientRect();
            if (!walker.currentNode.data.trim() || !box.width || !box.height) continue;
            if (parent.closest("script, style, option")) continue;
            const svg = parent.closest("svg"), wide = svg && svg.viewBox.baseVal.width;
            const scale = wide ? svg.getBoundingClientRect().width / wide : 1;
            const size = parseFloat(getComputedStyle(parent).fontSize) * scale;
            if (size < arguments[0]) found.push([walker.currentNode.data.trim().slice(0, 40), size]);
        }
        return found;
        """,
        SMALLEST,
    )
