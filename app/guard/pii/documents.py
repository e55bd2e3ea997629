"""Dates of birth, passports and driver's licences: dates and numbers that only the words before them tell."""

# ruff: noqa: E501, RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from collections.abc import Iterator

from app.guard.types import Hit

BIRTH, PASSPORT, LICENSE = "DATE_OF_BIRTH", "PASSPORT", "DRIVER_LICENSE"

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|f[ée]v|mar(?:ch|s|zo|ço)?|m[äa]rz|apr(?:il|ile)?|avril|avr|abril|may|mai|mayo|maio|maggio|"
    r"june?|juni|juin|junio|junho|july?|juli|juillet|julio|julho|aug(?:ust)?|ao[ûu]t|agosto|sept?(?:ember|embre|iembre)?|setembro|settembre|"
    r"oct(?:ober|obre|ubre)?|okt(?:ober)?|outubro|ottobre|nov(?:ember|embre|iembre|embro)?|dec(?:ember)?|dez(?:ember|embro)?|d[ée]cembre|diciembre|dicembre|"
    r"enero|janeiro|gennaio|febrero|fevereiro|febbraio|giugno|luglio|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia|"
    r"januari|februari|maart|mei|augustus|maj|marts|marec|"
    r"ocak|şubat|mart|nisan|mayıs|haziran|temmuz|ağustos|eylül|ekim|kasım|aralık|januára?|ianuarie|februarie|martie|aprilie|iunie|iulie|septembrie|octombrie|noiembrie|decembrie|"
    r"января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря|ledna|února|března|dubna|května|června|července|srpna|září|října|listopadu|prosince)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|º|°|\.)?"
_YEAR = r"(?:1[89]\d\d|20[0-3]\d)"
_DATE_FORM = (
    rf"(?:{_DAY}[ \-/.]{{0,2}}(?:of |de |di )?{_MONTH}\.?(?:[ \-/.,']{{1,2}}(?:of |de |del |di )?(?:{_YEAR}|'?\d\d\b))?"
    rf"|{_MONTH}\.?[ \-/.]{{0,2}}{_DAY}(?:,? ?(?:{_YEAR}))?\b"
    rf"|{_YEAR}[ \-/.]{{1,2}}(?:{_MONTH}|[01]?\d)[ \-/.]{{1,2}}{_DAY}"
    rf"|\d{{1,2}} ?[\-/.\u2013] ?\d{{1,2}} ?[\-/.\u2013] ?(?:{_YEAR}|\d\d)|(?:19|20)\d\d年\d{{1,2}}月\d{{1,2}}日"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01]))(?![\w/])"
)
_DATE = re.compile(rf"(?<![\w/.\-]){_DATE_FORM}", re.IGNORECASE)
# What tells a birthday before the date; and behind it.
_BORN = re.compile(
    r"(?<![A-Za-z])(?:born|dob|d\.o\.b\.?|date[ _-]?of[ _-]?birth|birth[ _-]?dates?|birth[ _-]?days?|bday|b-day|b\.|birth[ _-]?dt|geboren|geb\.?|geburtsdatum|"
    r"geburtstag|née? le|date de naissance|naissance|nacid[oa]|nací|fecha de nacimiento|nascid[oa]|nasci|data de nascimento|nat[oa] il|"
    r"data di nascita|urodzon[ya]|urodził[aeo]?\w*|ur\.|geboortedatum|födelsedatum|född|fødselsdato|født|doğum tarihi|doğdum|turn(?:s|ed|ing)? \d{1,3}|anniversaire|cumpleaños|compleanno|aniversário|urodziny|birth|"
    r"f\. ?nac|fecha nac\w*|födelsedag|fødselsdag|narozen\w*|născut\w*|lahir)(?![a-z])|生年月日|出生|生日|誕生日|생년월일|생일|дата рождения|родил|народ|день рождения",
    re.IGNORECASE,
)
_BORN_AFTER = re.compile(
    r"^[\s,.;:)]{0,3}(?:is|was|=|-)?\s*(?:\(?(?:my|his|her|their|our|the)?\s*(?:birthday|birthdate|date of birth|dob|bday|geburtstag)|\((?:dob|born|d\.o\.b))",
    re.IGNORECASE,
)
_BORN_REACH = 60
_NOT_BORN = re.compile(
    r"\b(?:order|invoice|due|expires?|expiry|issued?|valid|until|appointment|meeting|deadline|admitted|visit(?:ed)?|joined|hired|started|since|party|shipp\w+|ends?)\b",
    re.IGNORECASE,
)

