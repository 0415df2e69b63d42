"""Check the DMARC record of a domain: which policy receivers apply to its mail (RFC 9989)."""

from __future__ import annotations

from gmail_warmup.domains.dmarc_record import Discovery, DmarcRecord, discover_record
from gmail_warmup.domains.lookup import DnsLookup, InvalidNameError, RecordType
from gmail_warmup.domains.reasons import RecordFinding, make_finding


def check_dmarc(domain: str, lookup: DnsLookup) -> RecordFinding:
    """Check the DMARC record that applies to a domain.

    Raises:
        NoAnswerError: if the name servers do not answer.
    """
    domain = domain.lower().removesuffix(".")
    found = discover_record(domain, lookup)
    if found.record is None:
        if found.several_at:
            return make_finding("dmarc_several", ", ".join(found.several_at))
        ignored = f': "{found.other_texts[0]}" does not begin with v=DMARC1' if found.other_texts else ""
        return make_finding("dmarc_missing", f"_dmarc.{domain}{ignored}")
    tag, policy = find_policy(found.record, domain, lookup)
    return _judge(found, tag, policy)


def find_policy(record: DmarcRecord, domain: str, lookup: DnsLookup) -> tuple[str, str]:
    """Return the policy of a record for a domain, and the tag that it comes from (4.10.1).

    The policy is empty if receivers apply none.
    """
    if not record.has_valid_policies():
        return "rua", "none" if record.has_report_address() else ""
    if record.domain != domain:
        if "np" in record.tags.values and not _exists(domain, lookup):
            return "np", record.get_tag("np")
        if "sp" in record.tags.values:
            return "sp", record.get_tag("sp")
    return "p", record.get_tag("p", "none")


def _exists(domain: str, lookup: DnsLookup) -> bool:
    """Return whether a domain has an address or a mail server (3.2.13)."""
    try:
        return any(lookup(domain, kind) for kind in (RecordType.MX, RecordType.A, RecordType.AAAA))
    except InvalidNameError:
        return False


def _judge(found: Discovery, tag: str, policy: str) -> RecordFinding:
    record = found.record
    assert record is not None
    if not policy:
        return make_finding("dmarc_policy", record.name)
    if tag == "rua":
        return make_finding("dmarc_invalid_policy", record.name)
    if found.several_at:
        return make_finding("dmarc_several_ignored", f"{', '.join(found.several_at)}; {record.name} applies")
    if "p" not in record.tags.values:
        return make_finding("dmarc_without_policy", record.name)
    if record.tags.repeated:
        return make_finding("dmarc_repeated_tag", f"{record.name}: {record.tags.repeated[0]}=")
    ignored = record.list_ignored_parts()
    if ignored:
        return make_finding("dmarc_ignored_part", f"{record.name}: {ignored[0]}")
    if found.is_of_public_suffix:
        return make_finding("dmarc_public_suffix", f"{tag}={policy} at {record.name}")
    testing = ", not applied while t=y" if record.get_tag("t") == "y" else ""
    return make_finding("ok", f"{tag}={policy} at {record.name}{testing}")
