"""What a page weighs in a browser that sees it for the first time, and whom it asks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from support.e2e_kit import FLAGS
from web.kit import MOUNT, Site

PAGES = ("/", "/mailboxes", "/mailboxes?kind=pool&size=50", "/import", "/invites")
"""Besides the page of one mailbox."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One page: kilobytes over the network, compressed as they came, and the requests to other hosts."""

    path: str
    kilobytes: float
    foreign: int


def weigh(site: Site) -> list[Weight]:
    """Open each page in a real browser with an empty cache."""
    (row,) = site.sql("SELECT address FROM gmail_warmup.mailbox WHERE kind = 'warmup' ORDER BY id LIMIT 1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            return [_weigh(browser, site, path) for path in (*PAGES, f"/mailboxes/{row['address']}")]
        finally:
            browser.close()


def _weigh(browser: Browser, site: Site, path: str) -> Weight:
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": site.tokens["op"], "url": site.origin}])
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[float] = []
    asked: list[str] = []
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.on("Network.requestWillBeSent", lambda event: asked.append(_address(event)))
    answer = page.goto(f"{site.origin}{MOUNT}{path}", wait_until="networkidle")
    assert answer is not None, path
    assert answer.ok, f"{path}: {answer.status}"
    context.close()
    foreign = [url for url in asked if url.startswith(("http:", "https:")) and not url.startswith(f"{site.origin}/")]
    return Weight(path=path, kilobytes=sum(sizes) / 1000, foreign=len(foreign))


def _address(event: dict[str, Any]) -> str:
    return str(event["request"]["url"])
