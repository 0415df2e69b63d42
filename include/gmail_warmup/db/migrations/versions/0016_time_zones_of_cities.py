"""time zones and display names that the rules of today accept

Revision: 0016
Follows: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CITIES = (
    ("CET", "Europe/Brussels"),
    ("EET", "Europe/Athens"),
    ("MET", "Europe/Brussels"),
    ("WET", "Europe/Lisbon"),
    ("localtime", "UTC"),
    ("posixrules", "UTC"),
    ("Factory", "UTC"),
)
"""Zones that PostgreSQL does not know or reads without daylight saving time, and the zone to use."""
_UNSAFE = r"[\u0080-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"


_SET_CITY = "UPDATE gmail_warmup.mailbox SET timezone = :city, next_send_at = NULL WHERE timezone = :zone"
_CLEAN_NAMES = """
UPDATE gmail_warmup.mailbox SET display_name = nullif(trim(regexp_replace(display_name, :unsafe, '', 'g')), '')
WHERE display_name ~ :unsafe
"""


def upgrade() -> None:
    for zone, city in _CITIES:
        op.execute(sa.text(_SET_CITY).bindparams(zone=zone, city=city))
    op.execute(sa.text(_CLEAN_NAMES).bindparams(unsafe=_UNSAFE))


def downgrade() -> None:
    # The former version accepts these values as well.
    pass
