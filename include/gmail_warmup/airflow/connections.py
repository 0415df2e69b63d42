"""Read Airflow Connections, from whatever secrets backend, and convert them to plain objects of the package."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gmail_warmup.core.client_credentials import normalize_client_id, normalize_client_secret, normalize_endpoint
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.workspace.impersonation import IAM_ENDPOINT, IAM_SCOPE, ImpersonatedAccount
from gmail_warmup.gmail.workspace.signing import CONNECTION_REMEDY, unusable_error
from gmail_warmup.oauth.token_endpoint import GOOGLE_AUTH_URI, GOOGLE_TOKEN_URI, OAuthClient

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from gmail_warmup.alerts.apprise_sender import AppriseSender
    from gmail_warmup.warmup.content.generators import TextGenerator

INSTALL_DELEGATION = (
    "Install it into every component: pip install 'gmail-warmup[delegation]', or build the image without "
    "LOCK=requirements-slim.lock."
)

CLIENT_CONN_TYPE = "gmail_oauth_client"
"""The type of a Connection with an OAuth client. The default one may have another type."""

_MAX_GENERATOR_TIMEOUT = 60
_KEY_FIELDS = ("keyfile_dict", "key_path", "key_secret_name", "credential_config_file")
"""Entries of the extra with which Airflow's Google provider finds credentials."""
_OLD_PREFIX = "extra__google_cloud_platform__"
"""Before the name of an entry, in Connections of old versions of Airflow."""
_SERVICE_ACCOUNT_ADDRESS = re.compile(r"[^@\s/]+@[^@\s/]+")


