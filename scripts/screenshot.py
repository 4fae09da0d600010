"""Picture of a report in a browser, with a row opened."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--row", type=int, default=2, help="the row to open, counted from 0")
    arguments = parser.parse_args()

    browser = os.environ.get("SEQSCORE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("screenshot: no browser; install chromium, or name one in SEQSCORE_BROWSER")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: the page is our own, and root has none.
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = started.new_page(viewport={"width": 1100, "height": 760}, color_scheme="light")
        page.goto(arguments.page.resolve().as_uri())
        page.evaluate("document.querySelector('#rows-title').scrollIntoView()")
        page.click(f"#body tr.row[data-place='{arguments.row}']")
        page.locator("dialog .token.part").first.hover()
        page.screenshot(path=arguments.picture)
        started.close()


if __name__ == "__main__":
    main()
