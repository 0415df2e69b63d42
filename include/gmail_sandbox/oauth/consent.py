"""The consent page: check the authorization request, show the form and redirect with a code or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, urlencode, urlsplit

from jinja2 import Environment, PackageLoader
from starlette.types import Receive, Scope, Send

from gmail_sandbox.addresses import domain_of
from gmail_sandbox.dispatch import Caller, respond
from gmail_sandbox.http_faults import read_body
from gmail_sandbox.oauth.grants import CODE_SECONDS, Code
from gmail_sandbox.records import Client
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World

ACCOUNTS_SHOWN = 50
_SCOPE_WORDS = {
    "https://mail.google.com/": "Read, compose, send and permanently delete all your email from Gmail",
    "https://www.googleapis.com/auth/gmail.modify": "Read, compose and send emails from your Gmail account",
    "https://www.googleapis.com/auth/gmail.readonly": "View your email messages and settings",
    "https://www.googleapis.com/auth/gmail.send": "Send email on your behalf",
    "https://www.googleapis.com/auth/gmail.compose": "Manage drafts and send emails",
    "https://www.googleapis.com/auth/gmail.labels": "See and edit your email labels",
    "https://www.googleapis.com/auth/gmail.metadata": "View your email message metadata such as labels and headers",
    "https://www.googleapis.com/auth/gmail.insert": "Add emails into your Gmail mailbox",
    "https://www.googleapis.com/auth/userinfo.email": "See your primary Google Account email address",
    "https://www.googleapis.com/auth/userinfo.profile": "See your personal info",
    "openid": "Associate you with your personal info on Google",
    "email": "See your primary Google Account email address",
    "profile": "See your personal info",
}


class Refused(Exception):
    """A refusal that Google shows on its own page, without a redirect to the client."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self.title, self.text = title, text


@dataclass(frozen=True, slots=True)
class Request:
    """A checked authorization request."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    challenge: str | None
    offline: bool
    prompts: frozenset[str]
    login_hint: str
    include_granted: bool

    def back(self, **fields: str | None) -> Answer:
        """Return a redirect to the client with these query parameters and the state."""
        parameters = {key: value for key, value in (fields | {"state": self.state}).items() if value is not None}
        separator = "&" if urlsplit(self.redirect_uri).query else "?"
        return Answer(302, headers=(("location", f"{self.redirect_uri}{separator}{urlencode(parameters)}"),))


def read_request(world: World, query: dict[str, str]) -> Request:
    """Check an authorization request in Google's order; raise Refused if a check fails."""
    client = world.clients.get(query.get("client_id", ""))
    if not query.get("client_id"):
        raise Refused("Error 400: invalid_request", "Missing required parameter: client_id")
    if client is None or client.refuse_with is not None:
        code = "invalid_client" if client is None else client.refuse_with
        raise Refused(f"Error 401: {code}", "The OAuth client was not found, or it is deleted or disabled.")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise Refused(
            "Error 400: redirect_uri_mismatch",
            f"The redirect URI {redirect_uri!r} is not registered for this client. It must match exactly.",
        )
    if query.get("response_type") != "code":
        raise Refused("Error 400: unsupported_response_type", "This sandbox supports only response_type=code.")
    scopes = tuple(dict.fromkeys(query.get("scope", "").split()))
    if not scopes:
        raise Refused("Error 400: invalid_request", "Missing required parameter: scope")
    unknown = [scope for scope in scopes if not _is_scope(scope)]
    if unknown:
        raise Refused("Error 400: invalid_scope", f"Some requested scopes were invalid: {', '.join(unknown)}")
    return Request(
        client=client,
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=query.get("state"),
        challenge=_challenge(client, query),
        offline=query.get("access_type") == "offline",
        prompts=frozenset(query.get("prompt", query.get("approval_prompt", "")).split()),
        login_hint=query.get("login_hint", "").strip().lower(),
        include_granted=query.get("include_granted_scopes") == "true",
    )


def _is_scope(scope: str) -> bool:
    return scope in _SCOPE_WORDS or scope.startswith("https://www.googleapis.com/auth/")


def _challenge(client: Client, query: dict[str, str]) -> str | None:
    challenge = query.get("code_challenge")
    if challenge is None and client.require_pkce:
        raise Refused("Error 400: invalid_request", "Missing required parameter: code_challenge")
    if challenge is not None and query.get("code_challenge_method", "plain") != "S256":
        raise Refused("Error 400: invalid_request", "code_challenge_method must be S256")
    return challenge


