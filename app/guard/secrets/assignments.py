"""Secrets that only their name tells: `password: x`, `api_key = x`, `my password is x`."""

# ruff: noqa: E501, RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import math
import re
from collections import Counter
from collections.abc import Iterator

import re2

from app.guard.secrets.code import end_of_call, is_variable, literals
from app.guard.types import Hit

_NAME = (
    r"(?:pass(?:word|wd|phrase|code|wort)?|pwd|pw|psw|passwort|kennwort|contraseña|contrasena|senha|mot de passe|mdp|hasło|wachtwoord|пароль|密码|パスワード|"
    r"secret|client[_ -]?secret|app[_ -]?secret|secret[_ -]?(?:access[_ -]?)?key|access[_ -]?key|api[_ -]?key|apikey|api[_ -]?secret|api[_ -]?token|"
    r"auth[_ -]?(?:token|key)|access[_ -]?token|refresh[_ -]?token|session[_ -]?(?:token|key|id)|private[_ -]?key|encryption[_ -]?key|signing[_ -]?(?:key|secret)|"
    r"webhook[_ -]?secret|bot[_ -]?token|token|credentials?|account[_ -]?key|storage[_ -]?key|license[_ -]?key|master[_ -]?key|otp|2fa code|recovery code|"
    r"backup code|pin|pin code|cvv|cvc|security code|passkey|wifi|wi-fi|wlan)"
)
# `DB_PASSWORD=`, `"apiKey":`, `--password `, `password is `, `pw: `. The value ends at white space, or with its quote.
_ASSIGNED = re2.compile(
    rf"(?i)(?:^|[^\pL\pN])((?:[\pL\pN]+[_\-. ]|(?:PG|DB|MYSQL|REDIS|MONGO|SMTP|FTP|SSH|USER|ROOT|ADMIN|MY|APP))?{_NAME}(?:[_ ]?(?:code|key|value|hash|prod|dev|live|test))?\d?)['\"`*\])]{{0,3}}(?:\s{{0,2}}(?:\([^()\n]{{0,30}}\)\s?)?(?::=|=>|[:=：＝]{{1,2}}|->)\s{{0,2}}"
    r"|\s+(?:is|was|to|are|ist|lautet|est|es|é|è|jest|war|now|of)(?:\s+(?:now|still|set to|literally|just|actually|currently|always|probably|:))?:?\s{1,2})"
)
_VALUE = re.compile(r"\"([^\"\n]{3,200})\"|'([^'\n]{3,200})'|`([^`\n]{3,200})`|\*\*([^*\n]{3,200})\*\*|(\S{3,300})")
_FLAG = re2.compile(
    r"(?:^|\s)(?:--?(?:password|passwd|pass|token|secret|api-key|apikey|access-token|auth-token)[ =])['\"]?([^\s'\"]{4,300})|\s-u\s+['\"]?[^\s:'\"]{1,60}:([^\s'\"]{3,200})"
)
# Some words in a row, as wallets and pass phrases have them.
_PHRASE = re2.compile(
    r"(?i)\b(?:pass ?phrase|seed(?: phrase| words)?|recovery phrase|mnemonic|wallet phrase)\b[^\S\n]{0,2}(?:is|was|:|=|->)\s{1,2}['\"`]?((?:[a-z]{3,8}[ ,-]{1,2}){3,23}[a-z]{3,8})"
)
# set("password", "x"): arguments of a call; `mysql -px`.
_ARGUMENT = re2.compile(rf"(?i)['\"]([\w.]*{_NAME})['\"]\s?,\s?['\"]([^'\"\n]{{3,200}})['\"]\s?\)")
_MYSQL = re2.compile(r"\b(?:mysql|mysqldump|mariadb|sshpass|mysqladmin)\b[^\n|;]{0,80}\s-p\s?([^\s'\"|;]{4,100})")
_AWS_SECRET = re2.compile(r"(?:^|[^A-Za-z0-9/+=_\-])([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=_\-]|$)")
_LOGIN = re2.compile(
    r"(?i)(?:user(?:name)?|login|account|e-?mail)\s?[:=]?\s?\S{2,80}\s?(?:[,;/|]|and|with|&)\s{0,2}(?:the )?(?:pass(?:word|wd)?|pw|pwd)\s?(?:is|[:=])?\s{0,2}['\"`]?([^\s'\"`]{4,100})"
)

