"""How many headers Authentication-Results are read as Google means them."""

from __future__ import annotations

from bench.ground import Ground
from bench.report import Figure, Part, Say, exactly
from samples.authentication.check import read_sample
from samples.authentication.headers import SAMPLES


def _read_headers(_: Ground, say: Say) -> list[Figure]:
    right = 0
    for sample in SAMPLES:
        expected = (sample.expected, sample.failed if sample.expected else None)
        if (found := read_sample(sample)) == expected:
            right += 1
        else:
            say(f"{sample.name}: {found}, not {expected}")
    return [
        Figure(
            label="Authentication-Results read right",
            value=right,
            unit=f"of {len(SAMPLES)} samples",
            target=exactly(len(SAMPLES)),
            key="auth_results_read",
        )
    ]


AUTHENTICATION = Part(name="authentication", title="Authentication-Results", run=_read_headers)
