"""Phone numbers of all countries, in the notations that people use.

libphonenumber (the package `phonenumbers`) knows which numbers are valid in which country. A number without a country
code is one of many things, so that it counts by its notation, by what libphonenumber says of the countries where it
would be usual, and by the words around it.
"""

# ruff: noqa: E501, RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from collections.abc import Iterator

import phonenumbers
from phonenumbers import NumberParseException

from app.guard.pii.context import last_of, near
from app.guard.types import Hit

ENTITY = "PHONE_NUMBER"

# Whose national formats are looked up where only the notation speaks for a phone number.
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU", "NL", "BE", "PL", "SE", "CH", "AT", "IE", "PT", "JP",
           "ZA", "NG", "KE", "MX", "TR", "NZ")  # fmt: skip

_BLANK = r"[ \u00a0\u202f\u2009]"
_BETWEEN = rf"(?:{_BLANK}?[-./\u2010-\u2015()]{{1,2}}{_BLANK}?|{_BLANK}{{1,2}}|{_BLANK}?\(0\){_BLANK}?)?"
_SIGNS = rf"\d(?:{_BETWEEN}\d){{5,17}}"
_WITH_EXTENSION = (
    rf"(?:{_BLANK}?(?:,{_BLANK}?)?(?:x|ext\.?|extn\.?|extension|durchwahl|dw|poste|#){_BLANK}?\.?:?{_BLANK}?\d{{1,6}})?"
)
# Another number may stand behind a stroke, but no fraction, no date and no prefix of a network.
_ENDS = r"(?![A-Za-z0-9_%€$£°@]|[.]\d|,\d{3}(?!\d)|-\w|/(?!\(?\d(?:[-. ()]{0,2}\d){6})\d|:\w)"
_PHONE = re.compile(
    rf"(?<![A-Za-z0-9_.#$€£%/&@+-])(?<!\d[ /:,-])(?:tel:|\()?(?:(?:\+|\(\+){_BLANK}?)?\(?{_SIGNS}{_WITH_EXTENSION}{_ENDS}",
    re.IGNORECASE,
)
# In a list, a field or a URL, whatever stands before the plus.
_INTERNATIONAL = re.compile(rf"(?<![\w+])\+{_BLANK}?\(?{_SIGNS}{_ENDS}")
# A North American one beside another number: `room 5 415-555-0132`.
_BESIDE = re.compile(r"(?<=\d[ ,:/])(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}(?![\w%°@]|[-./]\w)")
# What stands before a number as its field's name: `phone:`, `?mobile=`, `"tel":`.
_FIELD = re.compile(
    r"(?:phone|mobile|whatsapp|telefon|(?<![a-z])(?:tel|cell|fax|sms|call|contact|handy|tél|fon|móvil|movil|celular))[\w-]{0,12}['\"]?[:=]$"
)
_EXTENSION = re.compile(r"\s?,?\s?(?:x|e|d|p|#)[^\d]*\d{1,6}$", re.IGNORECASE)

