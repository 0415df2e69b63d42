"""Airflow's whole api-server with the plugin in it, in a process of its own.

Arguments: the descriptor of a listening socket, and the file to write the routes and a token per role to.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # as airflow.api_fastapi.main does, before any import of airflow

import uvicorn
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.cli.cli_parser import get_parser
from airflow.utils.db import initdb
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

from gmail_warmup.airflow.bootstrap import initialize_installation

PERMISSIONS_PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def permissions_of(route: BaseRoute) -> list[str]:
    """List the permissions that a route declares, with those of its router."""
    calls = [dependency.call for dependency in route.dependant.dependencies] if isinstance(route, APIRoute) else []
    return [call.permission.name.lower() for call in calls if hasattr(call, "permission")]


def routes_of(app: FastAPI) -> list[dict[str, Any]]:
    """List every route; a mount inside counts as one, with the method GET."""
    return [
        {
            "path": route.path,
            "methods": sorted(getattr(route, "methods", None) or ["GET"]),
            "mount": isinstance(route, Mount),
            "permissions": permissions_of(route),
        }
        for route in app.routes
    ]


def simple_tokens() -> dict[str, str]:
    """Return a token for somebody with each role of the simple auth manager."""
    roles = {"viewer": "viewer", "user": "user", "op": "op", "other-op": "op", "admin": "admin"}
    return {
        name: get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
        for name, role in roles.items()
    }


def make_fab_users() -> None:
    """Make users by Airflow's own commands, each with the own name as password; the roles by those of the docs."""
    from airflow.providers.fab.auth_manager.cli_commands import role_command, user_command
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    parser = get_parser()
    documented = re.findall(r"^\$ airflow (.*)", PERMISSIONS_PAGE.read_text(), re.MULTILINE)
    commands = ["roles create Reader", "roles add-perms Reader -r Connections -a can_read", *documented] + [
        f"users create -u {name} -p {name} -f {name} -l {name} -e {name}@example.com "
        f"-r '{name.replace('-', ' ').title()}'"
        for name in ("viewer", "reader", "op", "mailbox-reader", "mailbox-operator", "mailbox-administrator")
    ]
    with get_application_builder() as builder:  # building it takes seconds, so the commands share one
        for module in (role_command, user_command):
            module.get_application_builder = lambda: nullcontext(builder)
        for command in commands:
            arguments = parser.parse_args(shlex.split(command))
            arguments.func(arguments)


initdb()
initialize_installation(os.environ)
airflow = create_app()
ours = next(route.app for route in airflow.routes if isinstance(route, Mount) and route.path == "/gmail-warmup")
tokens = simple_tokens() if isinstance(get_auth_manager(), SimpleAuthManager) else {}
if not tokens:
    make_fab_users()
Path(sys.argv[2]).write_text(json.dumps({"routes": routes_of(ours), "tokens": tokens}))
server = uvicorn.Server(uvicorn.Config(airflow, access_log=False, log_level="warning"))
server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
