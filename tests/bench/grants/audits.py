"""The audit of many mailboxes, beside google-auth in a loop and under a hidden limit."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.fleet import Worker
from bench.scene import Crowd, valid
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.world import World

PASSES = 5


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What one whole audit found, in one process.

    Attributes:
        counts: of mailboxes by outcome, all shards together.
        confirmed: how many were flagged.
        held: of how many the verdict waits for a second pass.
        rss_mb: the most memory that the process ever held.
    """

    counts: Counter[str]
    confirmed: int
    held: int
    seconds: float
    rss_mb: float


def audit(
    world: World,
    *,
    run_id: str,
    shards: Sequence[Sequence[int]],
    settings: dict[str, Any] | None = None,
    secret: str = "",
) -> Audited:
    """Do what the tasks of the DAG do, one after the other in this process: begin, probe each shard, decide.

    Args:
        run_id: of the DAG run; the same one goes on with the same audit.
        shards: mailbox ids.
        settings: options of [gmail_warmup] other than their defaults.
        secret: the client's secret, where it is to be another one.
    """
    from gmail_warmup.audit import decisions
    from gmail_warmup.audit.pipeline import Audit
    from gmail_warmup.audit.results import AuditResult

    chosen = world.settings.model_copy(update=settings or {})
    client, actor = with_secret(world.client, secret), Actor(name="dag:audit", run_id=run_id)
    started = time.monotonic()
    running = decisions.begin_audit(world.store.engine, run_id, actor=actor)
    probed = [Audit(world.store, client, chosen, actor=actor).run(shard) for shard in shards]
    result = AuditResult.merge(probed)
    decided = decisions.decide_refusals(world.store, running, result, actor=actor)
    return Audited(
        counts=Counter({outcome.value: count for outcome, count in result.counts.items()}),
        confirmed=len(decided.confirmed),
        held=decided.held_count,
        seconds=time.monotonic() - started,
        rss_mb=peak_mb(),
    )


def peak_mb() -> float:
    """Return the most memory that this process ever held; its supervisor, which started it, is smaller."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def with_secret(client: OAuthClient, secret: str) -> OAuthClient:
    """Return the client with another secret, or as it is."""
    return dataclasses.replace(client, secrets=(secret,)) if secret else client


def google_auth(world: World, *, addresses: Sequence[str]) -> float:
    """Refresh with google-auth in a loop, one connection kept open; return the seconds."""
    import google.auth.transport.requests
    from google.oauth2.credentials import Credentials

    tokens = []
    for address in addresses:
        grant = world.grant(address)
        tokens.append(world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or ""))
    request = google.auth.transport.requests.Request()
    started = time.monotonic()
    for token in tokens:
        Credentials(
            token=None,
            refresh_token=token,
            token_uri=world.client.token_uri,
            client_id=world.client.client_id,
            client_secret=world.client.secrets[0],
        ).refresh(request)
    return time.monotonic() - started


def until_valid(
    world: World, worker: Worker, crowd: Crowd, *, settings: dict[str, Any] | None = None
) -> tuple[list[Audited], float]:
    """Audit until every mailbox has a valid access token; return the passes that took, and the seconds."""
    passes: list[Audited] = []
    while valid(world) < len(crowd.ids) and len(passes) < PASSES:
        shards = crowd.shards(world.settings.audit_shard)
        passes.append(worker.do(audit, run_id=f"pass-{len(passes)}", shards=shards, settings=settings))
    return passes, sum(audited.seconds for audited in passes)
