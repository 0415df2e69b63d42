"""Export of settings, and import with a preview. Tokens are never exported or accepted."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, Field

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.mailboxes import repository
from gmail_warmup.transfer import exporter, import_preview, parser
from gmail_warmup.transfer.import_preview import ImportPreview, Outcome, PreviewOutdatedError
from gmail_warmup.transfer.parser import MAX_FILE_BYTES, ParsedFile
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.api.selection import FilterIn, Target
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName
from gmail_warmup.web.problems import MEDIA_TYPE, Problem
from gmail_warmup.web.security import SAME_SITE_JSON, check_authorization_header
from gmail_warmup.web.views import exports
from gmail_warmup.web.views.exports import Format

router = APIRouter(tags=["transfers"])

MAX_LINES = 50_000
"""Maximum number of lines in a preview."""


_TOO_LARGE = (
    f"is larger than {MAX_FILE_BYTES // 1_000_000} MB; import it on the server: gmail-warmup mailboxes import FILE"
)


def _check_text_size(text: str) -> str:
    _check_size(text.encode("utf-8", "replace"))
    return text


def _check_size(content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(_TOO_LARGE)
    return content


_Text = Annotated[
    str, AfterValidator(_check_text_size), Field(description="CSV with a header line, or a JSON list; at most 5 MB.")
]
_Content = Annotated[
    Base64Bytes,
    AfterValidator(_check_size),
    Field(description="The same in any encoding, or an .xlsx workbook, in Base64; at most 5 MB."),
]


class ExportParams(FilterIn):
    """Mailboxes to export, by filter; all without one."""

    format: Format = Field(Format.CSV, description="An import reads both formats.")


class ExportIn(Target):
    """Mailboxes to export: either addresses or a filter; an empty filter selects all."""

    format: Format = Format.CSV


class PreviewIn(Body):
    """The content of a file: its text, or its bytes in Base64."""

    text: _Text = ""
    content: _Content = b""

    def parse(self) -> ParsedFile:
        """Parse the file; its bytes, if both are given."""
        return parser.parse_file(self.content) if self.content else parser.parse_with_problems(self.text)


class ImportIn(PreviewIn):
    """The content of a file and the token of its preview. The import does what the preview showed, or nothing."""

    token: Annotated[str, Field(max_length=64)]


class _OutModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ChangeOut(_OutModel):
    """A changed setting."""

    field: str
    before: str | int | None
    after: str | int | None


class LineProblemOut(_OutModel):
    """An error in a line: the column, if any, and the broken rule."""

    field: str
    rule: str


class LineOut(_OutModel):
    """One line of a file and its effect."""

    number: int
    address: str = Field(description="Empty if the line contains none.")
    outcome: Outcome
    pauses: bool = Field(description="Whether the line pauses the mailbox.")
    needs_sign_in: bool = Field(description="Whether the owner of the new mailbox has to sign in.")
    changes: list[ChangeOut]
    problems: list[LineProblemOut]


class ImportCounts(_OutModel):
    """Number of lines by effect. `to_pause` is part of `to_add` and `to_update`."""

    to_add: int
    to_update: int
    unchanged: int
    to_pause: int
    bad: int

    @classmethod
    def from_preview(cls, preview: ImportPreview) -> ImportCounts:
        """Count the lines of a preview."""
        return cls(
            to_add=preview.count_lines(Outcome.ADD),
            to_update=preview.count_lines(Outcome.UPDATE),
            unchanged=preview.count_lines(Outcome.UNCHANGED),
            to_pause=preview.pause_count,
            bad=preview.count_lines(Outcome.BAD),
        )


class PreviewOut(_OutModel):
    """Effect of an import. Nothing is written until the token is sent with the same file."""

    token: str | None = Field(description="Token for the import; null if any line has an error.")
    unit: str = Field(description="What the numbers of the lines refer to: `line`, `row` or `entry`.")
    counts: ImportCounts
    lines: list[LineOut] = Field(description=f"At most {MAX_LINES:,}; those with errors are always among them.")
    warnings: list[str] = Field(description="What to check because the encoding of the file is not certain.")
    more: int = Field(
        description="Number of lines that are not in `lines`: further ones without an error, and those that were not "
        f"checked after {parser.MAX_PROBLEMS} errors."
    )

    @classmethod
    def from_preview(cls, preview: ImportPreview) -> PreviewOut:
        """Convert a preview."""
        bad_first = sorted(preview.lines, key=lambda line: line.outcome is not Outcome.BAD)[:MAX_LINES]
        lines = [LineOut.model_validate(line) for line in sorted(bad_first, key=lambda line: line.number)]
        return cls(
            token=preview.token,
            unit=preview.unit,
            counts=ImportCounts.from_preview(preview),
            lines=lines,
            warnings=list(preview.warnings),
            more=len(preview.lines) - len(lines) + preview.unchecked,
        )


@router.get("/export", response_class=StreamingResponse, dependencies=[Depends(check_authorization_header)])
def export_filtered(context: CurrentContext, params: Annotated[ExportParams, Query()], user: UserName) -> Response:
    """Download the settings of mailboxes, sorted by address, without tokens. The change log records the download.

    It needs a token in the header Authorization; the page uses POST.
    """
    return _export_filtered(context.services, params, params.format, user)


@router.post("/export", response_class=StreamingResponse, dependencies=SAME_SITE_JSON)
def export_selected(body: ExportIn, context: CurrentContext, user: UserName) -> Response:
    """Download the settings of the selected mailboxes, sorted by address, without tokens. The change log records it."""
    if body.filter is not None:
        return _export_filtered(context.services, body.filter, body.format, user)
    with read_transaction(context.services.engine) as connection:
        records = repository.get_mailboxes(connection, body.addresses or ())
    exporter.record_export(context.services.engine, actor=user, format=body.format, mailboxes=len(records))
    return exports.stream_export([records], body.format)


def _export_filtered(services: Services, chosen: FilterIn, form: Format, user: str) -> Response:
    selected = {name: value for name, value in chosen.model_dump().items() if value} | {"format": form}
    exporter.record_export(services.engine, actor=user, **selected)
    return exports.stream_export(exports.iter_filtered(services, chosen.to_filter()), form)


@router.post("/imports/preview", dependencies=ADMINISTER)
def preview_import(body: PreviewIn, context: CurrentContext) -> PreviewOut:
    """Return the effect of an import line by line, with all errors. Nothing is written."""
    contents = body.parse()
    with read_transaction(context.services.engine) as connection:
        return PreviewOut.from_preview(import_preview.build_preview(connection, contents))


@router.post("/imports", dependencies=ADMINISTER, response_model=ImportCounts, responses={409: {"model": PreviewOut}})
def import_mailboxes(body: ImportIn, context: CurrentContext, user: UserName) -> Any:
    """Import a file in one transaction if its effect is the one that the preview showed.

    Otherwise nothing is written, and the response 409 contains a new `preview`.
    """
    contents = body.parse()
    engine = context.services.engine
    try:
        return ImportCounts.from_preview(_apply_preview(engine, contents, token=body.token, actor=user))
    except PreviewOutdatedError as error:
        with read_transaction(engine) as connection:
            preview = PreviewOut.from_preview(import_preview.build_preview(connection, contents))
        detail = _explain_outdated(preview, error)
        problem = Problem(status=409, slug="preview-outdated", title="Not imported", detail=detail)
        return JSONResponse(
            problem.as_dict() | {"preview": preview.model_dump(mode="json")}, 409, media_type=MEDIA_TYPE
        )


@retry_conflict
def _apply_preview(engine: sa.Engine, contents: ParsedFile, *, token: str, actor: str) -> ImportPreview:
    with write_transaction(engine) as connection:
        return import_preview.apply_preview(connection, contents, token=token, actor=actor)


def _explain_outdated(preview: PreviewOut, error: PreviewOutdatedError) -> str:
    if preview.counts.bad:
        return f"Nothing was imported: the file has errors in {pluralize(preview.counts.bad, 'line')}. Correct it."
    return f"{error} Check the new preview and import again."
