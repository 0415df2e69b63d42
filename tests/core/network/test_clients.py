"""Every client of the product has the same proxies, the same trusted certificates and the same limits."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2.service_account import Credentials

import gmail_warmup
from gmail_warmup.airflow.services import Services
from gmail_warmup.alerts.apprise_sender import AlertDeliveryError, AppriseSender
from gmail_warmup.alerts.webhooks.messages import build_test_message
from gmail_warmup.alerts.webhooks.receivers import build_receiver
from gmail_warmup.alerts.webhooks.sender import WebhookDeliveryError, WebhookSender
from gmail_warmup.audit.gmail_prober import GmailProber
from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError
from gmail_warmup.core.network import environment
from gmail_warmup.core.settings import Settings
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.errors import GmailError
from gmail_warmup.gmail.transport import Transport
from gmail_warmup.gmail.workspace.directory import Directory, DirectoryError
from gmail_warmup.gmail.workspace.impersonation import ImpersonatedAccount, ImpersonationSigner
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.gmail.workspace.signing import SignedRequest
from gmail_warmup.oauth.client_check import probe_client
from gmail_warmup.oauth.consent.signed_in import fetch_signed_in_address
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.revocation.request import revoke_token
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenEndpoint, TokenResult
from gmail_warmup.warmup.content.compose import MailContext
from gmail_warmup.warmup.content.generators import ChatGenerator, GeneratorError, TemplateGenerator
from gmail_warmup.warmup.content.template_library import load_builtin_templates
from gmail_warmup.warmup.content.templates import MailKind
from support.network_kit import (
    Certificates,
    Proxy,
    Server,
    drip_body,
    drip_headers,
    make_certificates,
    proxying,
    redirect,
    send_bomb,
    send_compressed_answer,
    send_huge_answer,
    serving,
)

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
HTTPS_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
HTTP_PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
FRAME = TemplateGenerator(library=load_builtin_templates())
BRIEF = MailContext(kind=MailKind.FIRST, seed="s", thread_seed="s", sender_name="Ada", recipient_name="Grace")


# Every client: sends a request to a server, and returns whether it received its answer.


def client_of(root: str) -> OAuthClient:
    return OAuthClient(
        client_id="client-1.example.com", secrets=("GOCSPX-made-up",), token_uri=f"{root}/token", api_endpoint=root
    )


def endpoint(root: str, seconds: float) -> TokenEndpoint:
    return TokenEndpoint(client_of(root), connect_timeout=seconds, read_timeout=seconds)


def refresh(root: str, seconds: float) -> bool:
    return bool(endpoint(root, seconds).refresh_access_token("1//made-up").access_token)


def exchange_code(root: str, seconds: float) -> bool:
    result = endpoint(root, seconds).exchange_code(code="4/made-up", verifier="v" * 43, redirect_uri="http://x")
    return bool(result.access_token)


def identify(root: str, seconds: float) -> bool:
    return fetch_signed_in_address(endpoint(root, seconds), "ya29.made-up") == "ada@pool.example"


def revoke(root: str, seconds: float) -> bool:
    return revoke_token(endpoint(root, seconds), "1//made-up").code == "ok"


def impersonate(root: str, seconds: float) -> bool:
    return bool(request_delegated_token(root, seconds).access_token)


def request_delegated_token(root: str, seconds: float) -> TokenResult:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {"client_email": "robot@project-1.example", "token_uri": f"{root}/token", "private_key": key.decode()}
    account = Credentials.from_service_account_info(info)
    with ServiceAccount("google", lambda _: account, connect_timeout=seconds, read_timeout=seconds) as robot:
        return robot.request_token("ada@work.example")


class Gmail(GmailClient):
    """A client of Gmail with a token that no server checks."""

    address, token_header = "ada@pool.example", "X-Warmup-Id"

    def __init__(self, root: str, seconds: float) -> None:
        self._root, self._seconds = root, seconds

    def _load_credentials(self) -> Any:
        from google.oauth2.credentials import Credentials

        return Credentials(token="ya29.made-up")

    def _create_transport(self) -> Transport:
        return Transport(connect_timeout=self._seconds, read_timeout=self._seconds, endpoint=self._root)


def call_gmail(root: str, seconds: float) -> bool:
    try:
        return bool(Gmail(root, seconds).get_profile().address)
    except GmailError:
        return False


def audit(root: str, seconds: float) -> bool:
    return bool(probe(root, seconds).access_token)


def probe(root: str, seconds: float) -> TokenResult:
    async def send() -> TokenResult:
        async with TokenProber(client_of(root), settings(seconds)) as prober:
            return await prober.request_token("1//made-up")

    return asyncio.run(send())


def audit_gmail(root: str, seconds: float) -> bool:
    async def probe() -> bool:
        async with GmailProber(root, settings(seconds)) as prober:
            return (await prober.probe_mailbox("ya29.made-up")).category is ResponseCategory.OK

    return asyncio.run(probe())


def settings(seconds: float) -> Settings:
    return Settings(connect_timeout=seconds, read_timeout=seconds, refresh_lease=600)


def generate(root: str, seconds: float) -> bool:
    generator = ChatGenerator(templates=FRAME, base_url=f"{root}/v1", model="m", timeout=seconds)
    try:
        return generator.write_mail(BRIEF).template_name == "generator"
    except GeneratorError:
        return False


def alert(root: str, seconds: float) -> bool:
    try:
        alert_sender(root, seconds).send("title", "body")
    except AlertDeliveryError:
        return False
    return True


def alert_sender(root: str, seconds: float) -> AppriseSender:
    address = root.replace("http", "json", 1)
    path = f"{address}{'&' if '?' in address else '/?'}cto={seconds}&rto={seconds}"
    return AppriseSender("alerts", json.dumps({"config": {"path": path}}), mask_secret=lambda _: None)


def deliver_webhook(root: str, seconds: float) -> bool:
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    receiver = build_receiver("receiver", url=root, signing_secrets=[secret], events=None, allow_private=True)
    # Its answer counts as soon as there is a status, for which a busy machine may need a while.
    sender = WebhookSender(receiver, timeout=max(3.0, 2 * seconds), allow_private=True)
    try:
        sender.send(build_test_message())
    except WebhookDeliveryError:
        return False
    finally:
        sender.close()
    return True


def diagnose(root: str, seconds: float) -> bool:
    made = Services(Actor(name="doctor"))
    made.__dict__.update(oauth_client=client_of(root), settings=settings(seconds))
    try:
        return bool([reason.code for reason, _ in DoctorContext(made, None).probe_results] == ["ok"])
    except GmailWarmupError:
        return False


def sign(root: str, seconds: float) -> bool:
    from google.oauth2.credentials import Credentials

    signer = make_signer(Credentials("ya29.machine"), root, seconds)
    return isinstance(signer.sign("ada@work.example", ("scope",)), SignedRequest)


def request_machine_token(root: str, seconds: float) -> bool:
    from google.auth.identity_pool import Credentials

    source = Credentials(
        audience="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/machines",
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        token_url=f"{root}/v1/token",
        subject_token_supplier=SubjectToken(),
    )
    return not isinstance(make_signer(source, root, seconds)._get_source(), TokenResult)


class SubjectToken:
    """The token that a machine has of its own."""

    def get_subject_token(self, *_: object) -> str:
        return "made-up"


def make_signer(source: Any, root: str, seconds: float) -> ImpersonationSigner:
    account = ImpersonatedAccount(source=source, email="robot@project-1.example", iam_endpoint=root)
    return ImpersonationSigner(account, connect_timeout=seconds, read_timeout=seconds, tries=1)


def read_directory(root: str, seconds: float) -> bool:
    token = TokenResult(reason=REASONS["ok"], access_token="ya29.made-up")
    directory = Directory(
        "admin@work.example", lambda _: token, endpoint=root, connect_timeout=seconds, read_timeout=seconds, tries=1
    )
    try:
        return directory.list_users() == []
    except DirectoryError:
        return False


CLIENTS: tuple[Callable[[str, float], bool], ...] = (
    refresh, exchange_code, identify, revoke, impersonate, sign, request_machine_token, read_directory, call_gmail,
    audit, audit_gmail, generate, alert, diagnose, deliver_webhook,
)  # fmt: skip
every_client = pytest.mark.parametrize("call", CLIENTS, ids=lambda call: call.__name__)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CERTIFICATE_VARIABLES, *HTTPS_PROXIES, *HTTP_PROXIES, *NO_PROXIES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_server(certificates: Certificates) -> Iterator[Server]:
    with serving(certificates=certificates) as found:
        yield found


@pytest.fixture(scope="module")
def plain_server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxying() as found:
        yield found


@every_client
@pytest.mark.parametrize("variable", HTTPS_PROXIES)
def test_https_goes_through_the_proxy(
    call: Callable[[str, float], bool],
    variable: str,
    tls_server: Server,
    certificates: Certificates,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setenv(variable, proxy.url)
    assert call(tls_server.named_root, 60)
    assert proxy.targets == [tls_server.named_root.partition("//")[2]]


@every_client
@pytest.mark.parametrize("variable", HTTP_PROXIES)
def test_http_goes_through_the_proxy(
    call: Callable[[str, float], bool],
    variable: str,
    plain_server: Server,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(variable, proxy.url.removeprefix("http://"))
    assert call(plain_server.named_root, 60)
    assert proxy.targets == [plain_server.named_root.partition("//")[2]]


@every_client
@pytest.mark.parametrize("excepted", ["localhost", "other.example, localhost", "*"])
@pytest.mark.parametrize("variable", NO_PROXIES)
def test_an_excepted_server_is_reached_directly(
    call: Callable[[str, float], bool],
    variable: str,
    excepted: str,
    plain_server: Server,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv(variable, excepted)
    assert call(plain_server.root, 60)
    assert proxy.targets == []


@every_client
@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
def test_the_certificates_of_every_variable_are_trusted(
    call: Callable[[str, float], bool],
    variable: str,
    tls_server: Server,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    assert not call(tls_server.root, 60), "without the variable the certificate is not trusted"
    (tmp_path / "corporation.pem").write_bytes(certificates.authority.read_bytes())
    (tmp_path / "readme.txt").write_text("No certificate.")
    is_folder = variable == "SSL_CERT_DIR"
    monkeypatch.setenv(variable, f"{tmp_path}/missing:{tmp_path}" if is_folder else str(certificates.authority))
    assert call(tls_server.root, 60)


def test_the_certificates_of_all_variables_are_trusted(
    tls_server: Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    other = make_certificates(tmp_path)
    for variable in CERTIFICATE_VARIABLES:
        monkeypatch.setenv(variable, str(other.authority))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificates.authority))
    assert refresh(tls_server.root, 60)


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_variable_without_a_certificate_is_named(
    variable: str, content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(ConfigurationError, match=rf"{variable} is set to .*ca\.pem"):
        environment.get_ssl_context()


@pytest.mark.parametrize(
    "value", ["socks5://user:hunter2@proxy.example:1080", "http://:hunter2@", "http://proxy.example:hunter2", "ftp://p"]
)
def test_an_address_that_is_no_http_proxy_is_refused_and_not_shown(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as refused:
        environment.find_proxy("https://oauth2.googleapis.com/token")
    assert "hunter2" not in str(refused.value)


@every_client
def test_a_proxy_that_refuses_or_is_gone_is_no_answer(
    call: Callable[[str, float], bool], tls_server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    proxy.refuses = True
    assert not call(tls_server.named_root, 60)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert not call(tls_server.named_root, 60)


def gmail_code(root: str) -> str | None:
    with pytest.raises(GmailError) as failed:
        Gmail(root, 60).get_profile()
    return failed.value.meaning.code


def identity_code(root: str) -> str:
    answer = fetch_signed_in_address(endpoint(root, 60), "ya29.made-up")
    return answer if isinstance(answer, str) else answer.transport


def client_check_code(root: str) -> str:
    ((reason, _),) = probe_client(endpoint(root, 60).client, connect_timeout=60, read_timeout=60)
    return reason.code


REASON_CODES: dict[str, Callable[[str], str | None]] = {
    "refresh": lambda root: endpoint(root, 60).refresh_access_token("1//made-up").reason.code,
    "consent": identity_code,
    "service account": lambda root: request_delegated_token(root, 60).reason.code,
    "Gmail": gmail_code,
    "audit": lambda root: probe(root, 60).reason.code,
    "check of the client": client_check_code,
}


@pytest.mark.parametrize("code", REASON_CODES.values(), ids=REASON_CODES)
def test_an_untrusted_certificate_and_a_failing_proxy_have_reason_codes(
    code: Callable[[str], str | None], tls_server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    assert code(tls_server.root) == "tls_untrusted"
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert code(tls_server.named_root) == "tls_untrusted", "of the server, not of the proxy"
    proxy.refuses = True
    assert code(tls_server.named_root) == "proxy_failed"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert code(tls_server.named_root) == "proxy_failed"
    monkeypatch.delenv("HTTPS_PROXY")
    assert code("https://127.0.0.1:9") == "unreachable"


def test_an_alert_names_what_the_operator_can_correct(
    tls_server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    def failure() -> str:
        with pytest.raises(AlertDeliveryError) as failed:
            alert_sender(tls_server.named_root, 60).send("title", "body")
        return str(failed.value)

    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert "certificate of the receiver is not trusted" in failure()
    proxy.refuses = True
    assert "proxy cannot be reached or refuses" in failure()
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    assert "SSL_CERT_FILE is set to /missing.pem" in failure()


def _is_accepted(call: object, answer: object) -> bool:
    """Return whether an answer of this kind counts: of a webhook, the status is all that does."""
    return call is deliver_webhook and answer is not drip_headers


@every_client
@pytest.mark.parametrize("answer", [drip_body, drip_headers], ids=lambda answer: answer.__name__)
def test_a_server_that_sends_single_bytes_does_not_exceed_the_deadline(call: Callable[[str, float], bool], answer: Any):
    with serving(answer) as server:
        assert call(server.root, 0.3) == _is_accepted(call, answer)
    assert not server.finished, "the client read the answer to its end"


@every_client
@pytest.mark.parametrize("answer", [send_huge_answer, send_bomb], ids=lambda answer: answer.__name__)
def test_an_answer_without_end_is_not_read_to_its_end(call: Callable[[str, float], bool], answer: Any):
    with serving(answer) as server:
        assert call(server.root, 30) == _is_accepted(call, answer)


@every_client
def test_a_compressed_answer_is_read(call: Callable[[str, float], bool]):
    with serving(send_compressed_answer) as server:
        assert call(server.root, 60)
        assert len(server.requests) == 1


# No other client


_MAY_CONNECT = {"core/network/client.py", "core/network/async_client.py"}
_CONNECTING = {
    "httpx": {"Client", "AsyncClient", "HTTPTransport", "get", "post", "put", "patch", "delete", "request", "stream"},
    "aiohttp": {"ClientSession", "request", "TCPConnector"},
    "requests": {"Session", "session", "get", "post", "put", "patch", "delete", "request", "head"},
    "httplib2": {"Http"},
    "urllib3": {"PoolManager", "ProxyManager", "request"},
    "urllib.request": {"urlopen", "build_opener"},
    "http.client": {"HTTPConnection", "HTTPSConnection"},
    "google.auth.transport.requests": {"Request", "AuthorizedSession"},
    "google.auth.transport.urllib3": {"Request", "AuthorizedHttp"},
}
"""What opens a connection for HTTP, by library."""


def connections_opened(path: Path) -> list[str]:
    """Return what a module uses to open connections: attributes of a library, and names imported from it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(called := node.func, ast.Attribute):
            found += [ast.unparse(called)] if called.attr in _CONNECTING.get(ast.unparse(called.value), ()) else []
        elif isinstance(node, ast.ImportFrom) and node.module in _CONNECTING:
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name in _CONNECTING[node.module]]
    return found