def check_account(world: World, client: Client, address: str) -> None:
    """Raise Refused unless this account may use the client."""
    users = world.grants.users.get(client.client_id, set())
    if client.user_limit is not None and len(users) >= client.user_limit and address not in users:
        raise Refused(
            "Sign in with Google temporarily disabled for this app",
            f"Google has not verified this app, and {len(users)} accounts have used it.",
        )
    if client.publishing == "internal" and domain_of(address) != client.org_domain:
        raise Refused(
            "Error 403: org_internal", f"This client is restricted to users within its organization, not {address}."
        )
    if client.publishing == "testing" and client.test_users is not None and address not in client.test_users:
        raise Refused(
            "Error 403: access_denied",
            f"The app is being tested and has not completed Google's verification; {address} is not a test user.",
        )


def decide(world: World, request: Request, form: dict[str, list[str]]) -> Answer:
    """Issue an authorization code, or redirect with an error if access was denied."""
    if form.get("decision", [""])[0] != "allow":
        world.stats.consents["access_denied"] += 1
        return request.back(error="access_denied")
    typed = form.get("other_account", [""])[0].strip().lower()
    address = typed or form.get("account", [""])[0].strip().lower()
    if address not in world.mailboxes:
        raise Refused("Couldn't find your account", f"{address or 'No address'} is not a mailbox of this sandbox.")
    check_account(world, request.client, address)
    chosen = form.get("scope", [])
    scopes = frozenset(request.scopes if len(request.scopes) == 1 else [s for s in request.scopes if s in chosen])
    if not scopes:
        world.stats.consents["access_denied"] += 1
        return request.back(error="access_denied")
    now, client_id = world.clock.now(), request.client.client_id
    if request.include_granted:
        earlier = [token for grant in world.grants.of(address, client_id) for token in grant.tokens.values()]
        scopes = scopes.union(*(token.scopes for token in earlier if token.get_revocation(now) is None))
    first = not world.grants.has_live(address, client_id, now)
    with_refresh = request.offline and (first or "consent" in request.prompts or "force" in request.prompts)
    code = Code(address, client_id, request.redirect_uri, scopes, request.challenge, with_refresh, now + CODE_SECONDS)
    world.stats.consents["allowed"] += 1
    return request.back(code=world.grants.issue_code(code), scope=" ".join(sorted(scopes)))


def page(world: World, request: Request) -> Answer:
    """Return the consent page."""
    if request.prompts == {"none"}:
        return request.back(error="interaction_required")
    hint = request.login_hint
    if hint in world.mailboxes:
        check_account(world, request.client, hint)
    addresses = sorted(world.mailboxes, key=lambda address: (address != hint, address))
    return render(
        "consent.html",
        200,
        client_id=request.client.client_id,
        accounts=[(address, world.mailboxes[address].display_name) for address in addresses[:ACCOUNTS_SHOWN]],
        many=len(addresses) > ACCOUNTS_SHOWN,
        unknown_hint=hint if hint and hint not in world.mailboxes else "",
        scopes=[(scope, _SCOPE_WORDS.get(scope, scope)) for scope in request.scopes],
        destination=urlsplit(request.redirect_uri).netloc,
    )


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("gmail_sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def render(template: str, status: int, **values: object) -> Answer:
    """Render a page that other sites cannot embed in a frame."""
    text = _templates().get_template(template).render(**values)
    return Answer.of_html(status, text, ("x-frame-options", "DENY"), ("cache-control", "no-store"))


class ConsentEndpoint:
    """`GET` and `POST /o/oauth2/v2/auth`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        query = {key: rows[0] for key, rows in parse_qs(scope["query_string"].decode("latin-1")).items()}
        form = parse_qs((await read_body(receive)).decode("utf-8", "replace"), keep_blank_values=True)
        typed = form.get("other_account", [""])[0] or form.get("account", [query.get("login_hint", "")])[0]
        caller = Caller("consent", "consent", typed.strip().lower() or None, query.get("client_id"))
        await respond(
            self._world,
            caller,
            lambda: self._answered(lambda: self._work(scope["method"], query, form)),
            self._world.settings.latency_ms.consent,
            (scope, receive, send),
        )

    def _work(self, method: str, query: dict[str, str], form: dict[str, list[str]]) -> Answer:
        if method not in ("GET", "HEAD", "POST"):
            return Answer.of_html(405, "<p>The request method is inappropriate.</p>")
        request = read_request(self._world, query)
        return decide(self._world, request, form) if method == "POST" else page(self._world, request)

    def _answered(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except Refused as refused:
            self._world.stats.consents[refused.title.rpartition(": ")[2]] += 1
            return render("refusal.html", 400, title=refused.title, text=refused.text)
