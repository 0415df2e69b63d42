"""Read a compose file: its variables, and what its services run with, wait for and are checked by.

What is not understood is refused by name, so that a service never runs here with less than the file says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gmail_embedded.errors import EmbeddedError

STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<operator>:?[-?])(?P<word>[^${}]*))?\})?"
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOP_KEYS = {"name", "services", "volumes"}
_READ_KEYS = {"command", "environment", "depends_on", "healthcheck", "ports", "stop_grace_period", "read_only", "tmpfs"}
_IMAGE_KEYS = {"image", "build", "restart", "security_opt", "cap_drop", "volumes"}
"""What concerns containers alone."""


class MissingVariablesError(EmbeddedError):
    """Variables are not set without which a compose file does not start."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A health check; times in seconds."""

    argv: tuple[str, ...]
    interval: float = 30
    timeout: float = 30
    retries: int = 3
    start_period: float = 0

    @property
    def patience(self) -> float:
        """Return after how long Docker calls a service unhealthy that never was healthy."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service runs with, waits for and is checked by."""

    name: str
    command: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    after: Mapping[str, str]
    """The services it waits for, each with the condition."""
    check: Check | None
    published: Mapping[int, int]
    """Ports of the service, each with the one on the machine."""
    read_only: bool = False
    """Whether it can write nothing but its volumes and `/tmp`."""


def read(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of a compose file in an order in which they can start.

    Args:
        path: the file.
        variables: of `.env` and the shell.

    Raises:
        MissingVariablesError: if a variable is missing; it names all that are.
        EmbeddedError: if the file has what is not understood.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), variables, path.name)
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be read: {error.strerror}.") from None


def parse(text: str, variables: Mapping[str, str], name: str = "compose.yaml") -> dict[str, Service]:
    """Return the services of a compose file's text; see `read`."""
    try:
        raw = yaml.safe_load(text)
        _known(raw, lambda key: key in _TOP_KEYS or key.startswith("x-"), "the file")
        missing: dict[str, str] = {}
        # The blocks of x- are only read where they are merged in.
        services = _filled(raw["services"], variables, missing)
        if missing:
            raise MissingVariablesError(_lack(name, missing))
        found = {key: _service(key, entry, variables) for key, entry in services.items()}
        return {service.name: service for service in _in_order(found)}
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise EmbeddedError(f"{name} cannot be used here: {' '.join(str(error).split())}.") from None


def required(text: str) -> set[str]:
    """Return the variables without which a compose file does not start; its secrets are among them."""
    missing: dict[str, str] = {}
    _filled(yaml.safe_load(text)["services"], {}, missing)
    return set(missing)


def _lack(name: str, missing: Mapping[str, str]) -> str:
    told = "; ".join(f"{variable}: {what}" for variable, what in missing.items())
    return f"{name} needs {len(missing)} variables that are not set. {told}."


def interpolate(text: str, variables: Mapping[str, str], missing: dict[str, str]) -> str:
    """Put variables in; what is missing without a default is noted with the file's message.

    Raises:
        ValueError: at a `$` that is neither a reference nor doubled.
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, operator, word = match["name"] or match["bare"], match["operator"] or "", match["word"]
        if name is None:
            raise ValueError(f"a '$' in '{text[:20]}...' is no ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}")
        given = variables.get(name)
        if given is not None and (given or not operator.startswith(":")):
            return given
        if operator.endswith("?"):
            missing[name] = word or "set it"
        return word if operator.endswith("-") else ""

    return _REFERENCE.sub(value, text)


def _filled(value: Any, variables: Mapping[str, str], missing: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, variables, missing) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, variables, missing) for entry in value]
    return interpolate(value, variables, missing) if isinstance(value, str) else value


def _known(entries: Mapping[str, Any], known: Any, where: str) -> None:
    if unknown := [key for key in entries if not known(key)]:
        raise ValueError(f"'{unknown[0]}' of {where} is not understood")


def _service(name: str, raw: Mapping[str, Any], variables: Mapping[str, str]) -> Service:
    _known(raw, lambda key: key in _READ_KEYS | _IMAGE_KEYS, f"the service {name}")
    command = raw.get("command", [])
    return Service(
        name=name,
        command=tuple(shlex.split(command) if isinstance(command, str) else map(str, command)),
        environment=dict(_environment(raw.get("environment", {}), variables)),
        after=_after(raw.get("depends_on", {})),
        check=_check(raw["healthcheck"]) if "healthcheck" in raw else None,
        published=dict(_published(entry) for entry in raw.get("ports", [])),
        read_only=_read_only(raw),
    )


def _environment(raw: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what a service gets; an entry without a value is passed on if it is set."""
    for name, value in raw.items():
        if value is None:
            if name in variables:
                yield name, variables[name]
        elif isinstance(value, bool):
            raise ValueError(f"the value of {name} is a boolean, of which the container's text is uncertain; quote it")
        else:
            yield name, str(value)


def _read_only(raw: Mapping[str, Any]) -> bool:
    if raw.get("tmpfs", ["/tmp"]) != ["/tmp"]:  # noqa: S108  the container's
        raise ValueError("a tmpfs other than /tmp is not understood")
    read_only = raw.get("read_only", False)
    if read_only and "tmpfs" not in raw:
        raise ValueError("a service that is read_only needs /tmp as tmpfs here")
    return bool(read_only)


def _after(raw: Mapping[str, Any] | list[str]) -> dict[str, str]:
    if isinstance(raw, list):
        return dict.fromkeys(raw, STARTED)
    return {name: entry.get("condition", STARTED) for name, entry in raw.items()}


def _check(raw: Mapping[str, Any]) -> Check:
    times = ("interval", "timeout", "start_period")
    _known(raw, lambda key: key in {"test", "retries", *times}, "a healthcheck")
    kind, *words = raw["test"]
    if kind not in ("CMD", "CMD-SHELL"):
        raise ValueError(f"a healthcheck begins with CMD or CMD-SHELL, not with '{kind}'")
    argv = tuple(words) if kind == "CMD" else ("/bin/sh", "-c", words[0])
    given = {name: seconds(raw[name]) for name in times if name in raw}
    return Check(argv=argv, retries=int(raw.get("retries", 3)), **given)


def seconds(text: str) -> float:
    """Return a duration such as `1m30s` in seconds.

    Raises:
        ValueError: if it is none.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"'{text}' is no duration such as 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _published(text: str) -> tuple[int, int]:
    outside, _, inside = text.rpartition(":")
    if not (outside.isdecimal() and inside.isdecimal()):
        raise ValueError(f"the port '{text}' is not of the form OUTSIDE:INSIDE")
    return int(inside), int(outside)


def _in_order(services: Mapping[str, Service]) -> Iterator[Service]:
    """Yield each service after those that it waits for, else in the order of the file."""
    left = dict(services)
    while left:
        ready = next((service for service in left.values() if not service.after.keys() & left.keys()), None)
        if ready is None:
            raise ValueError(f"these services wait for each other: {', '.join(left)}")
        if unknown := ready.after.keys() - services.keys():
            raise ValueError(f"{ready.name} waits for {unknown.pop()}, which is no service")
        yield left.pop(ready.name)
