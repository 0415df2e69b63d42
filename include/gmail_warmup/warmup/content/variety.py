"""How many different mails a library of templates can write, and how many are needed so that no pair sees one twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from gmail_warmup.core.text import pluralize
from gmail_warmup.warmup.content.template_library import TemplateLibrary, get_file_name
from gmail_warmup.warmup.content.templates import MailKind, MailTemplate
from gmail_warmup.warmup.planning.partners import PAIR_REST

NO_REPEAT_FOR = timedelta(days=60)
"""Time for which no two mails of a pair of mailboxes have the same subject or text."""
NEEDED = NO_REPEAT_FOR // PAIR_REST
"""Mails of one kind that a pair exchanges in this time while the pool is large enough for its rest."""


def find_shortages(library: TemplateLibrary) -> Iterator[str]:
    """Yield, as a sentence, each file whose templates are too few to write different mails for `NO_REPEAT_FOR`."""
    for language, kinds in sorted(library.languages.items()):
        for kind, templates in kinds.items():
            texts = count_texts(templates)
            subjects = count_subjects(templates) if kind is MailKind.FIRST else texts
            if templates and min(texts, subjects) < NEEDED:
                parts = [pluralize(subjects, "subject")] if kind is MailKind.FIRST else []
                parts.append(pluralize(texts, "text"))
                yield (
                    f"{get_file_name(kind, language)}: {' and '.join(parts)}; {NEEDED} different ones are needed so "
                    f"that no pair of mailboxes gets one twice in {NO_REPEAT_FOR.days} days. Add templates or "
                    "alternatives."
                )


def count_subjects(templates: Sequence[MailTemplate]) -> int:
    """Return the number of different subjects."""
    return len({subject for template in templates for subject in template.subjects})


def count_texts(templates: Sequence[MailTemplate]) -> int:
    """Return the number of different texts, without counting names and signatures."""
    return sum(
        math.prod(len(set(line)) for paragraph in template.paragraphs for line in paragraph) for template in templates
    )
