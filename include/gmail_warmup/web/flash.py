"""A notice that a redirect leaves for the page: one short-lived cookie, one of our own sentences."""

from __future__ import annotations

from fastapi import Request, Response

from gmail_warmup.core import urls
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import ConsentPurpose
from gmail_warmup.mailboxes.records import normalize_address

FLASH_COOKIE = "gmail_warmup_notice"
_MESSAGES = {
    ConsentPurpose.ADD.value: "{address} is connected and will take part from the next run on.",
    ConsentPurpose.REAUTH.value: "{address} works again. Its settings and its progress are unchanged.",
}


def set_flash(response: Response, purpose: ConsentPurpose, address: str) -> None:
    """Let the page say once what was done."""
    response.set_cookie(
        FLASH_COOKIE,
        f"{purpose.value}:{address}",
        max_age=120,
        path=urls.cookie_path(),
        httponly=True,
        secure=urls.is_https(),
        samesite="lax",
    )


def read_flash(request: Request) -> str:
    """Return the sentence that is waiting, or the empty string; anything that we did not write is ignored."""
    purpose, _, address = request.cookies.get(FLASH_COOKIE, "").partition(":")
    try:
        return _MESSAGES[purpose].format(address=normalize_address(address))
    except (KeyError, InvalidInputError):
        return ""


def clear_flash(request: Request, response: Response) -> None:
    """Forget the notice once it was shown."""
    if FLASH_COOKIE in request.cookies:
        response.delete_cookie(
            FLASH_COOKIE, path=urls.cookie_path(), httponly=True, secure=urls.is_https(), samesite="lax"
        )
