"""Headers of received mails, and what Google reports in them.

Each sample has the values of the headers ``Authentication-Results`` in the order of the message, the From header, and
the expected reports: for SPF and DKIM the result, with a star if it is not for the domain of the From header; for DMARC
the result; and whether the mail counts as not authenticated (None: Google does not say).
"""

from __future__ import annotations

from dataclasses import dataclass

SENDER = "Ada Lovelace <ada@warm.example>"
SPF = (
    "spf=pass (google.com: domain of ada@warm.example designates 192.0.2.41 as permitted sender) "
    "smtp.mailfrom=ada@warm.example"
)
DKIM = "dkim=pass header.i=@warm.example header.s=google header.b=Fq7/c+x1"
DMARC = "dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=warm.example"
FOLD = ";\r\n       "


@dataclass(frozen=True)
class Sample:
    """The headers of one mail, and what they mean; no expectation if Google reports nothing."""

    name: str
    headers: tuple[str, ...]
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    failed: bool | None = False
    sender: str = SENDER

    @property
    def expected(self) -> tuple[str, ...]:
        """Return the reports as texts, with a star where the domain is not that of the From header."""
        return (self.spf, self.dkim, self.dmarc) if self.spf else ()


def google(*statements: str) -> str:
    """Return a header as Google writes it."""
    return FOLD.join(("mx.google.com", *statements))


def _spf(result: str, comment: str = "", identity: str = "smtp.mailfrom=ada@warm.example") -> str:
    return f"spf={result} {f'(google.com: {comment}) ' if comment else ''}{identity}"


def _dkim(result: str, domain: str = "warm.example", comment: str = "") -> str:
    return f"dkim={result} {f'({comment}) ' if comment else ''}header.i=@{domain} header.s=s1 header.b=Zz09+/A="


def _dmarc(result: str, policy: str = "NONE") -> str:
    return f"dmarc={result} (p={policy} sp={policy} dis=NONE) header.from=warm.example"


def _passing(name: str, *headers: str, sender: str = SENDER) -> Sample:
    return Sample(name, headers, "pass", "pass", "pass", sender=sender)


GOOGLE = google(DKIM, SPF, DMARC)
FAILING = google(_dkim("fail"), _spf("fail"), _dmarc("fail", "REJECT"))
SIGNED_BY_GOOGLE = _dkim("pass", "warm-example.20230601.gappssmtp.com")

