"""What the tests in a browser share: Airflow's shell with our page in its frame, and Google's page."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Frame,
    FrameLocator,
    Locator,
    Page,
    Request,
    StorageState,
)

from gmail_embedded.stack import Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHECKOUT = Path(__file__).resolve().parents[2]
VIEW, MOUNT = "/plugin/gmail-accounts", "/gmail-warmup"
_NOISE = "allow-scripts and allow-same-origin"
"""Chromium's remark about the frame that Airflow's shell makes."""


def find_chromium() -> str | None:
    """Return the browser's program, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def log_in(page: Page, stack: Stack) -> None:
    """Log in to Airflow's UI."""
    user, password = stack.login
    page.goto(stack.base_url)
    page.locator("input[type=password]").wait_for()
    page.locator("input[name=username]").fill(user)
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Dags").first.wait_for()


def new_profile(browser: Browser | None, login: StorageState | None = None) -> BrowserContext:
    """Make a browser profile in Berlin, logged in or not."""
    assert browser is not None
    context = browser.new_context(storage_state=login, timezone_id="Europe/Berlin", locale="en-GB")
    context.set_default_timeout(20_000)
    return context


@dataclass
class Visits:
    """The pages that one test opens, and what went wrong in them behind what is seen."""

    known: BrowserContext
    """The profile of an operator who is logged in to Airflow; all tests share it, and what it has loaded once."""
    stack: Stack
    pages: list[Page] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Requests to hosts that are neither Airflow nor Google's stand-in."""
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, and what the Content Security Policy stopped."""

    def page(self, *, width: int = 1280, dark: bool = False) -> Page:
        """Open a page as the operator.

        Args:
            dark: what the system prefers.
        """
        page = self._watched(self.known.new_page())
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        return page

    def stranger(self, login: StorageState | None = None) -> Page:
        """Open a page in a profile of its own, which nobody has used yet."""
        return self._watched(new_profile(self.known.browser, login).new_page())

    def photograph(self, name: str) -> list[Path]:
        """Write a picture of every open page; return where they are."""
        folder = CHECKOUT / ".run" / "failed"
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, page in enumerate(self.pages, 1):
            path = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '-', name).strip('-')}-{number}.png"
            page.screenshot(path=path)
            paths.append(path)
        return paths

    def close(self) -> None:
        """Close every page, and every profile but the shared one."""
        for page in self.pages:
            page.close()
            if page.context is not self.known:
                page.context.close()

    def _watched(self, page: Page) -> Page:
        page.on("request", self._look)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.pages.append(page)
        return page

    def _look(self, request: Request) -> None:
        ours = (self.stack.base_url, self.stack.sandbox_url)
        if urlsplit(request.url).scheme in ("http", "https", "ws", "wss") and not request.url.startswith(ours):
            self.foreign.append(request.url)

    def _listen(self, message: ConsoleMessage) -> None:
        # A refusal is an answer with a status of its own, which Chromium reports as a failed load.
        if message.type == "error" and "Failed to load resource" not in message.text and _NOISE not in message.text:
            self.complaints.append(message.text)


@dataclass(frozen=True)
class Shell:
    """Airflow's shell in a browser, with our page in its frame."""

    page: Page
    stack: Stack

    def open(self, inside: str = "") -> FrameLocator:
        """Open a page of ours in the shell, the list unless another is named; return the frame."""
        path = f"{VIEW}{MOUNT}{inside}" if inside else VIEW
        self.page.goto(f"{self.stack.base_url}{path}")
        return self.wait()

    def wait(self) -> FrameLocator:
        """Wait until our page is in the frame and its scripts have run; return the frame."""
        self.frame.locator("h1:visible").first.wait_for()
        self.inner.wait_for_load_state("load")
        return self.frame

    @property
    def frame(self) -> FrameLocator:
        """Return the frame in which our page is."""
        return self.page.frame_locator("iframe")

    @property
    def inner(self) -> Frame:
        """Return the same for evaluating a script."""
        found = self.page.locator("iframe").element_handle().content_frame()
        assert found is not None
        return found

    def row(self, address: str) -> Locator:
        """Return a mailbox's row in the list, which has to be on the page that is shown."""
        return self.frame.locator(f'tr[data-address="{address}"]')

    def find(self, text: str) -> FrameLocator:
        """Open the list of what matches a search."""
        return self.open(f"/?{urlencode({'q': text})}")

    def start(self, address: str) -> Google:
        """Press Re-authenticate for a mailbox; return Google's page, which has left the frame."""
        self.find(address)
        self.row(address).get_by_role("button", name="Re-authenticate").click()
        return Google(self.page)


@dataclass(frozen=True)
class Google:
    """The consent page of Google's stand-in."""

    page: Page

    def wait(self) -> Google:
        """Wait until it is there."""
        self.page.locator("#account").wait_for()
        return self

    @property
    def suggested(self) -> str:
        """Return the account that it suggests."""
        return self.wait().page.locator("#account").input_value()

    def allow(self, account: str | None = None) -> None:
        """Press Allow, as the suggested account or as another one."""
        self.wait()
        if account:
            self.page.locator("#account").select_option(account)
        self.page.click("#allow")

    def cancel(self) -> None:
        """Press Cancel."""
        self.wait().page.click("#cancel")

    def untick_gmail(self) -> None:
        """Take the tick off the box for Gmail. Google shows boxes when a request asks for more than one thing."""
        parts = urlsplit(self.wait().page.url)
        query = dict(parse_qsl(parts.query))
        asked = query["scope"].split()
        query["scope"] = " ".join([*asked, "openid"])
        self.page.goto(urlunsplit(parts._replace(query=urlencode(query))))
        for scope in asked:
            self.page.locator(f'input[value="{scope}"]').uncheck()
