"""Words that are spelled so that a filter does not know them: letters apart, digits for letters."""

import re

# Single letters with the same sign between them: "i g n o r e", "i.g.n.o.r.e", "i-g-n-o-r-e".
_APART = re.compile(r"(?<![^\W_])[^\W\d_](?:([ .\-_*|/+~^·•])\1{0,3}[^\W\d_]){3,}(?![^\W_])")
_LEET_WORD = re.compile(r"[A-Za-z0-9@$!|€£+]*[A-Za-z][A-Za-z0-9@$!|€£+]*")
_LEET = str.maketrans("0134578@$|€!£+9", "oleastbaslelltg"[:0] + "oieastbasieiltg")
_MARK = re.compile(r"[0134578@$|€£+]")
_NO_WORD = re.compile(r"^(?:[A-Za-z]+[0-9]*|[0-9]+[A-Za-z]{0,3}|[A-Z0-9]+|.*[!+|]|.{1,2})$")

# What a run of joined letters is cut into, the longest first.
_VOCABULARY = (
    "instructions instruction previous restrictions guidelines configuration developer assistant administrator "
    "forget ignore disregard override reveal print output repeat display system prompt message messages secret "
    "password rules rule above before prior earlier everything anything nothing user users tell show give write send "
    "with without from this that these those your you the and all any for not now new are was is to of in me my it on "
    "answer question document page mail email file close delete approve account forward customer reader summary say "
    "hide contact don't do be as an a ai bot agent model review reviewer ticket bug thread lock fixed code line look "
    "please must should will no never only instead task content data key keys admin access full safety filter policy "
    "change mark safe merge refund credit card number name address link visit site buy order pay payment money bank"
).split()
_CUT = re.compile("|".join(sorted(map(re.escape, _VOCABULARY), key=len, reverse=True)))


def join_letters(text: str) -> str:
    """The text with its letters joined where they stand apart; unchanged where they do not."""
    if _APART.search(text) is None:
        return text

    def joined(run: re.Match[str]) -> str:
        sign = run[1]
        words = re.split(re.escape(sign) + "{2,}", run[0])
        return " ".join(_segmented("".join(c for c in word if c.isalpha())) for word in words)

    return _APART.sub(joined, text)


def _segmented(word: str) -> str:
    if len(word) < 10 or word.lower() in _VOCABULARY:
        return word
    cut, covered = [], 0
    at = 0
    for match in _CUT.finditer(word.lower()):
        if match.start() > at:
            cut.append(word[at : match.start()])
        cut.append(match[0])
        covered += len(match[0])
        at = match.end()
    cut.append(word[at:])
    return " ".join(part for part in cut if part) if covered * 10 >= len(word) * 6 else word


# UUIDs, digests, tokens in hexadecimal. What is encoded in them is decoded elsewhere.
_ID = re.compile(
    r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{12,})\b",
    re.IGNORECASE,
)
_PLAIN_ID = "the number"


def without_ids(text: str) -> str:
    """The text with identifiers replaced by plain words of the same length. The classifier knows none of their pieces,
    and some of them look like anything."""
    return _ID.sub(lambda match: _PLAIN_ID.ljust(len(match[0])), text)


def fold_leet(text: str) -> str:
    """Letters for digits and signs inside of words ("1gn0re y0ur ru1es"); the text itself where it has fewer than two
    such words."""
    if _MARK.search(text) is None:
        return text
    found = 0

    def folded(word: re.Match[str]) -> str:
        nonlocal found
        if _MARK.search(word[0]) is None or _NO_WORD.match(word[0]):
            return word[0]
        found += 1
        return word[0].translate(_LEET)

    changed = _LEET_WORD.sub(folded, text)
    return changed if found > 1 else text
