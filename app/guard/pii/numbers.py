"""Card numbers, IBANs and US social security numbers: told by their form, their check digits, and words near them."""

# ruff: noqa: E501 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from collections.abc import Iterator

from app.guard.pii.context import near
from app.guard.types import Hit

CARD, IBAN, SSN = "CREDIT_CARD", "IBAN_CODE", "US_SSN"

_CARD = re.compile(r"(?<![\w.+-])[2-6](?:[ .\-/_\n\u00a0\u2010-\u2015\u202f]{0,2}\d){11,18}(?![\w]|[.-]\d)", re.ASCII)
_DECIMAL = re.compile(r"(?<!\d)\d{1,6},$", re.ASCII)  # where a comma stands for the point
_CARD_WORDS = re.compile(
    r"\b(?:card|visa|master ?card|amex|american express|discover|maestro|diners|jcb|credit|debit|pan|kreditkarte|karte|tarjeta|carte|carta|cart[aã]o|cc|cvv|cvc)\b"
)
_NO_CARD = re.compile(
    r"\b(?:order|tracking|invoice|imei|isbn|ean|upc|serial|parcel|shipment|ticket|meter|account)\b[^.;\n]{0,24}$"
)

# ISO 13616 (registry 99): length by country.
IBAN_LENGTHS = {
    country: int(length)
    for country, length in (
        pair.split(":") for pair in
        "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27 "
        "DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28 "
        "IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 "
        "MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 "
        "SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30".split()
    )
}  # fmt: skip
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ .-]?\d{2}(?:[ .\-\u00a0\u202f]?[A-Za-z0-9]){11,30}")
_IBAN_WORDS = re.compile(r"\b(?:iban|account|konto|compte|cuenta|conto|conta|rekening|bank|transfer|wire|pay|sepa)")

_SSN = re.compile(r"(?<![\w.+/-])(\d{3})([ \-.\u2010-\u2015/]?)(\d{2})\2(\d{4})(?![\w]|[-.]\d)", re.ASCII)
_SSN_WORDS = re.compile(
    r"\b(?:ssn|ssns|soc(?:ial)?(?:\.| )?sec(?:urity)?|socsec|social|s\.s\.n|itin|tin|tax ?id|taxpayer)\b"
)


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def find_cards(text: str) -> Iterator[Hit]:
    """0.95 where the check digit holds and the issuer's range is one of cards; 0.55 for what is called a card without
    that: a slip of the finger hides no number."""
    last = 0  # where the last card ends
    for match in _CARD.finditer(text):
        start, end = match.start(), _end_of_card(match[0]) + match.start()
        value = text[start:end]
        digits = "".join(sign for sign in value if sign.isdigit())
        if len(digits) < 13:
            continue
        before, after = near(text, start, end)
        called = _CARD_WORDS.search(before) or _CARD_WORDS.search(after)
        if len(set(digits)) == 1:
            continue
        is_listed = text[start - 1 : start] in (",", "/") or re.match(r",\d", text[end : end + 2]) is not None
        if is_listed and not _is_field(text, start, end, bool(called) or 0 < last == start - 1):
            continue
        grouped = re.fullmatch(r"\d{4}(\D{1,2})\d{4}\1\d{4}\1\d{1,7}|\d{4}(\D{1,2})\d{6}\2\d{4,5}", value)
        if len(digits) >= 13 and luhn(digits) and _issued(digits):
            if value == digits and not called and _NO_CARD.search(before):
                yield Hit(CARD, 0.4, start, end)
            elif _even(value, bool(called)):
                last = end
                yield Hit(CARD, 0.95 if called or grouped else 0.85, start, end)
        elif (
            called
            and not is_listed
            and len(digits) in (15, 16)
            and (grouped or value == digits)
            and not _NO_CARD.search(before)
        ):
            yield Hit(CARD, 0.6, start, end)


def _is_field(text: str, start: int, end: int, is_told: bool) -> bool:
    """Whether a number beside a comma or a stroke is by itself, rather than decimals or a part of a path.

    `is_told`: a word or another card stands beside it.
    """
    if text[start - 1 : start] == "/":
        return is_told
    return is_told or text[end : end + 1] == "," or _DECIMAL.search(text, max(0, start - 8), start) is None