SAMPLES = (
    # As Google writes it, and how the syntax may vary.
    _passing("as Google writes it", GOOGLE),
    _passing("unfolded, with the spaces kept", GOOGLE.replace("\r\n", "")),
    _passing("on one line", "mx.google.com; " + "; ".join((DKIM, SPF, DMARC))),
    _passing("folded with line feeds only", GOOGLE.replace("\r\n", "\n")),
    _passing("folded with tabs", GOOGLE.replace("\r\n       ", "\r\n\t")),
    _passing("folded inside of a statement", GOOGLE.replace(" header.", "\r\n        header.")),
    _passing("folded inside of a comment", GOOGLE.replace("designates ", "designates\r\n  ")),
    _passing("semicolon at the end", GOOGLE + ";"),
    _passing("empty statements", GOOGLE.replace(";", ";;") + ";  ;"),
    _passing("no space after the semicolons", "mx.google.com;" + ";".join((DKIM, SPF, DMARC))),
    _passing("another order", google(DMARC, SPF, DKIM)),
    _passing("upper case", google(*(text.upper() for text in (DKIM, SPF, DMARC))).replace("mx.google", "MX.Google")),
    _passing("a version of the header", GOOGLE.replace("mx.google.com", "mx.google.com 1")),
    _passing("a version of a method", GOOGLE.replace("dkim=", "dkim/1=").replace("spf=", "spf / 1 =")),
    _passing("a quoted server", GOOGLE.replace("mx.google.com", '"mx.google.com"')),
    _passing("a comment after the server", GOOGLE.replace("mx.google.com", "mx.google.com (checked; spf=fail)")),
    _passing("a comment before the server", "(first) " + GOOGLE),
    _passing("nested comments", google(DKIM + " (a (b; spf=fail) c)", SPF, DMARC)),
    _passing("a parenthesis that is escaped", google(DKIM + r" (a \) ; dmarc=fail \( )", SPF, DMARC)),
    _passing("a quotation mark in a comment", google(DKIM + ' (an " alone)', SPF, DMARC)),
    _passing("comments around every part", google(
        "dkim (a) = (b) pass (c) header (d) . (e) i (f) = (g) @warm.example", SPF, DMARC)),
    _passing("no space before a comment", GOOGLE.replace("pass (", "pass(")),
    _passing("spaces around the equals sign", google("dkim = pass header.d = warm.example", SPF, DMARC)),
    _passing("spaces around the dot", google("dkim=pass header . d=warm.example", SPF, DMARC)),
    _passing("a quoted value", google('dkim=pass header.i="@warm.example"', SPF, DMARC)),
    _passing("a quoted result", google(DKIM, SPF, DMARC.replace("dmarc=pass", 'dmarc="pass"'))),
    _passing("a reason with a semicolon", google(
        'dkim=pass reason="good; dmarc=fail" header.d=warm.example', SPF, DMARC)),
    _passing("escapes in a quoted value", google(
        DKIM, r'spf=pass smtp.mailfrom="a\"; dmarc=fail"@warm.example', DMARC)),
    _passing("a policy of Google", google(DKIM, SPF, DMARC + " policy.dmarc=none")),
    _passing("methods that this version does not know", google("dara=fail header.i=@other.example", DKIM, SPF, DMARC)),
    _passing("a chain of forwarders that passes", google(
        DKIM, "arc=fail (i=1 spf=fail spfdomain=other.example dmarc=fail fromdomain=other.example)", SPF, DMARC)),
    _passing("a value after a stray word", google(f"x {DKIM}".replace("x dkim", "dkim") + " stray", SPF, DMARC)),
    # Which header counts.
    _passing("forged below", GOOGLE, FAILING),
    Sample("forged below, to pass", (FAILING, GOOGLE), "fail", "fail", "fail", failed=True),
    _passing("another server above", FAILING.replace("mx.google.com", "mx.relay.example"), GOOGLE),
    _passing("another server below", GOOGLE, FAILING.replace("mx.google.com", "mx.relay.example")),
    _passing("a server whose name begins alike", FAILING.replace("mx.google.com", "mx.google.com.test"), GOOGLE),
    _passing("a server whose name ends alike", FAILING.replace("mx.google.com", "evil-mx.google.com"), GOOGLE),
    _passing("an empty header above", "", GOOGLE),
    _passing("a header of comments above", "(mx.google.com; spf=fail)", GOOGLE),
    Sample("no header", ()),
    Sample("only another server", (GOOGLE.replace("mx.google.com", "mx.relay.example"),)),
    Sample("only Google's name", ("mx.google.com",)),
    Sample("no result", ("mx.google.com; none",)),
    Sample("no result, with a version and a comment", ("mx.google.com 1; none (not checked)",)),
    Sample("nothing about the three methods", (google("auth=pass smtp.auth=a", "iprev=pass policy.iprev=192.0.2.41"),)),
    Sample("Google checked nothing and a sender wrote results", ("mx.google.com; none", GOOGLE)),
    # Results of SPF.
    *(
        Sample(f"spf={result}", (google(DKIM, _spf(result), DMARC),), result, "pass", "pass")
        for result in ("fail", "softfail", "neutral", "none", "temperror", "permerror", "bestguesspass", "policy")
    ),
    Sample("spf=hardfail, as older servers wrote it", (google(DKIM, _spf("hardfail"), DMARC),), "fail", "pass", "pass"),
    Sample("spf: a result that no RFC has", (google(DKIM, _spf("maybe"), DMARC),), "unknown", "pass", "pass"),
    Sample("spf: neither permitted nor denied", (google(DKIM, _spf(
        "neutral", "192.0.2.41 is neither permitted nor denied by best guess record for domain of ada@warm.example"
    ), DMARC),), "neutral", "pass", "pass"),
    Sample("spf for another domain", (google(DKIM, _spf("pass", identity="smtp.mailfrom=x@bounce.example"), DMARC),),
           "pass*", "pass", "pass"),
    _passing("spf for a subdomain", google(DKIM, _spf("pass", identity="smtp.mailfrom=x@mail.warm.example"), DMARC)),
    _passing("spf with a domain only", google(DKIM, _spf("pass", identity="smtp.mailfrom=warm.example"), DMARC)),
    _passing("spf with an equals sign in the address", google(
        DKIM, _spf("pass", identity="smtp.mailfrom=b+pia=pool.example@warm.example"), DMARC)),
    _passing("spf for the host, with an empty sender", google(
        DKIM, _spf("pass", identity="smtp.mailfrom=<> smtp.helo=warm.example"), DMARC)),
    _passing("spf for host and sender", google(
        "spf=fail smtp.helo=host.example", DKIM, SPF, DMARC)),
    Sample("no spf statement", (google(DKIM, DMARC),), "none*", "pass", "pass"),
    # Results of DKIM.
    *(
        Sample(f"dkim={result}", (google(_dkim(result), SPF, DMARC),), "pass", result, "pass")
        for result in ("fail", "neutral", "none", "policy", "temperror", "permerror")
    ),
    Sample("dkim: a body that was changed", (google(_dkim("neutral", comment="body hash did not verify"), SPF, DMARC),),
           "pass", "neutral", "pass"),
    Sample("dkim: no key", (google(_dkim("temperror", comment="no key for signature"), SPF, DMARC),),
           "pass", "temperror", "pass"),
    Sample("no signature", (google(SPF, DMARC),), "pass", "none*", "pass"),
    Sample("signed with Google's key", (google(SIGNED_BY_GOOGLE, SPF, DMARC),), "pass", "pass*", "pass"),
    _passing("two signatures, the other domain first", google(SIGNED_BY_GOOGLE, DKIM, SPF, DMARC)),
    _passing("two signatures, a broken one first", google(_dkim("fail"), DKIM, SPF, DMARC)),
    Sample("two signatures, only the other domain's is valid", (google(_dkim("fail"), SIGNED_BY_GOOGLE, SPF, DMARC),),
           "pass", "pass*", "pass"),
    _passing("the signing domain counts, not the identity", google(
        "dkim=pass header.i=x@mail.warm.example header.d=warm.example", SPF, DMARC)),
    _passing("a signature of a parent domain", google(DKIM, SPF, DMARC), sender="Ada <ada@news.warm.example>"),
    _passing("a signature of a sibling domain", google(_dkim("pass", "mail.warm.example"), SPF, DMARC),
             sender="Ada <ada@news.warm.example>"),
    Sample("a sibling below a public suffix", (google(_dkim("pass", "other.example"), _spf("pass", identity=
           "smtp.mailfrom=a@warm.example"), DMARC),), "pass", "pass*", "pass"),
    _passing("a domain in its two spellings", google(
        _dkim("pass", "xn--bcher-kva.example"), _spf("pass", identity="smtp.mailfrom=a@bücher.example"), DMARC),
        sender="a@bücher.example"),
    _passing("an encoded name in the From header", GOOGLE, sender='"Ada, of \\"warm\\"" <ADA@Warm.Example>'),
    # Results of DMARC, and what counts without one.
    Sample("dmarc=fail", (google(DKIM, SPF, _dmarc("fail", "REJECT")),), "pass", "pass", "fail", failed=True),
    Sample("everything fails", (FAILING,), "fail", "fail", "fail", failed=True),
    Sample("dmarc=temperror", (google(DKIM, SPF, _dmarc("temperror")),), "pass", "pass", "temperror"),
    Sample("dmarc=permerror and nothing passes", (google(_dkim("fail"), _spf("softfail"), _dmarc("permerror")),),
           "softfail", "fail", "permerror", failed=True),
    Sample("dmarc=bestguesspass", (google(DKIM, SPF, _dmarc("bestguesspass")),), "pass", "pass", "bestguesspass"),
    Sample("no DMARC record", (google(DKIM, SPF),), "pass", "pass", "none"),
    Sample("no DMARC record, only SPF passes", (google(SIGNED_BY_GOOGLE, SPF),), "pass", "pass*", "none"),
    Sample("no record at all", (google(SIGNED_BY_GOOGLE, _spf("none")),), "none", "pass*", "none", failed=True),
    Sample("no DMARC record, both for other domains", (google(SIGNED_BY_GOOGLE, _spf("pass", identity=
           "smtp.mailfrom=x@bounce.example")),), "pass*", "pass*", "none", failed=True),
    Sample("no DMARC record, SPF could not be checked", (google(_dkim("fail"), _spf("temperror")),),
           "temperror", "fail", "none", failed=None),
    # What is malformed.
    Sample("a comment without an end", (google(DKIM, "spf=pass (no end smtp.mailfrom=ada@warm.example", DMARC),),
           "pass*", "pass", "none"),
    Sample("a quotation mark without an end", (google(DKIM, 'spf=fail smtp.mailfrom="ada@warm.example', DMARC),),
           "fail*", "pass", "none"),
    _passing("a parenthesis too many", google(DKIM + " )", SPF, DMARC)),
    _passing("a property without a value", google(DKIM + " header.x=", SPF, DMARC)),
    _passing("no method before the equals sign", google("=pass header.d=other.example", DKIM, SPF, DMARC)),
    _passing("a property first", google("header.d=other.example dkim=fail", DKIM, SPF, DMARC)),
    Sample("no From header", (google(DKIM, SPF),), "pass*", "pass*", "none", failed=True, sender=""),
)  # fmt: skip
"""Every sample."""
