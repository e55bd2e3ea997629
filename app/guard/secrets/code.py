"""Code where a secret could stand: calls, attributes and variables are names of values, and no values."""

# ruff: noqa: E501 - lists of words read best on one line

import re

_NAME = r"[A-Za-z_$][\w$]*"
_PATH = re.compile(rf"(?:(?:await|new|yield) )?{_NAME}(?:(?:\.|\?\.|::|->){_NAME})*", re.ASCII)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LITERAL = re.compile(r"\"([^\"\n]{6,200})\"|'([^'\n]{6,200})'")
_ALGORITHM = re.compile(r"(?i)sha-?\d|md5|pbkdf2|argon2|[hrep]s(?:256|384|512)|aes|utf-?8|base64")
_DATED = re.compile(r"[A-Z][a-z]+\(\d+\)")  # Winter(2024) is a password sooner than a call
# Of an argument list, whatever it is a list of, no more is read: a call may go on for pages.
_MOST = 300
_OPENING, _CLOSING = "([{", ")]}"
# What may stand behind a call; a word or `!` would be a part of a password.
_BEHIND = " \t\r\n;,.)]}?:|\"'`"
# Words in the names that programs give to secrets and to what holds them.
_NAMES = frozenset(
    "pass password passwd passphrase passcode pwd pw secret secrets token tokens key keys hash hashed digest credential credentials auth otp jwt "
    "bearer cookie cookies session salt user account client request req response res form data body params args input raw plain value field "
    "config settings options props state ctx context payload event env self this new old current default random generated encrypted".split()
)


def end_of_call(text: str, start: int, line: bool) -> int:
    """Where the call or the subscript that begins there ends, or stops being read; 0 when none does.

    In a `line` of code it may hold blanks, in a sentence it ends with its word.
    """
    path = _PATH.match(text, start, start + _MOST)
    if path is None or text[path.end() : path.end() + 1] not in ("(", "["):
        return 0
    end, is_whole = _arguments(text, path.end(), line)
    # What looks like a name is a call though its end is not there yet; `kX9(mP2$` is a password, and so is `kX(9m)`.
    is_name = not any(map(str.isdigit, path[0])) and re.search(r"[a-z][._:>]+\w", path[0]) is not None
    if is_name:
        return end if is_whole or line else 0
    is_word = path[0].islower() or path[0].isupper() or re.search(r"[a-z]{3}", path[0]) is not None
    return end if is_whole and line and is_word and not _DATED.match(text, start) else 0


def _arguments(text: str, start: int, line: bool) -> tuple[int, bool]:
    """Where what opens there ends, and whether it does so as code does: closed, or with more lines to come."""
    depth, place = 0, start
    for place in range(start, min(len(text), start + _MOST)):
        sign = text[place]
        if sign == "\n" or (not line and sign.isspace()):
            return place, sign == "\n" and text[start:place].rstrip().endswith((*_OPENING, ","))
        depth += (sign in _OPENING) - (sign in _CLOSING)
        if depth == 0:
            return place + 1, text[place + 1 : place + 2] in _BEHIND
    return place + 1, False


def literals(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the strings of a call's arguments lie that may be secrets, rather than names, paths or algorithms."""
    found = []
    for match in _LITERAL.finditer(text, start, end):
        value = match[match.lastindex or 0]
        digits = sum(map(str.isdigit, value))
        signs = any(not sign.isalnum() and sign not in "_-./: " for sign in value)
        if (digits > 1 or (digits and signs)) and value[0] != "/" and not _ALGORITHM.search(value):
            found.append(match.span(match.lastindex or 0))
    return found


def is_variable(text: str, assigned: str, start: int, end: int) -> bool:
    """Whether a bare value is a variable or an attribute: `user.password_hash`, `hashed_password`.

    `assigned` is what stands between the name and the value. A pass phrase may be written alike, so that either a word
    of the value must be one of programs, or the signs around it must be those of code.
    """
    value = text[start:end]
    if _PATH.fullmatch(value) is None:
        return False
    last = re.split(r"[.>:]", value)[-1]
    words = {word.lower() for word in _WORD.findall(value)}
    if any(map(str.isdigit, value)):
        # password1 is a field of many forms; elsewhere a digit speaks for a secret.
        return value != last and not any(map(str.isdigit, last.rstrip("0123456789"))) and _is_named(last)
    if len(words) < 2 and value == last:
        return False
    is_code = re.fullmatch(r"\s+:?=>?\s+", assigned) is not None or any(sign in assigned for sign in "'\"`")
    return (
        bool(words & _NAMES)
        or is_code
        or text[end : end + 1] == ";"
        or (assigned == "=" and text[end : end + 1] == ")")
    )


def _is_named(value: str) -> bool:
    return any(word.lower() in _NAMES for word in _WORD.findall(value))
