"""What is done while a fault strikes, each as a task, a callback or a command does it. All are jobs for a worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy.exc import SQLAlchemyError

from chaos.runs import SETTINGS, Run, run, task
from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.settings import Settings
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.crypto.key_rotation import RotationResult, rotate_keys
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.mailboxes import renaming
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import TokenEndpoint
from support import removal_kit
from support.world import World
from web.kit import at_google

REDIRECT_URI = "http://localhost/callback"
PERSON = BrowserSession(user="op", browser="a browser")


def with_keys(world: World, keys: Sequence[str]) -> World:
    """Return the world as a process with these Fernet keys has it, the newest first."""
    cipher = Cipher(MultiFernet([Fernet(key) for key in keys]))
    return dataclasses.replace(world, store=GrantStore(world.store.engine, cipher))


def refresh(world: World, *, address: str) -> str:
    """Get an access token as a task does; return the name of the error there was, or nothing."""
    try:
        world.tokens(read_timeout=SETTINGS.read_timeout).get_token(address)
    except (GmailWarmupError, SQLAlchemyError) as error:
        return type(error).__name__
    return ""


def one_task(world: World, *, action: Action, address: str, settings: Settings) -> Run:
    """Do one task."""
    world.settings = settings
    return task(world, action, address)


def flow_of(world: World) -> ConsentFlow:
    """Return the flow of consents."""
    return ConsentFlow(world.store, lambda _: TokenEndpoint(world.client), redirect_uri=REDIRECT_URI)


def consent(world: World, *, address: str) -> dict[str, str]:
    """Begin a consent and allow it at Google; return what the callback is called with."""
    query = parse_qs(urlsplit(at_google(flow_of(world).start_reauthentication(address, PERSON), address)).query)
    return {name: query[name][0] for name in ("state", "code")}


def callback(world: World, *, state: str, code: str) -> None:
    """Finish a consent."""
    flow_of(world).finish(state=state, code=code, error="", session=PERSON)


def renew(world: World, *, keys: Sequence[str]) -> RotationResult:
    """Re-encrypt everything under the first of these keys."""
    return rotate_keys(world.store.engine, FernetKeys(keys), actor="test")


def remove(world: World, *, address: str) -> None:
    """Remove a mailbox as the command does: request it, with everything that can be chosen, and take every step."""
    world.settings = SETTINGS
    (removal_id,) = removal_kit.request(world, address, revoke_grant=True, trash_mail=True)
    removal_kit.go_on(world, removal_id)


def rename(world: World, *, address: str, new_address: str) -> None:
    """Rename a mailbox."""
    with write_transaction(world.store.engine) as connection:
        renaming.rename_mailbox(connection, address, new_address, actor="op")


def run_under(world: World, *, keys: Sequence[str]) -> Run:
    """Do a run in a process with these keys."""
    return run(with_keys(world, keys))
