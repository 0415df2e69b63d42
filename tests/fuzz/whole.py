"""All forms of feeding as one, for whoever counts: `feed_everything(world, 100_000, seed=1)`."""

from __future__ import annotations

from fuzz.feeding import Fed, feed_all
from fuzz.web import feed_page, page
from support.world import World

OF_THE_PAGE = 0.1
"""The share of the inputs that are requests; each takes as long as many texts."""


def feed_everything(world: World, inputs: int, *, seed: int) -> Fed:
    """Feed every parser and the page; return the inputs, what broke a promise, and the slowest one."""
    requests = round(inputs * OF_THE_PAGE)
    fed = feed_all(inputs - requests, seed=seed)
    with page(world) as made:
        fed.add(feed_page(made, requests, seed=seed))
    return fed
