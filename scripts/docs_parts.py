"""Generate the parts of the documentation that come from the code: one function per part, and a table of them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from gmail_warmup.core import enums
from gmail_warmup.core.enums import REPAIRED_BY, RETRIED, Permission, ResponseCategory
from gmail_warmup.core.settings import Settings
from gmail_warmup.domains.authentication_reasons import AUTHENTICATION_REASONS
from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.oauth.answers import ROWS, Party, Row
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.readiness.reasons import READINESS_REASONS


def part(name: str) -> str:
    """Return the generated part with the name that a page uses in its marker.

    Raises:
        SystemExit: if the part does not exist.
    """
    kind, _, rest = name.partition(" ")
    if kind not in PARTS:
        raise SystemExit(f"<!-- generated: {name} -->: known parts are {', '.join(PARTS)}.")
    return PARTS[kind](*([rest] if rest else []))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def meanings(words: type[StrEnum]) -> Iterator[tuple[str, str]]:
    """Yield each member of an enum with the docstring below it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(words))).body[0]
    assert isinstance(body, ast.ClassDef)
    for member, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            assert isinstance(member.targets[0], ast.Name)
            yield words[member.targets[0].id].value, str(below.value.value)


def settings() -> str:
    """Return every option with its default, allowed values and meaning."""
    schema = Settings.model_json_schema()["properties"]
    rows = [
        (f"`{name}`", f"`{_plain(option['default'])}`", _allowed(option), option["description"])
        for name, option in schema.items()
    ]
    return table(("option", "default", "allowed", "meaning"), rows)


def _plain(default: Any) -> str:
    return str(default) if default != "" else " "


def _allowed(option: dict[str, Any]) -> str:
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if option["type"] == "boolean":
        return "`True`, `False`"
    if option["type"] == "string":
        return "text"
    lowest = option.get("minimum", option.get("exclusiveMinimum"))
    bound = "greater than" if "exclusiveMinimum" in option else "from"
    kind = "integer" if option["type"] == "integer" else "number"
    parts = [
        f"{bound} {lowest:g}" if lowest is not None else "",
        f"to {option['maximum']}" if "maximum" in option else "",
    ]
    return " ".join(filter(None, [kind, *parts]))


def words(name: str) -> str:
    """Return the members of an enum of `core.enums` with their meanings."""
    found = list(meanings(getattr(enums, name)))
    return table(
        (re.sub(r"(?<!^)([A-Z])", r" \1", name).lower(), "meaning"), [(f"`{word}`", text) for word, text in found]
    )


def grant_states() -> str:
    """Return the states of a grant: meaning, who repairs them, and their reason codes."""
    rows = []
    for state, meaning in meanings(enums.GrantState):
        reasons = [reason for reason in REASONS.values() if reason.state == state]
        who = ", ".join(dict.fromkeys(REPAIRED_BY[reason.category] for reason in reasons))
        codes = ", ".join(f"`{reason.code}`" for reason in reasons)
        rows.append((f"`{state}`", meaning, who, codes))
    return table(("state", "meaning", "repaired by", "reason codes"), rows)


def answer_classes() -> str:
    """Return the categories of answers with their meaning and who repairs their cause."""
    return table(
        ("kind", "meaning", "repaired by", "retried"),
        [
            (f"`{kind}`", text, REPAIRED_BY[ResponseCategory(kind)], RETRIED[ResponseCategory(kind)])
            for kind, text in meanings(ResponseCategory)
        ],
    )


def answers() -> str:
    """Return the table of Google's answers, in the order in which it is searched."""
    titles = ("answer to", "response", "error", "text contains", "reason code", "category")
    return table(titles, [_answer_cells(row) for row in ROWS])


