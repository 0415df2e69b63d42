"""A Workspace whose directory a service account may read, and the Connection with its key."""

from __future__ import annotations

import json

import pytest

from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_warmup.gmail.workspace.directory import MEMBER_SCOPE, USER_SCOPE
from support.world import World

ADMIN = "admin@work.example"
ROBOT = "robot@project-1.example"


def connect_directory(world: World, robot: ServiceAccountMade, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delegate the scopes of the directory of work.example; its only user is the administrator."""
    sandbox = world.sandbox
    sandbox.put_service_account(ROBOT, public_key=robot.public_key)
    sandbox.delegate(ROBOT, "work.example", scopes=[USER_SCOPE, MEMBER_SCOPE])
    sandbox.put_mailbox(ADMIN)
    sandbox.put_directory([{"address": ADMIN, "is_admin": True}])
    value = {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": json.dumps(robot.keyfile)}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(value))
