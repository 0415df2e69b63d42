"""The callback, where Google sends the browser. The one GET that changes something; it is bound by its state."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gmail_warmup.grants.consent import ConsentRefusedError, Visitor
from gmail_warmup.web import notice, refusals, render, site
from gmail_warmup.web.context import CurrentContext
from gmail_warmup.web.rights import MAY_CHANGE, MAY_READ, UserName
from gmail_warmup.web.security import callback_query, known_browser

router = APIRouter(dependencies=[MAY_READ, MAY_CHANGE], include_in_schema=False)


@router.get(site.CALLBACK)
def callback(request: Request, context: CurrentContext, user: UserName) -> Response:
    """Finish a consent: back to the page, or a page that says why not."""
    query = callback_query(request)
    try:
        done = context.consent_flow().finish(
            state=query.get("state", ""),
            code=query.get("code", ""),
            error=query.get("error", ""),
            visitor=Visitor(user=user, browser=known_browser(request)),
        )
    except ConsentRefusedError as refused:
        text = refusals.text_of(refused)
        back = site.view_url(refused.expected)
        return render.page(request, "refusal.html", text.status, text=text, refusal=refused.refusal.value, back=back)
    response = RedirectResponse(site.view_url(), status_code=303)
    notice.leave(response, done.purpose, done.address)
    return response
