"""Control routes to add, list and remove faults."""

from __future__ import annotations

import json

from fastapi import APIRouter

from gmail_sandbox.control.common import WorldNow, missing
from gmail_sandbox.control.fault_models import CatalogueRow, CustomAnswer, FaultIn, FaultOut
from gmail_sandbox.control.models import Count
from gmail_sandbox.control.views import fault_out
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_sandbox.faults import Fault
from gmail_sandbox.responses import HTML_TYPE, JSON_TYPE, Answer

router = APIRouter(prefix="/faults")


def _answer(custom: CustomAnswer) -> Answer:
    headers = tuple(custom.headers.items())
    if isinstance(custom.body, str):
        return Answer(custom.status, custom.body.encode(), custom.content_type or HTML_TYPE, headers)
    return Answer(custom.status, json.dumps(custom.body).encode(), custom.content_type or JSON_TYPE, headers)


def _fault(fault_id: int, wanted: FaultIn) -> Fault:
    fields = wanted.model_dump(exclude={"where", "answer"})
    if wanted.name is None:
        answer = None if wanted.answer is None else _answer(wanted.answer)
        return Fault(id=fault_id, where=wanted.where or "", answer=answer, **fields)
    # Fields that the request omits are taken from the catalogue's row.
    row = CATALOGUE[wanted.name]
    for name in ("cut_after_bytes", "content_length", "hang_seconds"):
        fields[name] = getattr(row, name) if fields[name] is None else fields[name]
    fields["close"] = fields["close"] or row.close
    return Fault(id=fault_id, where=wanted.where or row.edge, answer=row.answer if row.replaces else None, **fields)


@router.get("/catalogue")
async def catalogue() -> list[CatalogueRow]:
    """Return all named faults."""
    return [
        CatalogueRow(
            name=row.name,
            edge=row.edge,
            meaning=row.meaning,
            status=row.answer.status if row.replaces else None,
            content_type=row.answer.content_type,
        )
        for row in CATALOGUE.values()
    ]


@router.post("")
async def add_fault(world: WorldNow, wanted: FaultIn) -> FaultOut:
    """Add a fault; the first one that applies to a request is used."""
    fault = _fault(world.faults.next_id(), wanted)
    world.faults.add(fault)
    return fault_out(fault)


@router.get("")
async def list_faults(world: WorldNow) -> list[FaultOut]:
    """Return all faults, including exhausted ones."""
    return [fault_out(fault) for fault in world.faults.all()]


@router.delete("")
async def clear_faults(world: WorldNow) -> Count:
    """Remove all faults."""
    count = len(list(world.faults.all()))
    world.faults.clear()
    return Count(count=count)


@router.delete("/{fault_id}")
async def remove_fault(world: WorldNow, fault_id: int) -> Count:
    """Remove one fault."""
    if not world.faults.remove(fault_id):
        missing(f"fault: {fault_id}")
    return Count(count=1)
