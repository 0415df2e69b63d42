"""The ASGI application: Google's edges and the control API on one port."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from gmail_sandbox.cloud.directory import routes as directory
from gmail_sandbox.cloud.signing import STS_PATH, StsEndpoint
from gmail_sandbox.cloud.signing import routes as signing
from gmail_sandbox.control.routes import PREFIX as CONTROL
from gmail_sandbox.control.routes import router as control
from gmail_sandbox.gmail.routes import routes as gmail
from gmail_sandbox.gmail.routes import unknown
from gmail_sandbox.http_faults import remember_transport
from gmail_sandbox.oauth.consent import ConsentEndpoint
from gmail_sandbox.oauth.revoke import RevokeEndpoint
from gmail_sandbox.oauth.token import TokenEndpoint
from gmail_sandbox.settings import Settings
from gmail_sandbox.state import World


class SandboxApp(FastAPI):
    """A FastAPI application that serves the OAuth edges before any middleware.

    That keeps token requests cheap and gives faults access to the connection's transport.
    """

    edges: dict[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            remember_transport(scope, send)
            edge = self.edges.get(scope["path"])
            if edge is not None:
                await edge(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None) -> SandboxApp:
    """Build a sandbox with an empty world, stored in `app.state.world`."""
    world = World(settings or Settings())
    app = SandboxApp(
        title="Gmail sandbox",
        description="A stand-in for Google's consent page, token endpoint and Gmail v1, with a control API.",
        docs_url=f"{CONTROL}/docs",
        openapi_url=f"{CONTROL}/openapi.json",
        redoc_url=None,
    )
    app.state.world = world
    app.edges = {
        "/o/oauth2/v2/auth": ConsentEndpoint(world),
        "/o/oauth2/auth": ConsentEndpoint(world),
        "/token": TokenEndpoint(world),
        "/revoke": RevokeEndpoint(world),
        STS_PATH: StsEndpoint(world),
    }
    app.include_router(control)
    app.router.routes.extend([*gmail(world), *signing(world), *directory(world)])
    app.router.routes.append(Mount("/gmail", app=unknown))
    return app