def _answer_cells(row: Row) -> tuple[str, ...]:
    parties = "any" if set(row.parties) == set(Party) else ", ".join(row.parties)
    errors = ", ".join(f"`{error}`" if error else "none named" for error in row.errors)
    if row.subtypes:
        errors += " with " + " or ".join(f"`{subtype}`" for subtype in row.subtypes)
    response = ", ".join(filter(None, [_status_text(row.statuses), *(str(body) for body in row.bodies)]))
    response = _TRANSPORT_TEXTS.get(row.transport, response)
    return parties, response, errors, row.text, f"`{row.code}`", f"`{row.reason.category}`"


_TRANSPORT_TEXTS = {
    "tls_untrusted": "no response: certificate not accepted",
    "proxy_failed": "no response: no connection through the proxy",
    "unreachable": "no complete response",
}


def _status_text(statuses: Sequence[int]) -> str:
    """Return status codes with each complete hundred in short."""
    hundreds = {
        code // 100 for code in statuses if set(range(code // 100 * 100, code // 100 * 100 + 100)) <= {*statuses}
    }
    single = [str(code) for code in statuses if code // 100 not in hundreds]
    return ", ".join([*single, *(f"{hundred}xx" for hundred in sorted(hundreds))])


def grant_reasons() -> str:
    """Return every reason code of a grant, grouped by category."""
    parts = []
    for kind, meaning in meanings(ResponseCategory):
        reasons = [reason for reason in REASONS.values() if reason.category == kind and reason.code != "ok"]
        if reasons:
            parts.append(f"### {kind}\n\n{meaning} {_state_sentence(reasons[0])}\n\n{_reason_table(reasons)}")
    return "\n\n".join(parts)


def _state_sentence(reason: Reason) -> str:
    changed = f"The grant becomes `{reason.state}`." if reason.state else "The state of the grant does not change."
    return f"{changed} Repaired by: {REPAIRED_BY[reason.category]}."


def _reason_table(reasons: Iterable[Any]) -> str:
    rows = [(f"`{reason.code}`", reason.message, reason.remedy or "No action needed.") for reason in reasons]
    return table(("code", "what happened", "what to do"), rows)


def warmup_reasons() -> str:
    """Return every reason code of reduced volume."""
    return _reason_table(WARMUP_REASONS.values())


def readiness_reasons() -> str:
    """Return every reason code of the readiness of a mailbox."""
    return _reason_table(READINESS_REASONS.values())


def dns_reasons() -> str:
    """Return every reason code of a DNS record."""
    rows = [
        (f"`{reason.code}`", f"`{reason.result}`", reason.message, reason.remedy_for("DOMAIN") or "No action needed.")
        for reason in DNS_REASONS.values()
    ]
    return table(("code", "result", "finding", "what to do"), rows)


def authentication_reasons() -> str:
    """Return every reason code of a domain whose mail is not authenticated."""
    return _reason_table(AUTHENTICATION_REASONS.values())


def command(name: str) -> str:
    """Return the options of a command."""
    from typer.main import get_command

    from gmail_warmup.cli import app

    found: Any = get_command(app)
    for word in name.split():
        found = found.commands[word]
    options = [parameter for parameter in found.params if parameter.opts[0].startswith("-")]
    return "\n".join(f"- `{option.opts[0]}`{_metavar(option)}: {_help(option)}" for option in options)


def _metavar(option: Any) -> str:
    kind = option.type_descriptor.annotation
    is_choice = isinstance(kind, type) and issubclass(kind, StrEnum)
    return f" ({', '.join(f'`{choice.value}`' for choice in kind)})" if is_choice else ""


def _help(option: Any) -> str:
    default = getattr(option.default, "value", option.default)
    more = " Required." if option.required else f" Default: {default}." if default not in (None, "", False, ()) else ""
    return f"{option.help}{more}"


def api() -> str:
    """Return the routes of the API with the permission that each requires and its parameters."""
    from fastapi.routing import APIRoute

    from gmail_warmup.web.api import router

    rows = [
        (f"`{method} {route.path.replace(':path', '')}`", _permission(route), _describe(route))
        for route in sorted(router.routes, key=lambda route: getattr(route, "path", ""))
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]
    return table(("route", "permission", "what it does"), rows)


def _permission(route: Any) -> str:
    permissions = [getattr(dependency.call, "permission", None) for dependency in route.dependant.dependencies]
    return max(filter(None, permissions), key=list(Permission).index).name.lower()


def _describe(route: Any) -> str:
    inputs = [f"{kind}: {', '.join(f'`{name}`' for name in names)}." for kind, names in _inputs(route) if names]
    return " ".join([*(route.description or "").split(), *inputs])


def _inputs(route: Any) -> Iterator[tuple[str, list[str]]]:
    for kind, parameters in (("Query", route.dependant.query_params), ("Body", route.dependant.body_params)):
        named = [getattr(p.field_info.annotation, "model_fields", [p.alias]) for p in parameters]
        yield kind, [name for names in named for name in names]


PYTHON_CLASSES = (
    "gmail_warmup.airflow.gmail_hook.GmailHook",
    "gmail_warmup.airflow.mail.send_operator.GmailSendOperator",
    "gmail_warmup.airflow.mail.message_sensor.GmailMessageSensor",
    "gmail_warmup.airflow.oauth_client_hook.OAuthClientHook",
    "gmail_warmup.airflow.notifier.GmailAlertsNotifier",
    "gmail_warmup.airflow.operators.MailboxOperator",
    "gmail_warmup.airflow.operators.NeedsPersonOperator",
    "gmail_warmup.airflow.operators.SecondPassSensor",
    "gmail_warmup.airflow.operators.ReauthenticateLink",
)
"""The classes that Airflow or other DAGs use; a test fails if an operator, hook, sensor or notifier is missing."""


def python() -> str:
    """Return the docstring of each public class, and those of its methods."""
    return "\n\n".join(_describe_class(path) for path in PYTHON_CLASSES)


def _describe_class(path: str) -> str:
    module, _, name = path.rpartition(".")
    found = getattr(import_module(module), name)
    arguments = _format_signature(found).partition(" ->")[0]
    text = [
        f"### {name}",
        f"```python\n{module}.{name}{arguments}\n```",
        _format_docstring(inspect.getdoc(found) or ""),
    ]
    methods = [
        (f"`{method}{_format_signature(value)}`", _first_sentences(value))
        for method, value in inspect.getmembers(found, inspect.isfunction)
        if not method.startswith("_") and value.__module__.startswith("gmail_warmup.")
    ]
    return "\n\n".join([*text, table(("method", "what it does"), methods)] if methods else text)


def _format_signature(value: Any) -> str:
    """Return a signature without `self` and without the quotes of annotations."""
    text = re.sub(r"(: |-> )'([^']+)'", r"\1\2", str(inspect.signature(value)))
    return re.sub(r"^\(self(, )?", "(", text)


def _format_docstring(text: str) -> str:
    """Return a docstring with its sections (Args, Raises) as Markdown."""
    lines = [re.sub(r"^    (\S[^:]*): ", r"- `\1`: ", line) for line in text.replace("``", "`").splitlines()]
    return "\n".join(f"{line}\n" if re.fullmatch(r"[A-Z]\w+:", line) else line for line in lines)


def _first_sentences(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].replace("``", "`").split())


def example(name: str) -> str:
    """Return an example DAG of `docs/examples`."""
    code = (Path(__file__).resolve().parents[1] / "docs" / "examples" / f"{name}.py").read_text(encoding="utf-8")
    return f"```python\n{code}```"


PARTS: dict[str, Callable[..., str]] = {
    "settings": settings,
    "words": words,
    "grant-states": grant_states,
    "answer-classes": answer_classes,
    "answers": answers,
    "grant-reasons": grant_reasons,
    "warmup-reasons": warmup_reasons,
    "readiness-reasons": readiness_reasons,
    "dns-reasons": dns_reasons,
    "authentication-reasons": authentication_reasons,
    "command": command,
    "api": api,
    "python": python,
    "example": example,
}
