"""Small helps for tests in a browser."""

from __future__ import annotations

from playwright.sync_api import Page

from gmail_embedded.stack import Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def log_in(page: Page, stack: Stack) -> None:
    """Log in to Airflow's UI."""
    user, password = stack.login
    page.goto(stack.base_url)
    page.locator("input[type=password]").wait_for()
    page.locator("input[name=username]").fill(user)
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Dags").first.wait_for()