def find_connection(conn_id: str) -> Connection | None:
    """Return an Airflow Connection, or None if it does not exist."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def get_connection(conn_id: str, purpose: str, *, how: str = "with 'gmail-warmup init'") -> Connection:
    """Return an Airflow Connection.

    Args:
        purpose: what it is for.
        how: how it is created.

    Raises:
        ConfigurationError: if it is missing. The message names its purpose and how to create it.
    """
    found = find_connection(conn_id)
    if found is None:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' ({purpose}) is missing. Create it {how}. If it exists, "
            "AIRFLOW__CORE__FERNET_KEY is not the key that it was encrypted with."
        )
    return found


def load_oauth_client(settings: Settings, conn_id: str | None = None) -> OAuthClient:
    """Return an OAuth client.

    Args:
        conn_id: its Connection; None for the default client.

    Raises:
        ConfigurationError: if the Connection is missing, has no client id or secret, or contains a malformed value.
    """
    conn_id = conn_id or settings.client_conn_id
    how = "with 'gmail-warmup init'" if conn_id == settings.client_conn_id else "in Airflow, see docs/clients.md"
    found = get_connection(conn_id, "an OAuth client", how=how)
    if not (found.login or "").strip() or not (found.password or "").strip():
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' needs the client id as its login and the client secret as its "
            "password. Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET in .env and run: gmail-warmup init"
        )
    if conn_id != settings.client_conn_id and found.conn_type != CLIENT_CONN_TYPE:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' has the type '{found.conn_type}', not '{CLIENT_CONN_TYPE}': its "
            "password is not sent to the token endpoint. Create a Connection of that type for the OAuth client."
        )
    extra = parse_extra(found)
    secrets = extra.get("secrets") or []
    if not isinstance(secrets, list):
        raise ConfigurationError(f"In the Airflow Connection '{conn_id}', extra.secrets must be a list of secrets.")
    place = f"of the Airflow Connection '{conn_id}'"
    endpoints = {
        key: normalize_endpoint(str(extra.get(key) or ""), name=f"The {key} {place}")
        for key in ("auth_uri", "token_uri")
    }
    listed = [str(found.password), *map(str, secrets)]
    return OAuthClient(
        client_id=normalize_client_id(str(found.login), name=f"The client id {place}"),
        secrets=tuple(normalize_client_secret(secret, name=f"A client secret {place}") for secret in listed),
        auth_uri=endpoints["auth_uri"] or GOOGLE_AUTH_URI,
        token_uri=endpoints["token_uri"] or GOOGLE_TOKEN_URI,
        api_endpoint=settings.gmail_api_endpoint or None,
    )


def load_text_generator(settings: Settings, fallback: TextGenerator) -> TextGenerator | None:
    """Return the text generator of the settings, or None if none is configured.

    Args:
        fallback: generates the subjects, greetings and closings.

    Raises:
        ConfigurationError: if its Connection is missing, or has no server or model.
    """
    from gmail_warmup.warmup.content.generators import ChatGenerator

    conn_id = settings.generator_conn_id
    if not conn_id:
        return None
    found = get_connection(conn_id, "the text generator", how="in Airflow, see docs/content.md")
    extra = parse_extra(found)
    base_url, model = str(extra.get("base_url") or found.host or ""), str(extra.get("model") or "")
    try:
        timeout = float(extra.get("timeout") or 20)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"In the Airflow Connection '{conn_id}', extra.timeout must be a number of seconds."
        ) from None
    if not base_url.startswith(("http://", "https://")) or not model:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' needs the server's address, https://..., as its host, and a model in "
            'its extra, {"model": "..."}. See docs/content.md.'
        )
    return ChatGenerator(
        templates=fallback,
        base_url=base_url,
        model=model,
        api_key=_read_api_key(found),
        timeout=min(timeout, _MAX_GENERATOR_TIMEOUT),
    )


def _read_api_key(connection: Connection) -> str:
    if not (connection.password or "").strip():
        return ""
    return normalize_client_secret(
        str(connection.password), name=f"The password of the Airflow Connection '{connection.conn_id}'"
    )


def load_database_url(conn_id: str, purpose: str) -> sa.URL:
    """Return the URL of a Connection of type Postgres; its extra becomes parameters of libpq.

    Raises:
        ConfigurationError: if the Connection is missing, is not of type Postgres, or its extra is malformed.
    """
    found = get_connection(conn_id, purpose)
    if found.conn_type not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"The Connection '{found.conn_id}' has the type '{found.conn_type}'; it must be 'postgres'."
        )
    query = {key: str(value) for key, value in parse_extra(found).items() if isinstance(value, str | int)}
    return sa.URL.create(
        "postgresql+psycopg2",
        username=found.login,
        password=found.password,
        host=found.host or None,
        port=found.port,
        database=found.schema,
        query=query,
    )


def load_alert_sender(conn_id: str) -> AppriseSender | None:
    """Return the sender of alerts, or None if nobody configured a receiver.

    Raises:
        ConfigurationError: if the Connection is malformed; the message does not contain its content.
    """
    found = find_connection(conn_id)
    if found is None:
        return None
    from airflow.sdk.log import mask_secret

    from gmail_warmup.alerts.apprise_sender import AppriseSender, malformed_error

    if found.conn_type != "apprise":
        raise malformed_error(conn_id, "its type is not 'apprise'")
    return AppriseSender(conn_id, found.extra or "{}", mask_secret=mask_secret)


def load_smtp_sender(conn_id: str, purpose: str) -> str:
    """Return the address from which an SMTP Connection sends.

    Raises:
        ConfigurationError: if the Connection is missing, is not of type SMTP, or names no sender.
    """
    found = get_connection(conn_id, purpose, how="in Airflow, with the type SMTP")
    if found.conn_type != "smtp":
        raise ConfigurationError(f"The Airflow Connection '{conn_id}' has the type '{found.conn_type}', not 'smtp'.")
    sender = str(parse_extra(found).get("from_email") or found.login or "")
    if "@" not in sender:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' names no sender. Set from_email in its extra, for example "
            '{"from_email": "airflow@example.com"}.'
        )
    return sender


def is_delegation_installed() -> bool:
    """Return whether Airflow's Google provider is installed, the extra ``delegation``."""
    return find_spec("airflow.providers.google") is not None


def has_impersonation_chain(conn_id: str) -> bool:
    """Return whether a Connection names a service account for which this machine signs; it needs no provider."""
    found = find_connection(conn_id)
    return bool(found and parse_extra(found).get("impersonation_chain"))


def has_service_account(conn_id: str) -> bool:
    """Return whether a Connection has a key or names a service account; whether it can be used is not checked."""
    found = find_connection(conn_id)
    names = (*_KEY_FIELDS, *(_OLD_PREFIX + name for name in _KEY_FIELDS), "impersonation_chain")
    try:
        return found is not None and any(map(parse_extra(found).get, names))
    except ConfigurationError:
        return False