_PLACEHOLDER = re2.compile(
    r"(?i)^(?:[<{\[(%].*|\$.*|\*+.*|x{3,}.*|\.{3,}.*|•+.*|_+|-+|your[_\- ].*|my[_\-]?(?:secret|password|key|token|api)[\w\-]*|[\w\-]*(?:placeholder|redacted|changeme|change[_\-]me|goes[_\-]here|[_\-]here|example|xxxx|insert|dummy|todo|hidden|masked)[\w\-]*|"
    r"none|null|nil|undefined|true|false|required|optional|string|str|bytes|int|text|password|passwd|secret|token|key|env|env\..*|environ.*|os\..*|process\..*|import\.meta.*|getenv.*|get_.*\(.*|config\..*|settings\..*|self\..*|args\..*|"
    r"vault:.*|secrets?\..*|var\..*|data\..*|ref:.*|file:.*|/run/secrets.*|/etc/.*|arn:.*|https?://.*|input\(.*|getpass.*|new|old|field|reset|forgotten|wrong|incorrect|invalid|empty|blank|foo|bar|baz|abc|test)[.,;:!?)]*$"
)
_WORDS_OF_PROSE = re2.compile(
    r"(?i)^(?:at|must|should|is|was|the|a|an|for|to|in|on|with|and|or|not|no|my|your|his|her|their|our|this|that|it|of|be|been|can|cannot|can't|isn't|doesn't|expired?|managers?|stored|hashed|hashing|protected|policy|policies|based|only|too|very|weak|strong|same|different|correct|required|needed|never|always|please|here|below|above|what|how|why|when|which|who|if|from|by|because|so|but|sent|used|valid|invalid|working|broken|going|getting|being|still|now|ok|okay|fine|good|bad|usually|8|12|16|public|private|secure|safe|unsafe|long|short|missing|available|leaked|compromised|visible|shared|saved|changed|generated|rotated|revoked|encrypted|stolen|asking|asked|supposed|about|exactly|something|someone|everyone|one|like|just|known|part|all|any|as|there|where|also|already)[.,;:!?)]*$"
)

_TRAILING = ".,;:!?)]}\"'`"