_PHONE_WORDS = re.compile(
    r"\b(?:phone|cell|tel|mobile|fax|call|contact|home|work|office|ph)\.? ?(?:#|no\.|nr\.|num\.)|(?<![a-z])(?:phone|phones|telephone|tel|tlf|tfn|mobile|mob|cell|cel|cels|cellphone|fono|fon|call(?:ed|s|ing)?|ring|rang|dial|fax|whatsapp|"
    r"whats ?app|signal|telegram|viber|wechat|imessage|sms|text(?:ed|ing)?(?: me| him| her| them| us)?|reach(?:ed|able)?|contact|hotline|helpline|landline|voicemail|"
    r"callback|handy|telefon|telefono|teléfono|móvil|movil|celular|telefone|telemóvel|téléphone|portable|numéro|rufnummer|"
    r"tél|telefoon|gsm|telefonnummer|mobil|handynummer|cellulare|komórka|puhelin|phone number|my number|your number|his number|her number|"
    r"number (?:is|was|to)|new number|nr|ph)(?![a-z])|^[hmwtfcp][:.] ?$|(?<=[ (,|\n])[hmwtfcp][:.] ?$|[☎📞📱]|电话|手机|電話|携帯|전화|연락처|тел|телефон|номер|هاتف|फ़ोन"
)
_OTHER_WORDS = re.compile(
    r"\b(?:order|orders|invoice|ticket|case|id|ids|tracking|parcel|shipment|package|serial|sku|part|model|isbn|issn|ean|upc|imei|"
    r"account|acct|routing|sort code|policy|claim|reference|ref|booking|reservation|confirmation|member|membership|customer (?:no|number|id)|employee|"
    r"version|build|commit|pid|port|year|years|page|pages|row|rows|line|lines|passport|licen[cs]e|ssn|social|vat|tax|ein|tin|"
    r"card|iban|bic|pin|code|zip|postcode|barcode|hash|timestamp|epoch|unix|transaction|txn|po|rfc|cve|doi|error|"
    r"coordinates?|lat|lon|latitude|longitude|price|total|amount|sum|usd|eur|gbp|population|meter|index|size|bytes|"
    r"flight|train|bus|room|patent|case number|docket|lot|batch|product|item|register|registration|nhs|mrn|student|issue|pr)\b"
    r"|[#№$€£]"
)
_DATE = re.compile(
    r"(?:\d{1,2}[./\-]\d{1,2}[./\-](?:19|20)?\d\d|(?:19|20)\d\d[./\-]\d{1,2}[./\-]\d{1,2})(?:[ T]\d{1,2}(?:[:.]?\d\d)*)?"
    r"|(?:19|20)\d\d ?[-–/] ?(?:19|20)\d\d|(?:19|20)\d{12}"
)
_NANP = re.compile(
    r"(?:1[.-]|1 ?(?=\(|\d{3}[.-]\d{3}[.-]))?\(?[2-9]\d\d\)?[ .\-\u2010-\u2015/]{1,2}[2-9]\d\d[ .\-\u2010-\u2015][0-9]{4}"
)
_LOCAL = re.compile(r"[2-9]\d\d[-.]\d{4}")
_TRUNK = re.compile(r"\(?0\d{1,4}\)?(?:[ ./\-\u2010-\u2015]+\d{1,8}){1,5}")
_PAIRS = re.compile(r"\d{2,3}(?:[ .-]\d{2,3}){3,4}|\d{3}[ .-]\d{3}[ .-]\d{3}|\d{3,5}[ -]\d{3,4}[ -]?\d{2,4}")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DIGIT = re.compile(r"\d")
_UNIX_TIME = re.compile(r"1[4-9]\d{8}(?:\d{3})?")


def find_phones(text: str) -> Iterator[Hit]:
    """From 0.9 (international, valid) down to 0.55 (a usual notation of some country); 0.7 for anything of the right
    length that is called a phone number."""
    end = 0
    for hit in sorted((*_find_usual(text), *_find_beside(text)), key=lambda hit: (hit.start, -hit.end)):
        if hit.start >= end:
            yield hit
            end = hit.end


def _find_usual(text: str) -> Iterator[Hit]:
    for match in _PHONE.finditer(text):
        start, end = match.span()
        if text[start : start + 4].lower() == "tel:":
            start += 4
            start += len(text[start:end]) - len(text[start:end].lstrip())
        elif _is_in_a_field(text, start) and not _FIELD.search(text[max(0, start - 32) : start].lower()):
            continue
        end = _balanced(text, start, end)
        if text[start] == "(" and ")" not in text[start:end]:
            start += 1
        score = _score(text, text[start:end], start, end)
        stroke = text.find("/", start, end)
        if not score and stroke > 0:  # two of them, taken for one
            end = stroke
            score = _score(text, text[start:end], start, end)
        while score:
            yield Hit(ENTITY, score, start, end)
            start, end = end + 1, end + 1 + end - start
            score = score if _is_alike(text, start, end) else 0.0


