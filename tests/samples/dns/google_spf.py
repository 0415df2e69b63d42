"""SPF records of a domain that sends with Google, and what is found about them.

Google's servers are those of the zone here. Each sample is the record of warm.example.
"""

from __future__ import annotations

from samples.dns.zone import TIMEOUT, Records

GOOGLE: Records = {
    "_spf.google.com": "v=spf1 include:_netblocks.google.com include:_netblocks2.google.com ~all",
    "_netblocks.google.com": "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ~all",
    "_netblocks2.google.com": "v=spf1 ip6:2001:db8:1::/48 ~all",
}

ZONE: Records = {
    "warm.example MX": ["mail.warm.example"],
    "warm.example A": ["203.0.113.7"],
    "mail.warm.example A": ["203.0.113.8"],
    "relay.example": "v=spf1 include:_spf.google.com -all",
    "open.example": "v=spf1 +all",
    "closed.example": "v=spf1 -all",
    "noone.example": "a text",
    "slow.example": TIMEOUT,
    "slow.example A": TIMEOUT,
    "broken.example": "v=spf1 ip4:1.2.3 -all",
    "two.example": ["v=spf1 -all", "v=spf1 -all"],
    "loop.example": "v=spf1 include:loop.example ~all",
    **{f"s{number}.example": "v=spf1 ip4:203.0.113.1 ~all" for number in range(10)},
    "macro.example": "v=spf1 exists:%{l}.list.example ~all",
    "vendor.example": "v=spf1 include:%{i}._ip.%{h}._helo.vendor.example ~all",
    "lists.example A": ["127.0.0.2"],
}

_HOSTS = " ".join(f"a:no{number}.example" for number in range(3))
_NINE = " ".join(f"include:s{number}.example" for number in range(9))
_GOOGLE = "include:_spf.google.com"
_FLAT = "ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip6:2001:db8:1::/48"