_PASSPORT_WORD = re.compile(
    r"passport|passeport|reisepass|pasaporte|passaporte|passaporto|paszport|paspoort|护照|パスポート|паспорт",
    re.IGNORECASE,
)
_LICENSE_WORD = re.compile(
    r"driver'?s?’?s?[ _-]?licen[cs]e|driving[ _-]?licen[cs]e|driver[ _]licen[cs]e|drivers?[ _-]?lic\b|licen[cs]e (?:no|number|num|nr|#|is)\b|\bd\.?l\.?(?:\s|#|:|n|-no)|\bdl[_ ]?n(?:o|um|umber)?\b|\bdl_|drivers?_?licen[cs]e|führerschein|"
    r"permis de conduire|permiso de conducir|licencia de conducir|carnet de conducir|patente di guida|rijbewijs|prawo jazdy|carta de condução|cnh\b|"
    r"licen[cs]e(?= ?[:#])|dvla|\bdmv\b",
    re.IGNORECASE,
)
_PASSPORT_NUMBER = re.compile(
    r"(?<![\w@./+-])(?=[A-Z\d ]{0,5}\d)(?:[A-Za-z]{1,3}[ -]?\d{5,9}[A-Za-z]?|\d{2} \d{2} \d{6}|\d{7,10}|[A-Za-z]\d[A-Za-z\d]{6,8}|[A-Za-z\d]{8,9})(?![\w@])"
)
_LICENSE_NUMBER = re.compile(
    r"(?<![\w@./+])(?:(?=[A-Z*]{0,9}\d[A-Z*]{0,9}\d)[A-Z\d*]{8,20}|[A-Za-z]{1,5}[ -]?\d[A-Za-z\d]*(?:[ -](?=[A-Za-z]*\d)[A-Za-z\d]{1,6}){0,5}|\d[A-Za-z\d]{3,}(?:[ -](?=[A-Za-z]*\d)[A-Za-z\d]{2,6}){0,5}|\d{2,4}(?:[ -]\d{2,4}){1,4}|[A-Za-z]{5}\d{6}[A-Za-z\d]{5})(?![\w@])"
)
_ENOUGH_REACH = 64
_IS_DATE = re.compile(r"(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:(?:19|20)\d\d|\d\d)")


def find_births(text: str) -> Iterator[Hit]:
    """Dates behind (or before) a word of birth, in the same sentence: 0.85."""
    cues = [match.end() for match in _BORN.finditer(text)]
    after = "irth" in text or "BIRTH" in text or "dob" in text.lower()
    if not cues and not after:
        return
    for match in _DATE.finditer(text):
        cue = max((end for end in cues if end <= match.start()), default=-1)
        between = text[cue : match.start()]
        if (
            cue >= 0
            and len(between) <= _BORN_REACH
            and not re.search(r"[.!?]\s+[A-Z]|\n\n", between)
            and not _NOT_BORN.search(between)
        ):
            yield Hit(BIRTH, 0.85, *match.span())
        elif after and _BORN_AFTER.search(text[match.end() : match.end() + 40]):
            yield Hit(BIRTH, 0.8, *match.span())


_NUMBER_FIRST = re.compile(
    r"(?<![\w@./-])(?=[A-Za-z-]{0,9}\d)([A-Za-z\d-]{6,20}) (?:is|was|=) (?:my|his|her|their|the|a|your)\s[\w ]{0,16}?(?:(passport)|driver'?s?’?s? licen[cs]e|driving licen[cs]e)",
    re.IGNORECASE,
)


def find_passports(text: str) -> Iterator[Hit]:
    """0.8; 0.6 where other words stand between."""
    yield from _behind(text, PASSPORT, _PASSPORT_WORD, _PASSPORT_NUMBER, _LICENSE_WORD)


def find_licenses(text: str) -> Iterator[Hit]:
    """0.8; 0.6 where other words stand between."""
    yield from _behind(text, LICENSE, _LICENSE_WORD, _LICENSE_NUMBER, _PASSPORT_WORD)


def _behind(
    text: str, entity: str, word: re.Pattern[str], number: re.Pattern[str], rival: re.Pattern[str]
) -> Iterator[Hit]:
    for match in _NUMBER_FIRST.finditer(text):
        if (match[2] is not None) == (entity == PASSPORT) and sum(map(str.isdigit, match[1])) >= 4:
            yield Hit(entity, 0.75, *match.span(1))
    seen = 0
    for cue in word.finditer(text):
        if cue.end() < seen:
            continue
        reach = text[cue.end() : cue.end() + _ENOUGH_REACH]
        first = ""
        for match in number.finditer(reach):
            value, between = match[0], reach[: match.start()]
            if first and len(value) != len(first):
                break  # a second number beside the first, as in `I typed 12 instead of 21`, looks like it
            digits = sum(sign.isdigit() for sign in value)
            if (digits < 4 and len(value) < 8) or digits < 3 or _IS_DATE.fullmatch(value):
                continue
            if rival.search(between) or re.search(r"[.!?]\s+[A-Z]|\n\n", between):
                break
            start = cue.end() + match.start()
            yield Hit(entity, 0.85 if len(between) < 24 else 0.65, start, start + len(value))
            seen, first = start + len(value), value
