"""Flash message across a redirect: a short-lived cookie selects one of the messages below."""

from __future__ import annotations

from fastapi import Request, Response

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import ConsentPurpose
from gmail_warmup.mailboxes.addresses import normalize_address

FLASH_COOKIE = "gmail_warmup_notice"
_MESSAGES = {
    ConsentPurpose.ADD.value: "{address} is connected and will take part from the next DAG run.",
    ConsentPurpose.REAUTH.value: "{address} works again. Its settings and progress are unchanged.",
}


def set_flash(response: Response, purpose: ConsentPurpose, address: str) -> None:
    """Make the next page show once what was done."""
    urls = load_urls()
    response.set_cookie(
        FLASH_COOKIE,
        f"{purpose.value}:{address}",
        max_age=120,
        path=urls.cookie_path,
        httponly=True,
        secure=urls.is_https,
        samesite="lax",
    )


def read_flash(request: Request) -> str:
    """Return the pending message, or an empty string. Any other content of the cookie is ignored."""
    purpose, _, address = request.cookies.get(FLASH_COOKIE, "").partition(":")
    try:
        return _MESSAGES[purpose].format(address=normalize_address(address))
    except (KeyError, InvalidInputError):
        return ""


def clear_flash(request: Request, response: Response) -> None:
    """Delete the cookie after the message was shown."""
    if FLASH_COOKIE in request.cookies:
        urls = load_urls()
        response.delete_cookie(FLASH_COOKIE, path=urls.cookie_path, httponly=True, secure=urls.is_https, samesite="lax")