def _find_beside(text: str) -> Iterator[Hit]:
    """Numbers whose form is enough wherever they stand."""
    for match in _INTERNATIONAL.finditer(text):
        for value in (match[0], match[0].rpartition(" ")[0]):  # a count or a price may stand behind it
            if _is_valid(value, None) and not _IPV4.fullmatch(value[1:]):
                yield Hit(ENTITY, 0.9, match.start(), match.start() + len(value))
                break
    for match in _BESIDE.finditer(text):
        if _is_valid(match[0], "US"):
            yield Hit(ENTITY, 0.75, *match.span())


def _is_in_a_field(text: str, start: int) -> bool:
    """Whether a number is glued to what stands before it: `id=`, `token:`."""
    before = text[max(0, start - 2) : start]
    return before.endswith("=") or (before.endswith(":") and (before[0].isalnum() or before[0] == "_"))


def _is_alike(text: str, start: int, end: int) -> bool:
    """Whether a number stands there, directly behind another, that is written as that is."""
    if text[start - 1 : start] not in (" ", ",", "/", ":") or end > len(text) or text[end : end + 1].isalnum():
        return False
    length = end - start
    before = text[start - 1 - length : start - 1]
    return _DIGIT.sub("0", text[start:end]) == _DIGIT.sub("0", before) and _DIGIT.search(before) is not None


def _balanced(text: str, start: int, end: int) -> int:
    return (
        end + 1
        if text[start] == "(" and text[start + 1] == "+" and ")" not in text[start:end] and text[end : end + 1] == ")"
        else end
    )


def _score(text: str, value: str, start: int, end: int) -> float:
    core = _EXTENSION.sub("", value)
    digits = "".join(sign for sign in core if sign.isdigit())
    if not 6 <= len(digits) <= 15 or len(set(digits)) == 1 or _IPV4.fullmatch(core) or _DATE.fullmatch(core):
        return 0.0
    before, after = near(text, start, end)
    called = last_of(_PHONE_WORDS, before)
    other = last_of(_OTHER_WORDS, before)
    named = (called >= other and called >= 0) or (
        called < 0 and other < 0 and _PHONE_WORDS.search(after[:16]) is not None
    )
    if core.lstrip("(").startswith(("+", "00", "011")):
        if len(digits) < 8 or (other > called and other > len(before) - 12 and "+" not in core):
            return 0.0
        if _is_valid(core, None):
            return 0.9
        if core.lstrip("(").startswith("+") or named:
            return 0.75 if named else 0.65
    if other > called and other > len(before) - 25:
        return 0.0
    if named and len(digits) >= 7:
        return 0.8 if any(_is_valid(core, region) for region in REGIONS[:4]) else 0.7
    if named and called > len(before) - 16:
        return 0.6
    if len(core) != len(digits) or core[0] == "0":
        return _by_notation(core, digits)
    return 0.0


def _by_notation(core: str, digits: str) -> float:
    """What only its notation speaks for."""
    if _NANP.fullmatch(core):
        return 0.75
    if _TRUNK.fullmatch(core) and 9 <= len(digits) <= 12:
        return 0.65 if any(_is_valid(core, region) for region in REGIONS) else 0.45
    if core[0] == "(" and 7 <= len(digits) <= 12:
        return 0.55
    if len(core) == len(digits):  # nothing between its digits
        return 0.5 if len(digits) in (10, 11) and any(_is_valid(core, region) for region in REGIONS[1:8]) else 0.0
    if _PAIRS.fullmatch(core) and 8 <= len(digits) <= 11:
        return 0.55 if any(_is_valid(core, region) for region in REGIONS) else 0.0
    return 0.0


def _is_valid(value: str, region: str | None) -> bool:
    if region is None:
        value = value.replace("(0)", "").lstrip("(")
        value = "+" + re.sub(r"^(?:00|011)", "", value) if not value.startswith("+") else value
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(value, region))
    except NumberParseException:
        return False
