"""Helpers for tests in a browser: Airflow's UI with our page in its frame, and Google's consent page."""

from __future__ import annotations

import re
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
from support.system_programs import PACKAGES, find_program

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
"""A warning of Chromium about the frame of Airflow's UI."""


def find_chromium() -> str | None:
    """Return the browser's program, or None."""
    return find_program(*PACKAGES["chromium"])


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
    """Create a browser profile in the time zone of Berlin, optionally logged in."""
    assert browser is not None
    context = browser.new_context(storage_state=login, timezone_id="Europe/Berlin", locale="en-GB")
    context.set_default_timeout(60_000)
    return context


@dataclass
class Visits:
    """The pages that a test opens, and their foreign requests and errors."""

    known: BrowserContext
    """The profile of an operator who is logged in to Airflow; all tests share it and its cache."""
    stack: Stack
    pages: list[Page] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Requests to hosts that are neither Airflow nor the stand-in for Google."""
    complaints: list[str] = field(default_factory=list)
    """Script errors and violations of the Content Security Policy."""

    def page(self, *, width: int = 1280, dark: bool = False) -> Page:
        """Open a page as the operator.

        Args:
            dark: whether the system prefers dark colours.
        """
        page = self._watched(self.known.new_page())
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        return page

    def stranger(self, login: StorageState | None = None) -> Page:
        """Open a page in a new profile."""
        return self._watched(new_profile(self.known.browser, login).new_page())

    def photograph(self, name: str) -> list[Path]:
        """Write a screenshot of every open page; return the paths."""
        folder = CHECKOUT / ".run" / "failed"
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, page in enumerate(self.pages, 1):
            path = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '-', name).strip('-')}-{number}.png"
            page.screenshot(path=path)
            paths.append(path)
        return paths

    def close(self) -> None:
        """Close every page and every profile except the shared one."""
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
        # Chromium reports every response with an error status as a failed load.
        if message.type == "error" and "Failed to load resource" not in message.text and _NOISE not in message.text:
            self.complaints.append(message.text)


@dataclass(frozen=True)
class Shell:
    """Airflow's UI in a browser, with our page in its frame."""

    page: Page
    stack: Stack

    def open(self, inside: str = "") -> FrameLocator:
        """Open one of our pages, by default the start page; return the frame."""
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
        """Return the frame that contains our page."""
        return self.page.frame_locator("iframe")

    @property
    def inner(self) -> Frame:
        """Return the frame as an object that evaluates scripts."""
        found = self.page.locator("iframe").element_handle().content_frame()
        assert found is not None
        return found

    def row(self, address: str) -> Locator:
        """Return a mailbox's row on the current page of the list."""
        return self.frame.locator(f'tr[data-address="{address}"]')

    def find(self, text: str) -> FrameLocator:
        """Open the list filtered by a search text."""
        return self.open(f"/mailboxes?{urlencode({'q': text})}")

    def start(self, address: str) -> Google:
        """Click Re-authenticate for a mailbox; return Google's page, which replaces Airflow's."""
        self.find(address)
        self.row(address).get_by_role("button", name="Re-authenticate").click()
        return Google(self.page)


@dataclass(frozen=True)
class Google:
    """The consent page of the stand-in for Google."""

    page: Page

    def wait(self) -> Google:
        """Wait until the page is shown."""
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
        """Clear the checkbox for Gmail. Google shows checkboxes when several scopes are requested."""
        parts = urlsplit(self.wait().page.url)
        query = dict(parse_qsl(parts.query))
        asked = query["scope"].split()
        query["scope"] = " ".join([*asked, "openid"])
        self.page.goto(urlunsplit(parts._replace(query=urlencode(query))))
        for scope in asked:
            self.page.locator(f'input[value="{scope}"]').uncheck()
