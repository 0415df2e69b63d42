"""Read from the headers of a received mail whether Google authenticated it: SPF, DKIM, DMARC and their alignment.

Only the topmost header of Google's servers counts: each server adds its header at the top, so one further down may be
part of what the sender wrote. Headers of other servers, and ``ARC-Authentication-Results``, say nothing about what
Google found.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING

from gmail_warmup.core.enums import AuthenticationMethod, AuthenticationResult
from gmail_warmup.gmail.authentication_header import (
    AuthenticationHeader,
    MethodResult,
    parse_authentication_header,
)
from gmail_warmup.mailboxes.addresses import normalize_domain

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_GOOGLE_ID = "mx.google.com"
_IDENTITIES = {
    AuthenticationMethod.SPF: ("smtp.mailfrom", "smtp.helo"),
    AuthenticationMethod.DKIM: ("header.d", "header.i"),
}
"""The properties with the domain that a method authenticates; the first one that is present counts."""
_UNDECIDED = frozenset(
    {AuthenticationResult.TEMPERROR, AuthenticationResult.BESTGUESSPASS, AuthenticationResult.UNKNOWN}
)
"""Results that say neither that a method passes nor that it fails."""


@dataclass(frozen=True, kw_only=True)
class MethodReport:
    """What Google reported about one method.

    Attributes:
        is_aligned: whether the authenticated domain and that of the From header belong together; None for DMARC.
        has_failed: whether the mail is not authenticated by this method; None if that is not known.
    """

    method: AuthenticationMethod
    result: AuthenticationResult
    is_aligned: bool | None
    has_failed: bool | None

    @property
    def passes(self) -> bool:
        """Return whether the mail is authenticated by this method, for the domain of its From header."""
        return self.result is AuthenticationResult.PASS and self.is_aligned is not False


def read_authentication(headers: Sequence[str], sender: str) -> tuple[MethodReport, ...]:
    """Return what Google reported about a mail: one report for each method, or none if Google checked nothing.

    Args:
        headers: the values of the headers ``Authentication-Results``, the topmost first.
        sender: the value of the From header.
    """
    header = next(filter(_is_of_google, map(parse_authentication_header, headers)), None)
    if header is None or not {result.method for result in header.results} & set(AuthenticationMethod):
        return ()
    from_domain = parseaddr(sender)[1].rpartition("@")[2]
    spf = _report_identity(AuthenticationMethod.SPF, header, from_domain)
    dkim = _report_identity(AuthenticationMethod.DKIM, header, from_domain)
    return spf, dkim, _report_dmarc(header, spf, dkim)


def is_unauthenticated(reports: Sequence[MethodReport]) -> bool:
    """Return whether Google reported that DMARC fails, or that neither SPF nor DKIM passes for the From domain."""
    return any(report.method is AuthenticationMethod.DMARC and report.has_failed for report in reports)


def _is_of_google(header: AuthenticationHeader) -> bool:
    return header.authserv_id == _GOOGLE_ID


def _report_identity(method: AuthenticationMethod, header: AuthenticationHeader, from_domain: str) -> MethodReport:
    """Return the report of SPF or DKIM. Of several signatures, one that passes and is aligned counts."""
    reports = [
        _build_report(method, result, is_aligned(result.get_domain(*_IDENTITIES[method]), from_domain))
        for result in _order_results(method, header)
    ]
    missing = MethodReport(method=method, result=AuthenticationResult.NONE, is_aligned=False, has_failed=True)
    return max(reports, key=_rank_report, default=missing)


def _order_results(method: AuthenticationMethod, header: AuthenticationHeader) -> list[MethodResult]:
    """Return the results of a method; those for the preferred identity first, in the order of the header."""
    results = [result for result in header.results if result.method == method]
    return sorted(results, key=lambda result: not result.get_domain(_IDENTITIES[method][0]))


def _build_report(method: AuthenticationMethod, result: MethodResult, aligned: bool) -> MethodReport:
    failed = None if result.result in _UNDECIDED else not (aligned and result.result is AuthenticationResult.PASS)
    return MethodReport(method=method, result=result.result, is_aligned=aligned, has_failed=failed)


def _rank_report(report: MethodReport) -> int:
    return 2 * report.passes + (report.result is AuthenticationResult.PASS)


def _report_dmarc(header: AuthenticationHeader, spf: MethodReport, dkim: MethodReport) -> MethodReport:
    """Return the report of DMARC. Without a verdict of Google, DMARC's own rule decides whether the mail failed."""
    stated = (result.result for result in header.results if result.method == AuthenticationMethod.DMARC)
    result = next(stated, AuthenticationResult.NONE)
    if result in (AuthenticationResult.PASS, AuthenticationResult.FAIL):
        failed: bool | None = result is AuthenticationResult.FAIL
    elif spf.passes or dkim.passes:
        failed = False
    else:
        failed = True if spf.has_failed and dkim.has_failed else None
    return MethodReport(method=AuthenticationMethod.DMARC, result=result, is_aligned=None, has_failed=failed)


def is_aligned(domain: str, from_domain: str) -> bool:
    """Return whether two domains belong to one organizational domain: DMARC's relaxed alignment."""
    one, other = (normalize_domain(name) for name in (domain, from_domain))
    if not one or not other:
        return False
    if one == other:
        return True
    # An organizational domain has at least two labels.
    return one.split(".")[-2:] == other.split(".")[-2:] and _share_registered_domain(one, other)


def _share_registered_domain(one: str, other: str) -> bool:
    suffixes = _load_public_suffixes()
    registered = suffixes.privatesuffix(one)
    return registered is not None and registered == suffixes.privatesuffix(other)


@functools.cache
def _load_public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # reading the list costs 0.1 s, and few mails need it

    return PublicSuffixList()