def _end_of_card(value: str) -> int:
    """Where the card number ends: an expiry date or a security code may follow it as further groups."""
    if value[-1].isdigit() and not value.isdigit():
        ends = [match.end() for match in re.finditer(r"\d+", value)]
        for end in reversed(ends[-4:]):
            digits = re.sub(r"\D", "", value[:end])
            if 13 <= len(digits) <= 19 and luhn(digits) and _issued(digits):
                return end
        for end in ends:  # no check digit holds: sixteen digits in fours are one all the same
            if end < len(value) and re.fullmatch(r"(?:\d{4}\D{1,2}){3}\d{4}", value[:end]):
                return end
    return len(value)


def _issued(digits: str) -> bool:
    """Whether an issuer has that range: ISO/IEC 7812 leaves 3 to 6 to cards, and Mastercard has 2221 to 2720."""
    if digits[0] == "2":
        return len(digits) == 16 and 2221 <= int(digits[:4]) <= 2720
    if digits[0] == "3":
        return digits[1] in "045678" and len(digits) in (14, 15, 16)
    return len(digits) in (13, 16, 18, 19) if digits[0] == "4" else len(digits) >= 15


def _even(value: str, is_called: bool) -> bool:
    """Whether groups are those of one number: several numbers in a row have groups of one, two or many sizes, or stand
    in lines of their own. What is called a card may be typed in pairs."""
    groups = [len(group) for group in re.split(r"\D+", value)]
    if len(groups) == 1:
        return True
    most = 10 if is_called else 6
    return min(groups) >= 2 and max(groups) <= 8 and len(groups) <= most and value.count("\n") <= 1


def find_ibans(text: str) -> Iterator[Hit]:
    """0.95 where country, length and check digits (ISO 7064, mod 97-10) hold; 0.6 without the check digits where it is
    called an account, or grouped by four."""
    at = 0
    while match := _IBAN.search(text, at):
        start = match.start()
        at = start + 2
        length = IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        end = _length_reached(text, start, match.end(), length)
        if end is None and "iban" in text[max(0, start - 24) : start].lower():
            # A sign too few: a slip of the finger.
            end = match.end()
            length = sum(sign.isalnum() for sign in match[0])
        if end is None or (end < len(text) and text[end].isalnum() and text[end - 1].isalnum() and text[end].isascii()):
            continue
        value = "".join(sign for sign in text[start:end] if sign.isalnum()).upper()
        if sum(sign.isdigit() for sign in value) < length // 3:
            continue
        if _mod97(value) == 1:
            yield Hit(IBAN, 0.95, start, end)
            at = end
        else:
            before, after = near(text, start, end)
            if not text[start + 2].isdigit() or not (value[:2] == text[start : start + 2] or "iban" in before):
                continue  # `no 12 3456 7890 1234` is none
            grouped = re.fullmatch(r"\w{4}(?:[ -]\w{4}){2,7}(?:[ -]\w{1,4})?", text[start:end])
            if not grouped and not _IBAN_WORDS.search(before) and "iban" not in after:
                continue
            yield Hit(IBAN, 0.6, start, end)


def _length_reached(text: str, start: int, end: int, length: int) -> int | None:
    """Where a value of that many signs ends."""
    signs = 0
    for place in range(start, end):
        signs += text[place].isalnum()
        if signs == length:
            return place + 1
    return None


def _mod97(value: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in value[4:] + value[:4])) % 97


def find_ssns(text: str) -> Iterator[Hit]:
    """0.85 with dashes, 0.55 with spaces or dots; digits alone, or what was never issued (000, 666, 900 to 999 in
    front), only where it is called so."""
    for match in _SSN.finditer(text):
        area, separator, group, serial = match.groups()
        before, after = near(text, *match.span(), before=64)
        called = _SSN_WORDS.search(before) or _SSN_WORDS.search(after)
        if before.endswith("#") and not _SSN_WORDS.search(before[-16:]):
            continue  # the number of an issue or an order
        if called:
            yield Hit(SSN, 0.9, *match.span())
        elif (
            separator
            and separator != "/"
            and area not in ("000", "666")
            and area < "900"
            and group != "00"
            and serial != "0000"
        ):
            yield Hit(SSN, 0.85 if separator not in " ." else 0.55, *match.span())
