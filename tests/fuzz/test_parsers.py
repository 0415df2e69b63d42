"""No input makes a parser raise what it does not promise, hang, or return what must not be."""

from __future__ import annotations

import pytest

from fuzz.feeding import SECONDS, Fed, feed, limited
from fuzz.parsers import PARSERS, Parser

SEED = 1
INPUTS = 300
"""For each parser that is quick; the slower ones get fewer. The long form is in test_whole.py."""


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_whatever_comes_a_parser_keeps_its_promise(parser: Parser):
    fed = feed(parser, INPUTS // parser.cost, seed=SEED)
    assert fed.failures == []
    assert fed.inputs == INPUTS // parser.cost


def test_the_same_seed_makes_the_same_inputs():
    seen: list[bytes] = []
    parser = Parser(
        name="keeps",
        feed=lambda draw, source: seen.append(draw.bytes()),
        examples=(b"an example", b"quite another one"),
    )
    feed(parser, 50, seed=3)
    feed(parser, 50, seed=3)
    assert seen[:50] == seen[50:]
    assert len(set(seen)) > 30


def raises(*_: object) -> None:
    raise RecursionError


def hangs(*_: object) -> None:
    while True:
        pass


def test_an_error_and_a_hang_are_noticed(monkeypatch: pytest.MonkeyPatch):
    assert feed(Parser(name="raises", feed=raises, examples=(b"x",)), 3, seed=1).server_errors == 3
    monkeypatch.setattr("fuzz.feeding.SECONDS", 0.01)
    fed = feed(Parser(name="hangs", feed=hangs, examples=(b"x",)), 1, seed=1)
    assert len(fed.failures) == 1
    assert "longer than" in fed.failures[0]


def test_results_are_added_up():
    fed = Fed(inputs=2)
    fed.note("a")
    fed.add(Fed(inputs=3, slowest=(1.0, "b")))
    assert (fed.inputs, fed.server_errors, fed.slowest) == (5, 1, (1.0, "b"))
    with limited(SECONDS):
        pass
