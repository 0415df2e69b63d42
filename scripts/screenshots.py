"""Take the screenshots in docs/images from a real Airflow with fictional mailboxes: light, dark, wide and narrow.

Run by ``make screenshots``; it needs Chromium.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import httpx
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from screenshot_scene import BROKEN, DAG_RUNS, FEATURED, REMOVALS, RESTING, STRANGER, Scene, grow_readiness

from gmail_embedded.installation import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gmail_embedded.stack import Options as StackOptions
from gmail_embedded.stack import Stack
from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.service_account_models import ServiceAccountMade
from support.e2e_kit import FLAGS, MOUNT, Shell, find_chromium, log_in, new_profile
from support.refusal_kit import SHOWN, Refusals
from support.workspace import ADMIN, ROBOT, put_workspace, to_connection

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
Mode = Literal["light", "dark"]
MODES: tuple[Mode, ...] = ("light", "dark")
WIDTHS = {"": 1280, "-narrow": 390}
"""Width of the window by what the names of its pictures end with. Every picture is taken in each width and mode."""
NARROW_HEIGHT = 844
PAGES = {
    "/": "overview",
    "/mailboxes": "list",
    "/mailboxes/{address:path}": "mailbox",
    "/dag/{dag_id}": "tab",
    "/schedules": "schedules",
    "/schedules/{tag:path}": "schedule",
    "/invites": "invites",
    "/import": "import",
    "/directory": "directory",
    "/clients": "clients",
    "/webhooks": "webhooks",
    "/changes": "changes",
    "/report": "report",
    "/repairs": "repairs",
    "/removals": "removals",
    "/invite": "invite",
    "/invite/thanks": "invite-thanks",
    "/shared-report": "report-shared",
    "/oauth/callback": "refusal-wrong-account",
}
"""The name of a picture of each page, by its route."""
WEBHOOK = json.dumps(
    {"conn_type": "gmail_webhook", "host": "https://hooks.example.com/gmail", "password": f"whsec_{'c2VjcmV0' * 4}"}
)
DEFAULT_CLIENT, SECOND_CLIENT = "gmail_oauth_client", "gmail_client_b"
SECOND_CLIENT_CONNECTION = json.dumps(
    {
        "conn_type": "gmail_oauth_client",
        "login": "481516234211-brand-b.apps.googleusercontent.com",
        "password": "GOCSPX-b",
    }
)
PATIENCE = 120_000
"""Milliseconds to wait for a page. Generous, because a wrong picture is worse than a slow one."""

FILE = f"""address,kind,daily_target,timezone,pause_reason
nora.lind@northlane.example,warmup,40,Europe/Oslo,
{FEATURED},warmup,60,Europe/Lisbon,
tom.baker@northlane,warmup,40,Europe/London,
hana.sato@northlane.example,sender,0,Asia/Tokio,
samir.patel@inbox-one.example,pool,50,UTC,Mailbox is being moved
vera.koch@northlane.example,warmup,40,Europe/Berlin,
"""
DIRECTORY = [
    {"address": ADMIN, "is_admin": True},
    *(
        {"address": f"{name}@work.example", "org_unit": "/Sales", "name": name.title(), "suspended": name == "otto"}
        for name in ("lena", "mila", "nora", "otto", "paul")
    ),
]


@dataclass(frozen=True)
class Studio:
    """Take the screenshots of one colour mode."""

    stack: Stack
    sandbox: SandboxClient
    sql: Callable[[str], Any]
    browser: Browser
    login: Any
    mode: Mode
    robot: ServiceAccountMade

    def take_all(self) -> None:
        """Take all screenshots, except the one of an empty installation."""
        self.overview()
        self.list_and_tab()
        self.mailbox()
        self.stopped()
        self.add()
        self.import_preview()
        self.directory()
        self.invites()
        self.pages_of_the_fleet()
        self.removals()
        self.clients()
        self.repairs()
        self.public_pages()
        self.refusals()

    def empty(self) -> None:
        """Take the start page of an installation without a mailbox."""
        with self._shell() as shell:
            shell.open("/")
            self._save(shell.page, "empty")

    def overview(self) -> None:
        """Take the first screen of the overview, and all of it."""
        with self._shell() as shell:
            shell.open("/")
            self._save(shell.page, "overview")
        with self._page() as page:
            page.goto(f"{self.stack.base_url}{MOUNT}/")
            self._save(page, "overview-all", full_page=True)

    def list_and_tab(self) -> None:
        """Take the list, also with a selection, and the tab of a DAG."""
        with self._shell() as shell:
            shell.open("/mailboxes?sort=attention")
            self._save(shell.page, "list")
            for row in range(3, 6):
                shell.frame.locator("[data-pick]").nth(row).check()
            self._save(shell.page, "list-selected")
        with self._shell() as shell:
            shell.page.goto(f"{self.stack.base_url}/dags/gmail_warmup/plugin/gmail-accounts-tab")
            shell.wait()
            self._save(shell.page, "tab", suffixes=[""])
            # On a narrow screen, the DAG's page of Airflow has no room for its tabs.
            shell.page.goto(f"{self.stack.base_url}{MOUNT}/dag/gmail_warmup")
            self._save(shell.page, "tab", suffixes=["-narrow"])

    def mailbox(self) -> None:
        """Take the page of a mailbox, and of one paused by its health."""
        for name, address, height in (("mailbox", FEATURED, 1500), ("health", RESTING, 1100)):
            with self._shell(height) as shell:
                shell.open(f"/mailboxes/{address}")
                self._save(shell.page, name)

    def stopped(self) -> None:
        """Take the confirmation of the kill switch, and the overview afterwards."""
        with self._shell() as shell:
            shell.open().get_by_role("button", name="Stop all sending").click()
            form = shell.frame.get_by_role("dialog", name="Stop all sending")
            form.get_by_label("Reason").fill("Bounces from every domain since the change of DNS")
            self._save(shell.page, "stop")
            form.get_by_role("button", name="Stop everything").click()
            shell.frame.locator("#halt").wait_for()
            self._save(shell.page, "stopped")
        self.sql("TRUNCATE gmail_warmup.halt")

    def add(self) -> None:
        """Take the form for a new mailbox."""
        with self._shell() as shell:
            shell.open("/mailboxes").get_by_role("button", name="Add mailbox").click()
            form = shell.frame.get_by_role("dialog", name="Add a mailbox")
            form.get_by_label("Address").fill("nora.lind@northlane.example")
            self._save(shell.page, "add")

    def import_preview(self) -> None:
        """Take the preview of an import with invalid lines."""
        with self._shell(960) as shell:
            frame = shell.open("/import")
            file = {"name": "northlane.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
            frame.locator("#file").set_input_files(file)  # type: ignore[arg-type]
            frame.locator("#lines tbody tr").first.wait_for()
            self._save(shell.page, "import")

    def directory(self) -> None:
        """Take the preview of a comparison with a Workspace."""
        put_workspace(self.sandbox, self.robot)
        self.sandbox.put_directory(DIRECTORY, {})
        self._ask("/mailboxes", address="nora@work.example", settings={"kind": "warmup", "auth": "delegated"})
        self._ask("/mailboxes", address="otto@work.example", settings={"kind": "warmup", "auth": "delegated"})
        self._ask("/mailboxes", address="paul@work.example", settings={"kind": "warmup"})
        with self._shell() as shell:
            frame = shell.open("/directory")
            frame.get_by_label("Administrator").fill(ADMIN)
            frame.get_by_label("Organisational units").fill("/Sales")
            frame.get_by_label("Tag").fill("sales")
            frame.get_by_role("button", name="Preview").click()
            frame.locator("#lines tbody tr").first.wait_for()
            self._save(shell.page, "directory")
        self.sql("DELETE FROM gmail_warmup.change_log WHERE subject ~ '@work.example$'")
        self.sql("DELETE FROM gmail_warmup.mailbox WHERE address ~ '@work.example$'")

    def invites(self) -> None:
        """Take the list of invites."""
        with self._shell(640) as shell:
            shell.open("/invites")
            self._save(shell.page, "invites")

    def pages_of_the_fleet(self) -> None:
        """Take the schedules, the webhooks, the changes and the weekly report."""
        self._ask("/mailboxes/change", addresses=[FEATURED, RESTING], changes={"tags": ["sales", "berlin"]})
        self._ask("/schedules/tags", tag="berlin", values={"sending_window": "08:00-17:00", "holidays": "DE-BE"})
        self._ask("/mailboxes/pause", addresses=[RESTING], reason="Moves to another team")
        self._ask("/mailboxes/resume", addresses=[RESTING])
        for path in ("schedules", "schedules/berlin", "webhooks", "changes", "report"):
            with self._shell() as shell:
                shell.open(f"/{path}")
                self._save(shell.page, path.replace("schedules/berlin", "schedule"))

    def removals(self) -> None:
        """Take the page of the removals: one that waits, and the receipts of two."""
        self.sql(REMOVALS)
        with self._shell(640) as shell:
            shell.open("/removals")
            self._save(shell.page, "removals")
        self.sql("TRUNCATE gmail_warmup.mailbox_removal")

    def clients(self) -> None:
        """Take the page of the OAuth clients, the dialog of a move, and the queue that it starts."""
        self._ask("/clients", conn_id=DEFAULT_CLIENT, user_limit=100)
        self._ask("/clients", conn_id=SECOND_CLIENT, user_limit=100, tags=["brand b"])
        with self._shell(640) as shell:
            frame = shell.open("/clients")
            self._save(shell.page, "clients")
            frame.get_by_role("button", name=f"Move mailboxes to {SECOND_CLIENT}").click()
            frame.locator("#move-preview", has_text="will be moved").wait_for()
            self._save(shell.page, "clients-move")
        self._ask("/clients/move", conn_id=SECOND_CLIENT, filter={"domain": FEATURED.partition("@")[2]})
        with self._shell(640) as shell:
            shell.open("/repairs")
            self._save(shell.page, "moving")
        # The other pictures show an installation with one client.
        self.sql("TRUNCATE gmail_warmup.repair, gmail_warmup.oauth_client")
        self.sql("DELETE FROM gmail_warmup.change_log WHERE action = 'client_set'")

    def repairs(self) -> None:
        """Take the queue of repairs."""
        with self._shell() as shell:
            shell.open("/mailboxes?state=needs_reauth")
            shell.frame.get_by_role("button", name="Sign in again (").click()
            shell.page.locator("#account").wait_for()
            shell.open("/repairs")
            self._save(shell.page, "repairs")
        self.sql("TRUNCATE gmail_warmup.repair")

    def public_pages(self) -> None:
        """Take the pages that need no login: the invite of an owner, before and after the consent, and a report."""
        link = self._ask("/report-links")["url"]
        invite = self._ask("/invites", addresses=[BROKEN])["invites"][0]["url"]
        pages = {
            "report-shared": (link, "Week", 900),
            "invite": (invite, "Connect your mailbox", 680),
            "invite-thanks": (f"{self.stack.base_url}{MOUNT}/invite/thanks", "Thank you", 440),
        }
        for name, (url, heading, height) in pages.items():
            with self._page(height, known=False) as page:
                page.goto(url)
                page.get_by_role("heading", name=heading).first.wait_for()
                self._save(page, name, full_page=True)

    def refusals(self) -> None:
        """Take the page of every refusal of a consent."""
        with self._page(440, known=False) as stranger, self._page(440) as page:
            refusals = Refusals(
                page=page, stranger=stranger, base_url=self.stack.base_url, sandbox=self.sandbox, sql=self.sql,
                client_id=SANDBOX_CLIENT_ID, address=BROKEN, other=STRANGER,
            )  # fmt: skip
            for refusal in SHOWN:
                self._save(refusals.show(refusal), f"refusal-{refusal.replace('_', '-')}", full_page=True)
        self.sql("DELETE FROM gmail_warmup.invite WHERE created_by <> 'maria'")

    def _ask(self, path: str, **body: Any) -> Any:
        """Send a change to the page's API."""
        bearer = {"Authorization": f"Bearer {self.stack.api.token}"}
        address = f"{self.stack.base_url}{MOUNT}/api/v1{path}"
        answer = httpx.post(address, headers=bearer, json=body, trust_env=False, timeout=60)
        if not answer.is_success:
            raise RuntimeError(answer.text)
        return answer.json()

    @contextmanager
    def _page(self, height: int = 900, *, known: bool = True) -> Iterator[Page]:
        context = new_profile(self.browser, self.login if known else None)
        context.set_default_timeout(PATIENCE)
        # Airflow stores its mode in the browser; pages outside its frame follow the system.
        context.add_init_script(f"localStorage.setItem('theme', '{self.mode}')")
        page = context.new_page()
        page.set_viewport_size({"width": WIDTHS[""], "height": height})
        page.emulate_media(color_scheme=self.mode, reduced_motion="reduce")
        yield page
        context.close()

    @contextmanager
    def _shell(self, height: int = 900) -> Iterator[Shell]:
        with self._page(height) as page:
            yield Shell(page, self.stack)

    def _save(
        self, page: Page, name: str, *, suffixes: Collection[str] = tuple(WIDTHS), full_page: bool = False
    ) -> None:
        """Take one picture for each width; the window keeps its size."""
        size = page.viewport_size
        assert size is not None
        for suffix in suffixes:
            page.set_viewport_size({"width": WIDTHS[suffix], "height": NARROW_HEIGHT if suffix else size["height"]})
            page.wait_for_timeout(700)  # charts and sidebar give no signal when they are drawn
            picture = Image.open(BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
            path = IMAGES / f"{name}{suffix}-{self.mode}.png"
            picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(
                path, optimize=True
            )
            print(f"{path.relative_to(IMAGES.parents[1])}: {path.stat().st_size // 1000} kB")
        page.set_viewport_size(size)


def main() -> int:
    """Start Airflow and the sandbox, take the screenshots, stop both."""
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium was found. Install it: apt-get install chromium", file=sys.stderr)
        return 2
    IMAGES.mkdir(parents=True, exist_ok=True)
    connections = {"SUPPORT_DESK": WEBHOOK, SECOND_CLIENT.upper(): SECOND_CLIENT_CONNECTION}
    environment = {f"AIRFLOW_CONN_{conn_id}": value for conn_id, value in connections.items()}
    options = StackOptions(sandbox=True, settings={"webhook_conn_ids": "support_desk"}, environment=environment)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), options) as stack:
        stack.start()
        stack.api.wait_for_dags(("gmail_warmup", "gmail_token_health"))
        engine = sa.create_engine(stack.database_url, poolclass=sa.pool.NullPool)

        def sql(statement: str) -> None:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)

        with SandboxClient(stack.sandbox_url) as sandbox, sync_playwright() as playwright:
            sandbox.put_mailboxes([BROKEN, STRANGER])
            sandbox.put_client(
                SANDBOX_CLIENT_ID, client_secrets=[SANDBOX_CLIENT_SECRET],
                redirect_uris=[f"{stack.base_url}{MOUNT}/oauth/callback"],
            )  # fmt: skip
            browser = playwright.chromium.launch(args=FLAGS, executable_path=chromium)
            robot = sandbox.put_service_account(ROBOT)
            account = {"connection_id": "google_cloud_default"} | json.loads(to_connection(robot))
            stack.api.request("POST", "/connections", json=account | {"extra": json.dumps(account["extra"])})
            context = new_profile(browser)
            context.set_default_timeout(PATIENCE)
            log_in(context.new_page(), stack)
            login = context.storage_state()
            studios = [Studio(stack, sandbox, sql, browser, login, mode, robot) for mode in MODES]
            for studio in studios:
                studio.empty()
            with engine.begin() as connection:
                Scene(connection).fill()
            sql(DAG_RUNS)
            grow_readiness(engine)
            for studio in studios:
                studio.take_all()
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