GOOGLE_SPF_SAMPLES: list[tuple[str | list[str], str]] = [
    # Google's servers pass
    (f"v=spf1 {_GOOGLE} ~all", "ok"),
    (f"v=spf1 {_GOOGLE} -all", "ok"),
    (f"v=spf1 {_GOOGLE}", "ok"),
    ("v=spf1 redirect=_spf.google.com", "ok"),
    ("v=spf1 include:relay.example ~all", "ok"),
    ("V=SPF1 a mx +INCLUDE:_SPF.Google.Com. -all exp=why.warm.example", "ok"),
    (f"v=spf1 {_FLAT} -all", "ok"),
    ("v=spf1 ip4:192.0.2.0/25 ip4:192.0.2.128/25 ip4:198.51.0.0/16 ip6:2001:db8::/32 -all", "ok"),
    (f"v=spf1 -include:open-not.example {_GOOGLE} -all", "spf_include_missing"),
    (f"v=spf1 {_GOOGLE} -include:open.example ~all", "ok"),
    (f"v=spf1 ?{_GOOGLE} {_FLAT} -all", "spf_without_google"),
    # no record, or a void one
    ([], "spf_missing"),
    (["a text", "v=spf10 +all"], "spf_missing"),
    ([f"v=spf1 {_GOOGLE} ~all", "v=spf1 mx -all"], "spf_several"),
    (f"v=spf1 {_GOOGLE} a/33 -all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} -all some text", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} -all; and more", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} redirect=a.example redirect=b.example", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} exp=a.example exp=b.example -all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} ip4:203.0.113.300 ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} ip4:203.0.113.0/240 ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} ip6:203.0.113.1 ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} mx//129 ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} a:%{{z}}.example ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} include: ~all", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} all/8", "spf_syntax"),
    (f"v=spf1 {_GOOGLE} -al", "spf_syntax"),
    # an error in front of Google's servers
    (f"v=spf1 include:nobody.example {_GOOGLE} ~all", "spf_include_missing"),
    (f"v=spf1 include:noone.example {_GOOGLE} ~all", "spf_include_missing"),
    ("v=spf1 redirect=nobody.example", "spf_include_missing"),
    (f"v=spf1 include:broken.example {_GOOGLE} ~all", "spf_syntax"),
    (f"v=spf1 include:two.example {_GOOGLE} ~all", "spf_several"),
    (f"v=spf1 include:loop.example {_GOOGLE} ~all", "spf_too_many_lookups"),
    (f"v=spf1 {_NINE} a {_GOOGLE} ~all", "spf_too_many_lookups"),
    (f"v=spf1 {_NINE} {_GOOGLE} ~all", "spf_too_many_lookups"),
    (f"v=spf1 {_HOSTS} {_GOOGLE} ~all", "spf_void_lookups"),
    ("v=spf1 ip4:192.0.2.0/24 include:nobody.example ~all", "spf_include_missing"),
    (f"v=spf1 include:slow.example {_GOOGLE} ~all", "no_answer"),
    # an error behind Google's servers
    (f"v=spf1 {_GOOGLE} include:nobody.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} include:noone.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} redirect=nobody.example", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} include:broken.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} include:two.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} include:loop.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} {_NINE} ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} {_HOSTS} ~all", "spf_behind_google"),
    (f"v=spf1 {_FLAT} include:nobody.example ~all", "spf_behind_google"),
    (f"v=spf1 {_GOOGLE} include:slow.example ~all", "ok"),
    (f"v=spf1 {_GOOGLE} -all include:nobody.example", "ok"),
    # every server passes
    (f"v=spf1 {_GOOGLE} +all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} all", "spf_everybody"),
    ("v=spf1 all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} ip4:0.0.0.0/0 -all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} ip6:::/0 -all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} a/0 -all", "spf_everybody"),
    (f"v=spf1 {_GOOGLE} include:open.example ~all", "spf_everybody"),
    # Google's servers do not pass
    ("v=spf1 mx -all", "spf_without_google"),
    ("v=spf1 a mx ptr -all", "spf_without_google"),
    ("v=spf1 -all", "spf_without_google"),
    ("v=spf1", "spf_without_google"),
    (f"v=spf1 -all {_GOOGLE}", "spf_without_google"),
    (f"v=spf1 -{_GOOGLE} ~all", "spf_without_google"),
    ("v=spf1 ~all redirect=_spf.google.com", "spf_without_google"),
    ("v=spf1 ip4:203.0.113.7 -all", "spf_without_google"),
    ("v=spf1 include:closed.example ~all", "spf_without_google"),
    # a part of them passes
    ("v=spf1 ip4:203.0.113.7 ip4:198.51.100.0/24 -all", "spf_part_of_google"),
    ("v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all", "spf_part_of_google"),
    ("v=spf1 ip4:192.0.2.64/26 -all", "spf_part_of_google"),
    (f"v=spf1 -ip4:192.0.2.77 {_GOOGLE} -all", "spf_part_of_google"),
    # it depends
    ("v=spf1 include:%{i}._ip.%{d}.vendor.example ~all", "spf_macros"),
    ("v=spf1 exists:%{i}.list.example -all", "spf_macros"),
    ("v=spf1 exists:%{l}.list.example -all", "spf_macros"),
    ("v=spf1 include:macro.example -all", "spf_macros"),
    ("v=spf1 include:vendor.example -all", "spf_macros"),
    ("v=spf1 redirect=%{h}.example", "spf_macros"),
    (f"v=spf1 -exists:%{{l}}.list.example {_GOOGLE} -all", "spf_macros"),
    ("v=spf1 ptr:google.com -all", "spf_macros"),
    (f"v=spf1 exists:%{{l}}.list.example {_GOOGLE} -all", "ok"),
    (f"v=spf1 include:vendor.example {_GOOGLE} -all", "ok"),
    (f"v=spf1 {_GOOGLE} include:vendor.example ~all", "ok"),
    ("v=spf1 exists:lists.example ~all", "spf_everybody"),
]
