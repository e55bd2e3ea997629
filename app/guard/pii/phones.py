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
_PHONE = re.compile(
    rf"(?<![A-Za-z0-9_.#$€£%/=&@+-])(?<!\d[ /:,-])(?<!\w:)(?:tel:|\()?(?:(?:\+|\(\+){_BLANK}?)?\(?\d(?:{_BETWEEN}\d){{5,17}}"
    rf"(?:{_BLANK}?(?:,{_BLANK}?)?(?:x|ext\.?|extn\.?|extension|durchwahl|dw|poste|#){_BLANK}?\.?:?{_BLANK}?\d{{1,6}})?"
    r"(?![A-Za-z0-9_%€$£°@]|[.]\d|,\d{3}(?!\d)|-\w|/\d|:\w)",
    re.IGNORECASE,
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
_NANP = re.compile(r"\(?[2-9]\d\d\)?[ .\-\u2010-\u2015/]{1,2}[2-9]\d\d[ .\-\u2010-\u2015][0-9]{4}")
_LOCAL = re.compile(r"[2-9]\d\d[-.]\d{4}")
_TRUNK = re.compile(r"\(?0\d{1,4}\)?(?:[ ./\-\u2010-\u2015]+\d{1,8}){1,5}")
_PAIRS = re.compile(r"\d{2,3}(?:[ .-]\d{2,3}){3,4}|\d{3}[ .-]\d{3}[ .-]\d{3}|\d{3,5}[ -]\d{3,4}[ -]?\d{2,4}")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_UNIX_TIME = re.compile(r"1[4-9]\d{8}(?:\d{3})?")


def find_phones(text: str) -> Iterator[Hit]:
    """From 0.9 (international, valid) down to 0.55 (a usual notation of some country); 0.7 for anything of the right
    length that is called a phone number."""
    for match in _PHONE.finditer(text):
        start, end = match.span()
        if text[start : start + 4].lower() == "tel:":
            start += 4
            start += len(text[start:end]) - len(text[start:end].lstrip())
        end = _balanced(text, start, end)
        if text[start] == "(" and ")" not in text[start:end]:
            start += 1
        value = text[start:end]
        score = _score(text, value, start, end)
        if score:
            yield Hit(ENTITY, score, start, end)


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
