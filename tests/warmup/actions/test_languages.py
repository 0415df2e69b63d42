"""Mails in the language of their mailbox, also while templates have problems."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.doctor import Status
from gmail_warmup.doctor.content import check_languages
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.warmup.content.template_library import NoTemplatesError
from gmail_warmup.warmup.health.failures import find_failure
from support.mail_kit import ADA, POOL, act, everybody, ledger, use
from support.workers import services
from support.world import World

GREETINGS = {"en": "Hello", "de": "Guten Tag", "uk": "Вітаю"}
BEA, CLEO = "bea@warm.example", "cleo@warm.example"


def write(folder: Path, language: str, kind: str, text: str) -> None:
    (folder / f"{kind}.{language}.txt").write_text(text, encoding="utf-8")


def library(folder: Path, *languages: str) -> None:
    """Write a library with many different mails in each language."""
    numbers = " | ".join(f"{letter}{other}" for letter in "abcdefgh" for other in "klmnop")
    for language in languages:
        text = f"{GREETINGS[language]},\n{numbers}\n"
        write(folder, language, "first", f"== one\nSubject: {numbers}\n{text}")
        write(folder, language, "replies", f"== one\n{text}")
        write(folder, language, "followups", f"== one\n{text}")


@pytest.fixture
def spoken(warm: World, tmp_path: Path) -> World:
    """Return a world with templates in three languages and a mailbox for two of them."""
    library(tmp_path, "en", "de", "uk")
    use(warm, templates_folder=str(tmp_path), thread_depth=3)
    warm.add(BEA, kind="warmup", expired=False, open_rate=100, reply_rate=100)
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100, language = 'de' WHERE address = :ada", ada=ADA)
    warm.sql("UPDATE gmail_warmup.mailbox SET language = 'uk-ua' WHERE address = :bea", bea=BEA)
    return warm


def languages_of(world: World) -> dict[str, Counter[str]]:
    """Return, by the mailbox that started the thread, the languages of the mails that Google received."""
    found: dict[str, Counter[str]] = {}
    for mail in world.sandbox.mails():
        starter = next(address for address in (mail.sender, *mail.to) if address not in POOL)
        text = mail.content.text if hasattr(mail, "content") else raw_text(world, mail)
        language = next(name for name, greeting in GREETINGS.items() if greeting in text)
        found.setdefault(starter, Counter())[language] += 1
    return found


def raw_text(world: World, mail: object) -> str:
    import email
    import email.policy

    from support.workers import hook

    raw = hook(world, mail.sender).get_raw_message(mail.message_id)  # type: ignore[attr-defined]
    part = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def talk(world: World) -> None:
    """Send first mails, answer them and answer the answers."""
    everybody(world, Action.SEND, addresses=(ADA, BEA))
    everybody(world, Action.RESCUE, Action.READ, Action.REPLY)
    everybody(world, Action.COLLECT, Action.REPLY, addresses=(ADA, BEA))


def test_a_thread_is_in_the_language_of_the_mailbox_that_started_it(spoken: World):
    everybody(spoken, Action.SEND, addresses=(ADA, BEA))
    spoken.sql("UPDATE gmail_warmup.mailbox SET language = 'en'")
    talk(spoken)
    found = languages_of(spoken)
    assert found.keys() == {ADA, BEA}
    assert found[ADA].keys() == {"de"}
    assert found[BEA].keys() == {"uk"}
    assert found[ADA]["de"] >= 18


def test_a_faulty_template_is_left_out_and_the_language_stays(spoken: World, tmp_path: Path):
    for kind in ("first", "replies", "followups"):
        file = tmp_path / f"{kind}.de.txt"
        subject = "Subject: Bad\n" if kind == "first" else ""
        file.write_text(file.read_text() + f"== bad\n{subject}Guten Tag, KOSTENLOS ANSEHEN\n")
    talk(spoken)
    assert languages_of(spoken)[ADA].keys() == {"de"}
    assert not [mail for mail in spoken.sandbox.mails() if "Bad" in mail.subject]


@pytest.mark.parametrize("kind", ["first", "replies", "followups"])
@pytest.mark.parametrize("damage", ["missing", "encoding", "every template"])
def test_a_language_that_cannot_be_written_waits_and_the_others_go_on(
    spoken: World, tmp_path: Path, kind: str, damage: str
):
    file = tmp_path / f"{kind}.de.txt"
    before = file.read_text()
    if damage == "missing":
        file.unlink()
    elif damage == "encoding":
        file.write_bytes(before.encode("utf-16"))
    else:
        file.write_text(before.replace("Guten Tag", "KOSTENLOS ANSEHEN"))
    with pytest.raises(NoTemplatesError, match=rf"{kind}\.de\.txt has no valid template") as raised:
        act(spoken, Action.SEND)
    failure = find_failure(raised.value)
    assert failure
    assert failure.reason == "no_templates"
    assert ledger(spoken) == [], "nothing is claimed, so nothing is lost"
    assert act(spoken, Action.SEND, BEA)["sent"] == 6
    assert languages_of(spoken) == {BEA: Counter(uk=6)}
    file.write_text(before)
    assert act(spoken, Action.SEND)["sent"] == 6
    assert languages_of(spoken)[ADA] == Counter(de=6)


def test_answers_in_a_language_that_cannot_be_written_wait(
    spoken: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    everybody(spoken, Action.SEND, addresses=(ADA, BEA))
    file = tmp_path / "replies.de.txt"
    before = file.read_text()
    file.write_text("== one\nGuten Tag, KOSTENLOS ANSEHEN\n")
    with caplog.at_level(logging.ERROR):
        done = everybody(spoken, Action.RESCUE, Action.READ, Action.REPLY)
    assert done["replied"] == 6
    assert "replies.de.txt has no valid template" in caplog.text
    assert languages_of(spoken) == {ADA: Counter(de=6), BEA: Counter(uk=12)}
    with pytest.raises(NoTemplatesError):
        everybody(spoken, Action.REPLY)
    file.write_text(before)
    assert everybody(spoken, Action.REPLY)["replied"] == 6
    assert languages_of(spoken)[ADA] == Counter(de=12)


def test_a_claimed_mail_waits_for_its_language(spoken: World, tmp_path: Path):
    everybody(spoken, Action.SEND, addresses=(ADA,))
    spoken.sql(
        "UPDATE gmail_warmup.ledger SET status = 'claimed', draft_id = NULL, token = md5(token)"
        " WHERE id = (SELECT max(id) FROM gmail_warmup.ledger)"
    )
    (tmp_path / "first.de.txt").unlink()
    with pytest.raises(NoTemplatesError):
        act(spoken, Action.SEND)
    assert [row.status for row in ledger(spoken)].count("claimed") == 1, "it has not failed"
    library(tmp_path, "de")
    assert act(spoken, Action.SEND)["sent"] == 1
    assert languages_of(spoken)[ADA] == Counter(de=7)


@pytest.mark.parametrize("language", ["fr", "deu"])
def test_a_language_without_templates_is_never_replaced(spoken: World, language: str):
    spoken.sql("UPDATE gmail_warmup.mailbox SET language = :tag WHERE address = :ada", tag=language, ada=ADA)
    with pytest.raises(NoTemplatesError, match=rf"no templates in the language '{language}'. Add first.{language}.txt"):
        act(spoken, Action.SEND)
    assert spoken.sandbox.mails() == []
    status, found, _ = check_languages(DoctorContext(services(spoken), None))
    assert status is Status.PROBLEM
    assert found.startswith(f"1 mailbox: There are no templates in the language '{language}'.")


def test_a_language_needs_templates_of_the_operator(warm: World):
    warm.sql("UPDATE gmail_warmup.mailbox SET language = 'de'")
    with pytest.raises(NoTemplatesError, match="no templates in the language 'de'"):
        act(warm, Action.SEND)
    warm.sql("UPDATE gmail_warmup.mailbox SET language = 'en-gb'")
    assert act(warm, Action.SEND)["sent"] == 6


def test_a_mailbox_without_a_language_writes_in_those_that_can_be_written(spoken: World, tmp_path: Path):
    spoken.sql("UPDATE gmail_warmup.mailbox SET language = NULL")
    (tmp_path / "replies.de.txt").unlink()
    use(spoken, ramp_start=20)
    assert act(spoken, Action.SEND)["sent"] == 20
    assert languages_of(spoken)[ADA].keys() == {"en", "uk"}


def test_a_folder_that_cannot_be_read_sends_nothing_in_another_language(spoken: World, tmp_path: Path):
    use(spoken, templates_folder=str(tmp_path / "gone"))
    spoken.sql("UPDATE gmail_warmup.mailbox SET language = NULL")
    with pytest.raises(NoTemplatesError, match="No template file can be read"):
        act(spoken, Action.SEND)
    assert spoken.sandbox.mails() == []