def load_google_credentials(conn_id: str) -> Any:
    """Return what signs for the service account of a Connection.

    That is an ``ImpersonatedAccount`` if the field Impersonation Chain names the service account, otherwise the
    google-auth credentials with its key.

    Raises:
        ConfigurationError: if the Connection is missing or contains no usable service account. The text of the
            library's error is left out, since it may quote the key. Also if the Google provider is not installed.
    """
    found = find_connection(conn_id)
    if found is None:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' (the service account of delegated mailboxes) is missing. "
            f"{CONNECTION_REMEDY}"
        )
    try:
        extra = parse_extra(found)
    except ConfigurationError:
        raise unusable_error(conn_id, "its extra is not a JSON object") from None
    chain = extra.get("impersonation_chain")
    return _build_impersonated_account(conn_id, extra, chain) if chain else _load_key(conn_id)


def _build_impersonated_account(conn_id: str, extra: Mapping[str, Any], chain: object) -> ImpersonatedAccount:
    import google.auth
    from google.auth.credentials import with_scopes_if_required
    from google.auth.exceptions import GoogleAuthError

    names = chain.split(",") if isinstance(chain, str) else chain if isinstance(chain, list) else []
    *delegates, email = [str(name).strip() for name in names] or [""]
    if not all(_SERVICE_ACCOUNT_ADDRESS.fullmatch(name) for name in (*delegates, email)):
        raise unusable_error(conn_id, "its Impersonation Chain must hold addresses of service accounts")
    keys = [name for name in _KEY_FIELDS if extra.get(name)]
    if keys:
        raise unusable_error(conn_id, f"it has an Impersonation Chain and also {', '.join(keys)}; remove one of them")
    try:
        # The scope is set afterwards: with it, google-auth would request the project's id, which nobody needs.
        source = with_scopes_if_required(google.auth.default()[0], [IAM_SCOPE])
    except (GoogleAuthError, ValueError, TypeError, AttributeError, OSError) as error:
        raise ConfigurationError(
            f"This machine has no credentials to sign for {email}, which the Airflow Connection '{conn_id}' names "
            f"({type(error).__name__}). Set up a workload identity, or put the path of a credentials file into "
            "GOOGLE_APPLICATION_CREDENTIALS, in every component of Airflow; see docs/delegation.md."
        ) from None
    endpoints = {
        name: normalize_endpoint(str(extra.get(name) or ""), name=f"The {name} of the Airflow Connection '{conn_id}'")
        for name in ("token_uri", "iam_endpoint")
    }
    return ImpersonatedAccount(
        source=source,
        email=email,
        delegates=tuple(delegates),
        token_uri=endpoints["token_uri"] or GOOGLE_TOKEN_URI,
        iam_endpoint=endpoints["iam_endpoint"] or IAM_ENDPOINT,
    )


def _load_key(conn_id: str) -> Any:
    """Return google-auth credentials with a key.

    The imports are local: the hook costs about 0.3 s and 30 MB, which only delegated mailboxes should pay.
    """
    if not is_delegation_installed():
        raise ConfigurationError(
            "Delegated mailboxes need Airflow's Google provider, unless the Connection "
            f"'{conn_id}' has an Impersonation Chain. {INSTALL_DELEGATION}"
        )
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from airflow.sdk.exceptions import AirflowException
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials

    try:
        found, _ = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials_and_project_id()
    except (AirflowException, GoogleAuthError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise unusable_error(conn_id, type(error).__name__) from None
    if not isinstance(found, Credentials):
        raise unusable_error(conn_id, f"it is {type(found).__module__}.{type(found).__name__}")
    return found


def parse_extra(connection: Connection) -> dict[str, Any]:
    """Parse the extra of a Connection.

    ``Connection.extra_dejson`` would send each of its secrets to Airflow's supervisor again, to be masked.
    """
    try:
        return dict(json.loads(connection.extra or "{}"))
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"The extra of the Connection '{connection.conn_id}' is not a JSON object. Correct it in Airflow, under "
            "Admin, Connections."
        ) from None
