"""DKIM records, and what is found about them."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from samples.dns.zone import TIMEOUT

_POINT = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"  # the base point of P-256


def rsa_key(bits: int, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    """Return a public key of a size. Nobody has the private one."""
    key = RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, form)).decode()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


KEY = rsa_key(2048)
_ED_KEY = Ed25519PublicKey.from_public_bytes(bytes(range(32)))
_ED_RAW = _encode(bytes(range(32)))
_ED_SPKI = _encode(_ED_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
_EC_SPKI = _encode(
    EllipticCurvePublicKey.from_encoded_point(SECP256R1(), bytes.fromhex(_POINT)).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
)
_DER = base64.b64decode(KEY)

DKIM_SAMPLES: list[tuple[str | list[str], str]] = [
    (f"v=DKIM1; k=rsa; p={KEY}", "ok"),
    (f"v=DKIM1;k=rsa;p={KEY};", "ok"),
    (f"v = DKIM1 ; k = RSA ; p = {KEY[:80]} {KEY[80:]}", "ok"),
    (f"p={KEY}", "ok"),
    (f"k=rsa; p={KEY}; n=a note", "ok"),
    (["any text", f"v=DKIM1; p={KEY}"], "ok"),
    ([f"v=DKIM2; p={KEY}", f"v=DKIM1; p={KEY}"], "ok"),
    (f"v=DKIM1; h=sha256; k=rsa; s=email; t=s; p={KEY}", "ok"),
    (f"v=DKIM1; h=sha1 : sha256; s=* ; p={KEY}", "ok"),
    (f"v=DKIM1; p={KEY}; x=unknown; g=*", "ok"),
    (f"v=DKIM1; k=ed25519; p={_ED_RAW}", "ok"),
    (f"v=DKIM1; p={rsa_key(4096)}", "ok"),
    (f"v=DKIM1; t=y; p={KEY}", "dkim_testing"),
    (f"v=DKIM1; t=s:y; p={KEY}", "dkim_testing"),
    (f"v=DKIM1; p={rsa_key(1024)}", "dkim_short_key"),
    (f"v=DKIM1; p={rsa_key(2047)}", "dkim_short_key"),
    (f"v=DKIM1; p={rsa_key(8192)}", "dkim_long_key"),
    (f"v=DKIM1; p={rsa_key(2048, PublicFormat.PKCS1)}", "dkim_key_format"),
    (f"v=DKIM1; p={rsa_key(512)}", "dkim_weak_key"),
    (f"v=DKIM1; p={rsa_key(768)}", "dkim_weak_key"),
    (f"v=DKIM1; p={rsa_key(1023)}", "dkim_weak_key"),
    (f"v=DKIM1; p={rsa_key(512, PublicFormat.PKCS1)}", "dkim_weak_key"),
    ("v=DKIM1; k=rsa; p=", "dkim_revoked"),
    ("v=DKIM1; p= ;", "dkim_revoked"),
    (f"v=DKIM1; s=other; p={KEY}", "dkim_not_for_mail"),
    (f"v=DKIM1; s=; p={KEY}", "dkim_not_for_mail"),
    (f"v=DKIM1; h=sha1; p={KEY}", "dkim_not_for_mail"),
    ("v=DKIM1; p=not base64!", "dkim_malformed"),
    (f"v=DKIM1; p={KEY[:-5]}", "dkim_malformed"),
    (f"v=DKIM1; p={_encode(_DER[:200])}", "dkim_malformed"),
    (f"v=DKIM1; p={_encode(_DER + b'x')}", "dkim_malformed"),
    (f"v=DKIM1; p={_encode(bytes(294))}", "dkim_malformed"),
    ("v=DKIM1; p=-----BEGIN PUBLIC KEY-----", "dkim_malformed"),
    (f'v=DKIM1; p="{KEY}"', "dkim_malformed"),
    (f"v=DKIM1; k=dsa; p={KEY}", "dkim_malformed"),
    (f"v=DKIM1; k=; p={KEY}", "dkim_malformed"),
    (f"v=DKIM1; k=rsa; p={_ED_RAW}", "dkim_malformed"),
    (f"v=DKIM1; k=rsa; p={_ED_SPKI}", "dkim_malformed"),
    (f"v=DKIM1; k=rsa; p={_EC_SPKI}", "dkim_malformed"),
    (f"v=DKIM1; k=ed25519; p={_ED_SPKI}", "dkim_malformed"),
    (f"v=DKIM1; k=ed25519; p={KEY}", "dkim_malformed"),
    (f"k=rsa; v=DKIM1; p={KEY}", "dkim_malformed"),
    (f"v=DKIM1; p={KEY}; p={KEY}", "dkim_malformed"),
    (f"v=DKIM1; k=rsa p={KEY}; rubbish; p={KEY}", "dkim_malformed"),
    (f"V=DKIM1; K=rsa; P={KEY}", "dkim_missing"),
    (f"v=DKIM2; p={KEY}", "dkim_missing"),
    (f"v=dkim1; p={KEY}", "dkim_missing"),
    ("v=DKIM1; k=rsa", "dkim_missing"),
    ("any text", "dkim_missing"),
    ([], "dkim_missing"),
    ([f"v=DKIM1; p={KEY}", f"p={KEY}"], "dkim_several"),
    ([f"v=DKIM1; p={KEY}", "v=DKIM1; p="], "dkim_several"),
    (TIMEOUT, "no_answer"),
]