def test_no_other_module_opens_a_connection():
    package = Path(gmail_warmup.__file__).parent
    found = {
        str(path.relative_to(package)): opened
        for path in package.rglob("*.py")
        if (opened := connections_opened(path)) and str(path.relative_to(package)) not in _MAY_CONNECT
    }
    assert found == {}, "use core/network/client.py, and add the client to CLIENTS above"


def test_every_module_that_uses_the_client_is_tried_here():
    package = Path(gmail_warmup.__file__).parent
    users = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if any(name in path.read_text() for name in ("import open_client", "open_client\n", "import AsyncClient"))
    } - _MAY_CONNECT
    assert users == {
        "alerts/requests_adapter.py",
        "alerts/webhooks/sender.py",
        "audit/gmail_prober.py",
        "audit/token_prober.py",
        "gmail/transport.py",
        "gmail/workspace/directory.py",
        "gmail/workspace/impersonation.py",
        "gmail/workspace/service_account.py",
        "oauth/client_check.py",
        "oauth/consent/signed_in.py",
        "oauth/revocation/request.py",
        "oauth/token_endpoint.py",
        "warmup/content/generators.py",
    }


@pytest.mark.parametrize("options", ["", "&redirect=yes"], ids=["by default", "redirect=yes"])
def test_no_alert_follows_a_redirect_with_a_token(options: str):
    with serving(redirect) as server:
        alert(f"{server.root}/?+Authorization=Bearer%20made-up{options}", 60)
        assert len(server.requests) == 1
