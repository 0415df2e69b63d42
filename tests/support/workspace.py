"""A Workspace whose directory a service account may read, and the Connection with its key."""

from __future__ import annotations

import json

import pytest

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_warmup.gmail.workspace.directory import MEMBER_SCOPE, USER_SCOPE
from support.world import World

ADMIN = "admin@work.example"
ROBOT = "robot@project-1.example"


def put_workspace(sandbox: SandboxClient, robot: ServiceAccountMade) -> None:
    """Delegate the scopes of the directory of work.example; its only user is the administrator."""
    sandbox.put_service_account(ROBOT, public_key=robot.public_key)
    sandbox.delegate(ROBOT, "work.example", scopes=[USER_SCOPE, MEMBER_SCOPE])
    sandbox.put_mailbox(ADMIN)
    sandbox.put_directory([{"address": ADMIN, "is_admin": True}])


def to_connection(robot: ServiceAccountMade) -> str:
    """Return the Connection with the key of the service account, as a variable of the environment has it."""
    extra = {"keyfile_dict": json.dumps(robot.keyfile)}
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})


def connect_directory(world: World, robot: ServiceAccountMade, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the Workspace at the stand-in, and the key of its service account into the Connection."""
    put_workspace(world.sandbox, robot)
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", to_connection(robot))
