"""Everything that is fed, in a number that is worth a night; and in a short form, so that the long one works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.forms import forms
from fuzz.whole import feed_everything
from support.world import World


@pytest.mark.parametrize("inputs", forms(500, 100_000))
def test_no_input_breaks_a_promise(world: World, inputs: int, record_property: Callable[[str, object], None]):
    fed = feed_everything(world, inputs, seed=2)
    record_property("fuzz_inputs", fed.inputs)  # make chaos adds them up
    record_property("server_errors", fed.server_errors)
    assert fed.failures == []
    assert fed.server_errors == 0
    assert fed.inputs >= inputs * 0.99
