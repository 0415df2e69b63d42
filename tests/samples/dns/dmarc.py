"""DMARC records, and what is found about them: the domain, the records by domain, the code and the policy."""

from __future__ import annotations

from dataclasses import dataclass

from samples.dns.zone import TIMEOUT, Records

_RUA = "rua=mailto:dmarc@warm.example"


@dataclass(frozen=True, kw_only=True)
class DmarcSample:
    """The records of a domain, and the policy that receivers apply; empty if none."""

    records: Records
    code: str
    policy: str = ""
    domain: str = "warm.example"


def _own(text: str | list[str], code: str, policy: str = "") -> DmarcSample:
    return DmarcSample(records={"_dmarc.warm.example": text}, code=code, policy=policy)


def _of(domain: str, records: Records, code: str, policy: str = "") -> DmarcSample:
    return DmarcSample(records=records, code=code, policy=policy, domain=domain)


_LONG = "a.b.c.d.e.f.g.mail.warm.example"

DMARC_SAMPLES: list[DmarcSample] = [
    # the record of the domain itself
    _own("v=DMARC1; p=none", "ok", "none"),
    _own("v=DMARC1;p=reject", "ok", "reject"),
    _own("v=DMARC1; p=quarantine;", "ok", "quarantine"),
    _own("v=DMARC1;p=none; ; ", "ok", "none"),
    _own("V=DMARC1; p=none", "ok", "none"),
    _own("v = DMARC1 ; P = Reject ; pct=50", "ok", "reject"),
    _own("v=DMARC1\t;\tp\t=\tnone", "ok", "none"),
    _own("v=DMARC1; rua=mailto:a@warm.example; p=none", "ok", "none"),
    _own("v=DMARC1; p=reject; pct=0; rf=afrf; ri=86400", "ok", "reject"),
    _own("v=DMARC1; p=reject; pct=many; unknown=tag", "ok", "reject"),
    _own("v=DMARC1; p=reject; sp=none; np=reject; adkim=s; aspf=R; fo=1:d:s; psd=u; t=n", "ok", "reject"),
    _own("v=DMARC1; p=reject; t=y", "ok", "reject"),
    _own(["v=spf1 -all", "v=DMARC1; p=none"], "ok", "none"),
    _own(["v=DMARC10; p=reject", "v=DMARC1; p=none"], "ok", "none"),
    _own("v=DMARC1; p=none; psd=y", "ok", "none"),
    # without a policy, or with an invalid one
    _own("v=DMARC1", "dmarc_without_policy", "none"),
    _own("v=DMARC1;", "dmarc_without_policy", "none"),
    _own("v=DMARC1; adkim=s", "dmarc_without_policy", "none"),
    _own("v=DMARC1; sp=none", "dmarc_without_policy", "none"),
    _own(f"v=DMARC1; {_RUA}", "dmarc_without_policy", "none"),
    _own("v=DMARC1; p=nones", "dmarc_policy"),
    _own("v=DMARC1; p=", "dmarc_policy"),
    _own("v=DMARC1; p=none; sp=all", "dmarc_policy"),
    _own("v=DMARC1; p=none; np=never", "dmarc_policy"),
    _own("v=DMARC1; p=none, quarantine", "dmarc_policy"),
    _own(f"v=DMARC1; p=nones; {_RUA}", "dmarc_invalid_policy", "none"),
    _own("v=DMARC1; p=block; rua=mailto:nobody, mailto:a@warm.example!10m", "dmarc_invalid_policy", "none"),
    _own("v=DMARC1; p=block; rua=https://warm.example/report", "dmarc_invalid_policy", "none"),
    _own(f"v=DMARC1; p=none; sp=block; {_RUA}", "dmarc_invalid_policy", "none"),
    _own("v=DMARC1; p=block; rua=dmarc@warm.example", "dmarc_policy"),
    _own("v=DMARC1; p=block; rua=mailto:nobody", "dmarc_policy"),
    _own("v=DMARC1; p=block; ruf=mailto:a@warm.example", "dmarc_policy"),
    # texts that are no record
    _own("p=none; v=DMARC1", "dmarc_missing"),
    _own("v=dmarc1; p=none", "dmarc_missing"),
    _own("v=DMARC2; p=none", "dmarc_missing"),
    _own("v=DMARC1 p=none", "dmarc_missing"),
    _own("v=DMARC1, p=none", "dmarc_missing"),
    _own(" v=DMARC1; p=none", "dmarc_missing"),
    _own("DMARC1; p=none", "dmarc_missing"),
    _own([], "dmarc_missing"),
    _of("warm.example", {"warm.example": "v=DMARC1; p=none"}, "dmarc_missing"),
    # several records, tags twice, malformed parts
    _own(["v=DMARC1; p=none", "v=DMARC1; p=reject"], "dmarc_several"),
    _own(["v=DMARC1; p=none", "v=DMARC1; p=none"], "dmarc_several"),
    _own(["v=DMARC1", "V=DMARC1"], "dmarc_several"),
    _own("v=DMARC1; p=none; p=reject", "dmarc_repeated_tag", "none"),
    _own("v=DMARC1; p=none; rua=mailto:a@b.example; RUA=mailto:c@d.example", "dmarc_repeated_tag", "none"),
    _own("v=DMARC1; p=none; fo:1", "dmarc_ignored_part", "none"),
    _own("v=DMARC1; p=reject; adkim=strict", "dmarc_ignored_part", "reject"),
    _own("v=DMARC1; p=reject; psd=yes", "dmarc_ignored_part", "reject"),
    _own("v=DMARC1; p=reject; t=1", "dmarc_ignored_part", "reject"),
    _own("v=DMARC1; p=none; text", "dmarc_ignored_part", "none"),
    # records of the domains above
    _of("eu.warm.example", {"_dmarc.warm.example": "v=DMARC1; p=reject"}, "ok", "reject"),
    _of("eu.mail.warm.example", {"_dmarc.warm.example": "v=DMARC1; p=reject; sp=none"}, "ok", "none"),
    _of("eu.mail.warm.example", {"_dmarc.warm.example": "v=DMARC1; p=reject; sp=nobody"}, "dmarc_policy"),
    _of(
        "eu.mail.warm.example",
        {"_dmarc.mail.warm.example": "v=DMARC1; p=none", "_dmarc.warm.example": "v=DMARC1; p=reject; sp=quarantine"},
        "ok", "quarantine",
    ),
    _of(
        "eu.warm.example",
        {"_dmarc.eu.warm.example": "v=DMARC1; p=none", "_dmarc.warm.example": "v=DMARC1; p=reject"},
        "ok", "none",
    ),
    _of(
        "eu.warm.example",
        {"_dmarc.eu.warm.example": ["v=DMARC1", "v=DMARC1"], "_dmarc.warm.example": "v=DMARC1; p=reject"},
        "dmarc_several_ignored", "reject",
    ),
    _of("eu.warm.example", {"_dmarc.warm.example": ["v=DMARC1", "v=DMARC1"]}, "dmarc_several"),
    _of("warm.co.example", {"_dmarc.example": "v=DMARC1; p=reject"}, "ok", "reject"),
    _of(
        "eu.warm.example",
        {"_dmarc.warm.example": "v=DMARC1; p=none; psd=n", "_dmarc.example": "v=DMARC1; p=reject"},
        "ok", "none",
    ),
    # public suffixes
    _of("warm.co.example", {"_dmarc.co.example": "v=DMARC1; p=reject; psd=y"}, "dmarc_public_suffix", "reject"),
    _of("warm.bank.test", {"_dmarc.test": "v=DMARC1; p=none; sp=reject; psd=Y"}, "dmarc_public_suffix", "reject"),
    _of("bank.test", {"_dmarc.test": "v=DMARC1; p=reject; psd=y"}, "dmarc_public_suffix", "reject"),
    _of(
        "eu.bank.test",
        {"_dmarc.bank.test": "v=DMARC1; p=none", "_dmarc.test": "v=DMARC1; p=reject; psd=y"},
        "ok", "none",
    ),
    _of(
        "a.b.bank.test",
        {"_dmarc.b.bank.test": "v=DMARC1; p=none", "_dmarc.test": "v=DMARC1; p=reject; psd=y"},
        "dmarc_public_suffix", "reject",
    ),
    # np= is for domains that do not exist
    _of("eu.warm.example", {"_dmarc.warm.example": "v=DMARC1; p=none; np=reject"}, "ok", "reject"),
    _of(
        "eu.warm.example",
        {"_dmarc.warm.example": "v=DMARC1; p=none; np=reject", "eu.warm.example MX": ["mx.example"]},
        "ok", "none",
    ),
    _of(
        "eu.warm.example",
        {"_dmarc.warm.example": "v=DMARC1; p=none; sp=quarantine; np=reject", "eu.warm.example AAAA": ["2001:db8::1"]},
        "ok", "quarantine",
    ),
    # long names: the walk goes on with seven labels
    _of(_LONG, {f"_dmarc.{_LONG}": "v=DMARC1; p=reject"}, "ok", "reject"),
    _of(_LONG, {"_dmarc.d.e.f.g.mail.warm.example": "v=DMARC1; p=reject"}, "ok", "reject"),
    _of(_LONG, {"_dmarc.c.d.e.f.g.mail.warm.example": "v=DMARC1; p=reject"}, "dmarc_missing"),
    _of(_LONG, {"_dmarc.warm.example": "v=DMARC1; p=reject"}, "ok", "reject"),
    # name servers
    _own(TIMEOUT, "no_answer"),
    _of("eu.warm.example", {"_dmarc.warm.example": TIMEOUT}, "no_answer"),
]  # fmt: skip
