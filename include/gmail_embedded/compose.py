"""Read the services of a compose file: command, environment, dependencies and health check.

Unsupported keys raise an error, so that no service runs with less than the file requires.
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
_READ_KEYS = {
    "command", "environment", "depends_on", "healthcheck", "ports", "read_only", "scale", "stop_grace_period", "tmpfs",
}  # fmt: skip
_IMAGE_KEYS = {"image", "build", "restart", "security_opt", "cap_drop", "volumes"}
"""Keys that matter only for containers."""


class MissingVariablesError(EmbeddedError):
    """Required variables of a compose file are not set."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """A health check; times in seconds."""

    argv: tuple[str, ...]
    interval: float = 30
    timeout: float = 30
    retries: int = 3
    start_period: float = 0

    @property
    def max_wait(self) -> float:
        """Return the time after which Docker reports a service that never was healthy as unhealthy."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of a compose file."""

    name: str
    command: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    depends_on: Mapping[str, str]
    """The condition of each service that it waits for."""
    check: HealthCheck | None
    published: Mapping[int, int]
    """Ports of the service, each with its port on the machine."""
    read_only: bool = False
    """Whether only its volumes and `/tmp` are writable."""
    scale: int = 1
    """The number of its instances."""


def read_services(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of a compose file in start order.

    Args:
        path: the file.
        variables: the variables of `.env` and the shell.

    Raises:
        MissingVariablesError: if variables are missing; it names all of them.
        EmbeddedError: if the file contains unsupported keys.
    """
    try:
        return parse_services(path.read_text(encoding="utf-8"), variables, path.name)
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be read: {error.strerror}.") from None


def parse_services(text: str, variables: Mapping[str, str], name: str = "compose.yaml") -> dict[str, Service]:
    """Return the services of a compose file's text; see `read_services`."""
    try:
        raw = yaml.safe_load(text)
        _require_known(raw, lambda key: key in _TOP_KEYS or key.startswith("x-"), "the file")
        missing: dict[str, str] = {}
        # The blocks x-... are read only where they are merged in.
        services = _interpolate_all(raw["services"], variables, missing)
        if missing:
            raise MissingVariablesError(_format_missing(name, missing))
        found = {key: _parse_service(key, entry, variables) for key, entry in services.items()}
        return {service.name: service for service in _sort_by_dependency(found)}
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise EmbeddedError(f"{name} cannot be used here: {' '.join(str(error).split())}.") from None


def find_required_variables(text: str) -> set[str]:
    """Return the required variables of a compose file, which include its secrets."""
    missing: dict[str, str] = {}
    _interpolate_all(yaml.safe_load(text)["services"], {}, missing)
    return set(missing)


def _format_missing(name: str, missing: Mapping[str, str]) -> str:
    descriptions = "; ".join(f"{variable}: {what}" for variable, what in missing.items())
    return f"{name} needs {len(missing)} variables that are not set. {descriptions}."


def interpolate(text: str, variables: Mapping[str, str], missing: dict[str, str]) -> str:
    """Replace the variables in a text; add required ones that are not set to `missing`, with the file's message.

    Raises:
        ValueError: for a `$` that is neither a reference nor doubled.
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, operator, word = match["name"] or match["bare"], match["operator"] or "", match["word"]
        if name is None:
            raise ValueError(f"a '$' in '{text[:20]}...' is not ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}")
        given = variables.get(name)
        if given is not None and (given or not operator.startswith(":")):
            return given
        if operator.endswith("?"):
            missing[name] = word or "set it"
        return word if operator.endswith("-") else ""

    return _REFERENCE.sub(value, text)


def _interpolate_all(value: Any, variables: Mapping[str, str], missing: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate_all(entry, variables, missing) for key, entry in value.items()}
    if isinstance(value, list):
        return [_interpolate_all(entry, variables, missing) for entry in value]
    return interpolate(value, variables, missing) if isinstance(value, str) else value


def _require_known(entries: Mapping[str, Any], known: Any, where: str) -> None:
    if unknown := [key for key in entries if not known(key)]:
        raise ValueError(f"'{unknown[0]}' of {where} is not supported")


def _parse_service(name: str, raw: Mapping[str, Any], variables: Mapping[str, str]) -> Service:
    _require_known(raw, lambda key: key in _READ_KEYS | _IMAGE_KEYS, f"the service {name}")
    command = raw.get("command", [])
    return Service(
        name=name,
        command=tuple(shlex.split(command) if isinstance(command, str) else map(str, command)),
        environment=dict(_parse_environment(raw.get("environment", {}), variables)),
        depends_on=_parse_depends_on(raw.get("depends_on", {})),
        check=_parse_health_check(raw["healthcheck"]) if "healthcheck" in raw else None,
        published=dict(_parse_port(entry) for entry in raw.get("ports", [])),
        read_only=_parse_read_only(raw),
        scale=int(raw.get("scale", 1)),
    )


def _parse_environment(raw: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables of a service; an entry without a value is passed on if it is set."""
    for name, value in raw.items():
        if value is None:
            if name in variables:
                yield name, variables[name]
        elif isinstance(value, bool):
            raise ValueError(f"the value of {name} is a boolean, whose text in the container is ambiguous; quote it")
        else:
            yield name, str(value)


def _parse_read_only(raw: Mapping[str, Any]) -> bool:
    if raw.get("tmpfs", ["/tmp"]) != ["/tmp"]:  # noqa: S108  the container's
        raise ValueError("a tmpfs other than /tmp is not supported")
    read_only = raw.get("read_only", False)
    if read_only and "tmpfs" not in raw:
        raise ValueError("a service that is read_only needs /tmp as tmpfs here")
    return bool(read_only)


def _parse_depends_on(raw: Mapping[str, Any] | list[str]) -> dict[str, str]:
    if isinstance(raw, list):
        return dict.fromkeys(raw, STARTED)
    return {name: entry.get("condition", STARTED) for name, entry in raw.items()}


def _parse_health_check(raw: Mapping[str, Any]) -> HealthCheck:
    times = ("interval", "timeout", "start_period")
    _require_known(raw, lambda key: key in {"test", "retries", *times}, "a healthcheck")
    kind, *words = raw["test"]
    if kind not in ("CMD", "CMD-SHELL"):
        raise ValueError(f"a healthcheck begins with CMD or CMD-SHELL, not with '{kind}'")
    argv = tuple(words) if kind == "CMD" else ("/bin/sh", "-c", words[0])
    given = {name: parse_duration(raw[name]) for name in times if name in raw}
    return HealthCheck(argv=argv, retries=int(raw.get("retries", 3)), **given)


def parse_duration(text: str) -> float:
    """Return a duration such as `1m30s` in seconds.

    Raises:
        ValueError: if the text is not a duration.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"'{text}' is not a duration such as 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _parse_port(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(?:[0-9.]+:)?(?P<outside>\d+):(?P<inside>\d+)", text)
    if match is None:
        raise ValueError(f"the port '{text}' is not of the form OUTSIDE:INSIDE or ADDRESS:OUTSIDE:INSIDE")
    return int(match["inside"]), int(match["outside"])


def _sort_by_dependency(services: Mapping[str, Service]) -> Iterator[Service]:
    """Yield each service after those that it waits for, otherwise in the order of the file."""
    left = dict(services)
    while left:
        ready = next((service for service in left.values() if not service.depends_on.keys() & left.keys()), None)
        if ready is None:
            raise ValueError(f"these services wait for each other: {', '.join(left)}")
        if unknown := ready.depends_on.keys() - services.keys():
            raise ValueError(f"{ready.name} waits for {unknown.pop()}, which is not a service")
        yield left.pop(ready.name)
