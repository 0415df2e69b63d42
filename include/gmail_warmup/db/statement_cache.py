"""Keep statements that are built, and compile them before task processes are forked.

Building a large statement costs as much as executing it. SQLAlchemy compiles each statement once per engine, and a task
executes each of its statements about once, so that compiling them would take as long as the rest of the task.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.sql import Executable

from gmail_warmup.db.engine import make_engine

_Parameters = ParamSpec("_Parameters")
_Statement = TypeVar("_Statement")
_KEPT = 256
"""So many statements of each function are kept."""

_PACKAGE_PREFIX = __name__.partition(".")[0] + "."
_prepared_engines: list[sa.Engine] = []


def cache_statement(build: Callable[_Parameters, _Statement]) -> Callable[_Parameters, _Statement]:
    """Keep the statements that a function builds, by its arguments."""
    return cast(Callable[_Parameters, _Statement], functools.lru_cache(maxsize=_KEPT)(build))


def compile_statements() -> None:
    """Make the engine and compile every statement that is a module constant; open no connection."""
    engine = make_engine("postgresql+psycopg2://")
    cache: Any = engine._compiled_cache  # SQLAlchemy has no public way to compile without a connection
    for statement in _find_module_statements():
        # The cache key contains the names of the parameters that the statement is executed with.
        binds = statement.compile(dialect=engine.dialect).binds
        keys = sorted(name for name, part in binds.items() if part.required)
        statement._compile_w_cache(dialect=engine.dialect, compiled_cache=cache, column_keys=keys)
    _prepared_engines[:] = [engine]


def take_prepared_engine(url: sa.URL) -> sa.Engine:
    """Return an engine for a database: the prepared one the first time in a process, otherwise a new one."""
    if not _prepared_engines:
        return make_engine(url)
    engine = _prepared_engines.pop()
    engine.url = url
    _, connect_arguments = engine.dialect.create_connect_args(url)

    @sa.event.listens_for(engine, "do_connect")
    def set_connect_arguments(_: Any, __: Any, ___: Any, parameters: dict[str, Any]) -> None:
        parameters.update(connect_arguments)

    return engine


def _find_module_statements() -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE_PREFIX):
            for value in list(vars(module).values()):
                yield from _find_statements(value)


def _find_statements(value: Any) -> Iterator[Any]:
    if isinstance(value, Executable) and isinstance(value, sa.ClauseElement):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _find_statements(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _find_statements(part)
