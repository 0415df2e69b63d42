"""Export of settings, and import: what a file would do, then exactly that or nothing. No token passes here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gmail_warmup.mailboxes import repository
from gmail_warmup.transfer import import_preview, parser
from gmail_warmup.transfer.import_preview import ImportPreview, Outcome, PreviewOutdatedError
from gmail_warmup.web.api.schemas import CHANGE_DEPENDENCIES, Addresses, Body
from gmail_warmup.web.api.selection import FilterIn
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.errors import MEDIA_TYPE, Problem
from gmail_warmup.web.permissions import UserName
from gmail_warmup.web.security import check_content_type, check_origin
from gmail_warmup.web.views import exports
from gmail_warmup.web.views.exports import Format

router = APIRouter(tags=["transfers"])

MAX_FILE_BYTES = 5_000_000
"""Bytes of a file that the page imports."""


def _check_size(text: str) -> str:
    if len(text.encode("utf-8", "replace")) > MAX_FILE_BYTES:
        raise ValueError(
            f"is larger than {MAX_FILE_BYTES // 1_000_000} MB; import it on the server: gmail-warmup mailboxes "
            "import FILE"
        )
    return text


_Text = Annotated[str, AfterValidator(_check_size), Field(description="CSV with a header line, or a JSON list; 5 MB.")]


class ExportParams(FilterIn):
    """What to export: the mailboxes of the list's filter, or all."""

    format: Format = Field(Format.CSV, description="An import reads both.")


class ExportIn(Body):
    """Mailboxes to be exported, by address."""

    addresses: Addresses
    format: Format = Format.CSV


class PreviewIn(Body):
    """A file."""

    text: _Text


class ImportIn(Body):
    """A file, and the token of its preview: the import does what that showed, or nothing."""

    text: _Text
    token: Annotated[str, Field(max_length=64)]


class _OutModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ChangeOut(_OutModel):
    """One setting that becomes another."""

    field: str
    before: str | int | None
    after: str | int | None


class LineProblemOut(_OutModel):
    """What is wrong in a line: the column, if one is to blame, and the rule with its remedy."""

    field: str
    rule: str


class LineOut(_OutModel):
    """One line of a file, and what the import does with it."""

    number: int
    address: str = Field(description="Empty if the line names none.")
    outcome: Outcome
    pauses: bool = Field(description="Whether the mailbox is paused, as the file says.")
    changes: list[ChangeOut]
    problems: list[LineProblemOut]


class ImportCounts(_OutModel):
    """How many lines do what; `to_pause` are also among those to be added or updated."""

    to_add: int
    to_update: int
    unchanged: int
    to_pause: int
    bad: int

    @classmethod
    def from_preview(cls, shown: ImportPreview) -> ImportCounts:
        """Count the lines of a preview."""
        return cls(
            to_add=shown.count_lines(Outcome.ADD),
            to_update=shown.count_lines(Outcome.UPDATE),
            unchanged=shown.count_lines(Outcome.UNCHANGED),
            to_pause=shown.pause_count,
            bad=shown.count_lines(Outcome.BAD),
        )


class PreviewOut(_OutModel):
    """What an import would do now. Nothing is written before the token comes back with the same file."""

    token: str | None = Field(description="What an import has to give; null while a line is bad.")
    unit: str = Field(description="What the numbers count: `line` or `entry`.")
    counts: ImportCounts
    lines: list[LineOut]

    @classmethod
    def from_preview(cls, shown: ImportPreview) -> PreviewOut:
        """Tell a preview."""
        lines = [LineOut.model_validate(line) for line in shown.lines]
        return cls(token=shown.token, unit=shown.unit, counts=ImportCounts.from_preview(shown), lines=lines)


@router.get("/export", response_class=StreamingResponse)
def export_filtered(context: CurrentContext, asked: Annotated[ExportParams, Query()]) -> Response:
    """Download the settings of mailboxes, by address; never a token."""
    return exports.stream_export(exports.iter_filtered(context.services, asked.to_filter()), asked.format)


@router.post(
    "/export", response_class=StreamingResponse, dependencies=[Depends(check_origin), Depends(check_content_type)]
)
def export_named(body: ExportIn, context: CurrentContext) -> Response:
    """Download the settings of these mailboxes. It changes nothing: a list of addresses is too long for a GET."""
    with context.services.engine.begin() as connection:
        found = repository.get_mailboxes(connection, body.addresses)
    return exports.stream_export([found], body.format)


@router.post("/imports/preview", dependencies=CHANGE_DEPENDENCIES)
def preview_import(body: PreviewIn, context: CurrentContext) -> PreviewOut:
    """Say what an import of a file would do, line by line, with all that is wrong in it. Nothing is written."""
    contents = parser.parse_with_problems(body.text)
    with context.services.engine.begin() as connection:
        return PreviewOut.from_preview(import_preview.build_preview(connection, contents))


@router.post(
    "/imports", dependencies=CHANGE_DEPENDENCIES, response_model=ImportCounts, responses={409: {"model": PreviewOut}}
)
def import_mailboxes(body: ImportIn, context: CurrentContext, user: UserName) -> Any:
    """Import a file, all of it in one transaction, if that does what its preview showed.

    Otherwise nothing is written; the answer 409 holds a fresh `preview`.
    """
    contents = parser.parse_with_problems(body.text)
    engine = context.services.engine
    try:
        with engine.begin() as connection:
            return ImportCounts.from_preview(
                import_preview.apply_preview(connection, contents, token=body.token, actor=user)
            )
    except PreviewOutdatedError as error:
        with engine.begin() as connection:
            shown = PreviewOut.from_preview(import_preview.build_preview(connection, contents))
        detail = _explain_outdated(shown, error)
        problem = Problem(status=409, slug="preview-outdated", title="Not imported", detail=detail)
        return JSONResponse(problem.as_dict() | {"preview": shown.model_dump(mode="json")}, 409, media_type=MEDIA_TYPE)


def _explain_outdated(shown: PreviewOut, error: PreviewOutdatedError) -> str:
    if shown.counts.bad:
        return (
            f"Nothing was imported: {shown.counts.bad} of {len(shown.lines)} lines cannot be. Correct them in the file."
        )
    return f"{error} Look at the new preview, and import again if it is right."