def entropy(value: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def find_assigned(text: str) -> Iterator[Hit]:
    """Values of what is called a secret, unless they are placeholders, references, code or prose."""
    for match in _ASSIGNED.finditer(text):
        given = _VALUE.match(text, match.end())
        if given is None:
            continue
        name = match[1].lower()
        group = given.lastindex or 0
        start, end = given.span(group)
        bare = group == 5
        assigned = text[match.end(1) : start]
        said = not any(sign in assigned for sign in ":=>：＝")
        if bare:
            call = end_of_call(text, start, line=not said)
            if call:
                yield from _find_arguments(text, name, start, call)
                continue
            end = _end_of_bare(text, start, end)
            if not said and is_variable(text, assigned, start, end):
                continue
        score = _score(name, text[start:end], said, quoted=not bare)
        if score:
            yield Hit(_rule(name), score, start, end)
    for match in _PHRASE.finditer(text):
        yield Hit("PASSWORD", 0.75, *match.span(1))
    if "-p" in text or "--" in text or "-u" in text:
        for match in _FLAG.finditer(text):
            group = 1 if match[1] is not None else 2
            if _score("password", match[group], False, quoted=False):
                yield Hit("PASSWORD", 0.8, *match.span(group))
        for match in _MYSQL.finditer(text):
            if _score("password", match[1], False, quoted=False):
                yield Hit("PASSWORD", 0.8, *match.span(1))
    if ")" in text:
        for match in _ARGUMENT.finditer(text):
            score = _score(match[1].lower(), match[2], False, quoted=True)
            if score:
                yield Hit(_rule(match[1].lower()), score, *match.span(2))
    for match in _LOGIN.finditer(text):
        start, end = match.span(1)
        if end_of_call(text, start, line=True):
            continue
        end = _end_of_bare(text, start, end)
        if text[start - 1] in ":=" and is_variable(text, text[start - 1], start, end):
            continue
        if _score("password", text[start:end], True, quoted=False):
            yield Hit("PASSWORD", 0.75, start, end)
    if "ecret" in text or "aws" in text or "AWS" in text or "SECRET" in text or "AKIA" in text:
        for match in _AWS_SECRET.finditer(text):
            value = match[1]
            if (
                entropy(value) > 4.2
                and any(map(str.isdigit, value))
                and any(map(str.isupper, value))
                and any(map(str.islower, value))
            ):
                yield Hit("AWS_KEY", 0.85, *match.span(1))


def _find_arguments(text: str, name: str, start: int, end: int) -> Iterator[Hit]:
    """A secret that a call wraps: `SecretStr("...")`. What else its arguments are is code."""
    for first, last in literals(text, start, end):
        score = _score(name, text[first:last], False, quoted=True)
        if score >= 0.85:
            yield Hit(_rule(name), score, first, last)


def _end_of_bare(text: str, start: int, end: int) -> int:
    """Without the sentence's or the code's own signs behind it."""
    while end > start + 1 and text[end - 1] in _TRAILING:
        if text[end - 1] == "!" and any(map(str.isdigit, text[start:end])):
            break  # P@ssw0rd!
        end -= 1
    for sign in ('",', "',", "&", "</"):
        cut = text.find(sign, start, end)
        if cut > start:
            end = cut
    return end


def _rule(name: str) -> str:
    if any(
        part in name
        for part in (
            "pass",
            "pw",
            "kennwort",
            "contrase",
            "senha",
            "mot de",
            "mdp",
            "hasło",
            "wachtwoord",
            "пароль",
            "密码",
            "パスワード",
            "wifi",
            "wi-fi",
            "wlan",
        )
    ):
        return "PASSWORD"
    if any(part in name for part in ("pin", "otp", "cvv", "cvc", "code")):
        return "PIN"
    return "TOKEN" if "token" in name or "session" in name else "API_KEY"


def _score(name: str, value: str, said: bool, quoted: bool) -> float:
    """0.85 for what looks random, 0.6 for what only its name tells; 0 for what is none."""
    if len(value) < 3 or _PLACEHOLDER.match(value) or (len(set(value)) < 3 and not value.isdigit()):
        return 0.0
    kinds = sum(
        (
            any(map(str.islower, value)),
            any(map(str.isupper, value)),
            any(map(str.isdigit, value)),
            any(not sign.isalnum() and sign not in " .-_'" for sign in value),
        )
    )
    rule = _rule(name)
    if rule == "PIN":
        return 0.75 if value.isdigit() and 3 <= len(value) <= 8 and ("pin" not in name or len(value) >= 4) else 0.0
    if " " in value and (said or not quoted or value.count(" ") > 6):
        return 0.0
    if value.endswith("()") or value.endswith("(") or ("(" in value and ")" in value and "." in value):
        return 0.0
    if (kinds == 1 and value.isalpha() and value[0].islower()) or (value.isalpha() and value[1:].islower()):
        # One plain word: only a quoted or an assigned one is a password, and never one that a sentence goes on with.
        if _WORDS_OF_PROSE.match(value) or (said and not quoted):
            return 0.0
        return (
            0.6
            if rule == "PASSWORD" and len(value) >= 5
            else (0.55 if len(value) >= 16 and entropy(value) > 3 else 0.0)
        )
    if said and _WORDS_OF_PROSE.match(value):
        return 0.0
    if rule == "PASSWORD":
        if value.isdigit():
            return 0.65 if len(value) >= 4 else 0.0
        return (
            0.85
            if kinds >= 3 and len(value) >= 6
            else (0.7 if len(value) >= 5 and any(not sign.isalpha() and sign not in "'-," for sign in value) else 0.0)
        )
    if len(value) < 8 or (kinds < 2 and not value.isdigit()):
        return 0.0
    return (
        0.85
        if len(value) >= 16 and entropy(value) >= 3
        else (0.6 if entropy(value) >= 2.3 and any(map(str.isdigit, value)) else 0.0)
    )
