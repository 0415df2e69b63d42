"""The lint in every script: capitals, lengths, invisible and combined characters, signs of other languages."""

# ruff: noqa: RUF001  the letters of other scripts are what is tested

from __future__ import annotations

import pytest

from gmail_warmup.warmup.content import spam_rules
from gmail_warmup.warmup.content.template_parser import parse_templates
from gmail_warmup.warmup.content.templates import MailKind

SHOUTED = [
    "IMPORTANT", "ÜBERSICHT", "ÜBERSICHT KOSTENLOS JETZT", "FREE FOR YOU", "Please READ THIS TODAY", "BUY IT NOW",
    "U\u0308BERSICHT", "这是IMPORTANT的",
    "JETZT\u00a0KOSTENLOS", "JETZT\u202fKOSTENLOS", "JETZT\u3000KOSTENLOS", "KOSTEN\u00adLOS JETZT",
    "KOSTEN\u200bLOS JETZT", "STRASSENBAHN", "STRAßE GESPERRT", "STRAẞE GESPERRT", "İNDİRİM BAŞLADI", "IŞIKLAR KAPALI",
    "СРОЧНО ПРОЧИТАЙТЕ", "БЕСПЛАТНО", "ЦЕ ДУЖЕ ВАЖЛИВО", "ΔΩΡΕΑΝ ΣΗΜΕΡΑ", "ΣΗΜΑΝΤΙΚΌ", "ԿԱՐԵՎՈՐ ՏԵՂԵԿՈՒԹՅՈՒՆ",
    "ᲡᲐᲩᲣᲥᲐᲠᲘ ᲓᲦᲔᲡ", "ＩＭＰＯＲＴＡＮＴ", "𝐈𝐌𝐏𝐎𝐑𝐓𝐀𝐍𝐓", "TRÈS URGENT LISEZ", "ƏHƏMİYYƏTLİ", "ĐỌC NGAY HÔM NAY",
]  # fmt: skip
NOT_SHOUTED = [
    "DSGVO", "IBM SAP", "SAP HANA", "EU DSGVO", "UNESCO", "Zertifiziert nach DIN EN ISO", "IBM, SAP, DSGVO, UNESCO",
    "Übersicht", "Die Übersicht von IBM und SAP", "PDFs", "A B", "МВД РФ", "СНГ и ООН", "ΑΕΚ ΠΑΟΚ", "ΕΕ",
    "TBMM", "Türkiye'de TBMM", "საჩუქარი დღეს გელოდებათ ყველას აქ", "ՀՀ", "ᎣᏏᏲ ᏙᎯᏧ ᎤᏓᎷᎸ ᎠᏂᏴᏫᏯ", "MwSt und GmbH",
    "这是关于明天会议的一些重要说明", "明日の会議についてのお知らせです", "내일 회의에 대한 안내입니다",
    "رسالة مهمة بخصوص الاجتماع", "הודעה חשובה על הפגישה", "प्रिय मित्र कल की बैठक", "ข้อมูลเกี่ยวกับการประชุม",
    "使用IBM和SAP及DSGVO", "请用 IBM 的 SAP 系统 DSGVO", "نظام IBM مع SAP و DSGVO",
    "R2 D2", "👍🏽🎉👨‍👩‍👧", "straße", "ß",
]  # fmt: skip


@pytest.mark.parametrize("text", SHOUTED)
def test_capitals_are_found_in_every_script(text: str):
    assert any("shouting" in violation.rule for violation in spam_rules.find_violations(text))


@pytest.mark.parametrize("text", NOT_SHOUTED)
def test_abbreviations_and_scripts_without_case_are_accepted(text: str):
    assert list(spam_rules.find_violations(text)) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("访问example.com吧", "a link"), ("请看www.example.test", "a link"), ("写信到ada＠example", "a link"),
        ("快来！！", "shouting"), ("真的吗？！", "shouting"), ("حقا؟!", "shouting"),
        ("Vraiment\u202f!\u202f!", "shouting"),
        ("¡¡Hola!", "shouting"), ("Nur 5 €", "sales talk"), ("Только 5 ₽", "sales talk"), ("%50 daha az", "sales talk"),
        ("5％の", "sales talk"), ("cl\u200bick here", "sales talk"), ("w\u00adarm-up", "a marker word"),
        ("請回覆abc12345x謝謝", "a marker word"), ("请click这里", "sales talk"),
    ],
)  # fmt: skip
def test_signs_and_words_are_found_within_other_scripts(text: str, rule: str):
    assert any(rule in violation.rule for violation in spam_rules.find_violations(text))


@pytest.mark.parametrize(
    "text",
    ["会议将在2026年1月5日举行，我们使用Python3编写", "¡Hola! ¿Qué tal?", "Todo bien", "Bonjour\u00a0!", "Quoi\u00a0?"],
)
def test_ordinary_text_of_other_languages_is_accepted(text: str):
    assert list(spam_rules.find_violations(text)) == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("abc", 3), ("ü", 1), ("u\u0308", 1), ("q\u0308\u0323", 1), ("你好", 2), ("नमस्ते", 4), ("👍", 1),
        ("👍🏽", 1), ("❤️", 1),
        ("👨\u200d👩\u200d👧", 1), ("a\u200bb\u00adc", 3), ("a\u00a0b", 3), ("", 0),
    ],
)  # fmt: skip
def test_a_length_is_counted_as_a_reader_does(text: str, length: int):
    assert spam_rules.count_characters(text) == length


@pytest.mark.parametrize("letter", ["a", "ü", "u\u0308", "你", "한", "я", "א", "👍🏽"])
def test_the_limit_of_a_subject_is_the_same_in_every_script(letter: str):
    for count, problems in ((100, 0), (101, 1)):
        text = f"== one\nSubject: {letter * count}\nText.\n"
        _, found = parse_templates(text, file_name="own.txt", kind=MailKind.FIRST, complete=True)
        assert len([one for one in found if "too long (101 characters)" in one.rule]) == problems, found


@pytest.mark.parametrize("blank", ["\u00a0", "\u200b", "\u3000", "\u2800", "\u00ad", "\ufeff"])
def test_what_a_reader_cannot_see_is_empty(blank: str):
    _, found = parse_templates(
        f"== one\nSubject: A | {blank}\nText.\n", file_name="own.txt", kind=MailKind.FIRST, complete=True
    )
    assert [(one.template, one.line, one.rule) for one in found] == [("one", 2, "an alternative is empty")]


def test_lines_are_numbered_as_an_editor_does():
    text = "== one\rHello\u2028there.\r\nGood morning\u0085.\n== two\nSee www.pages.test\n"
    _, found = parse_templates(text, file_name="own.txt", kind=MailKind.REPLY, complete=True)
    assert [(one.template, one.line, one.rule[:22]) for one in found] == [
        ("one", 2, "contains the character"),
        ("one", 3, "contains the character"),
        ("two", 5, "contains a link or an "),
    ]


def test_a_template_is_composed_so_that_each_letter_is_one_character():
    ((template,), _) = parse_templates("== one\nScho\u0308n.\n", file_name="o", kind=MailKind.REPLY, complete=True)
    assert template.paragraphs == ((("Schön.",),),)
