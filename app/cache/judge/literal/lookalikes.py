"""Words that look like one another's typo and name two things: licensor and licensee, iPad and iPod."""

from app.cache.judge.alignment import edits
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.literal.formed import Difference, Form
from app.cache.judge.literal.reasons import Reason

SUFFIX_PAIRS = tuple(
    frozenset(pair.split("/"))
    for pair in """or/ee er/ee ate/ite ate/ide ite/ide ane/ene ane/yne ene/yne ol/al one/olone ic/ous in/ol ine/ide
    in/al ose/ase ase/in um/ide ium/ide""".split()
)
# Where the other suffix is a frequent misspelling: definate, infinate.
MISSPELT_STEMS = tuple("defin infin favor oppos compos exquis requis satell granit capit princip".split())
PREFIX_PAIRS = (("hyper", "hypo"), ("inter", "intra"), ("macro", "micro"), ("ante", "anti"), ("mono", "poly"))
ADDED = ("js", "db", "f", "s", "x")
# One thing under both names.
SAME_PRODUCT = frozenset("node react vue next express ember mongo cockroach three nuxt backbone d3".split())
NAMES = frozenset(
    """ipad ipod imac iphone hulu hula roku venmo zelle uber lyft etsy ebay github gitlab java javascript
    celexa celebrex zantac zyrtec lamictal lamisil hydroxyzine hydralazine clonidine clonazepam
    klonopin xanax zantac kotlin kindle nintendo wii switch siri alexa gmail hotmail slack skype zoom
    iran iraq mali malawi niger nigeria austria australia slovakia slovenia iceland ireland guinea guyana
    paraguay uruguay zambia gambia mauritius mauritania budapest bucharest dominica korea sudan sweden
    switzerland lithuania latvia libya lebanon jordan oman yemen chad cuba chile china jamaica panama""".split()
)


def lookalike_differs(one: Form, other: Form, found: Difference) -> Reason:
    """ "entity" when one word was exchanged for another that only looks alike."""
    pair = found.only or found.inflected
    if pair is None:
        return ""
    shorter, longer = sorted(pair, key=lambda word: (len(word), word))
    if found.inflected:
        return "entity" if _is_protocol(shorter, longer) else ""
    if _is_longer_name(shorter, longer):
        return "entity"
    if len(longer) > 32 or len(longer) - len(shorter) > 3 or longer[0] != shorter[0]:
        return ""
    if _is_suffix_pair(shorter, longer) or _is_prefix_pair(shorter, longer):
        return "entity"
    return "entity" if _are_names(one, other, pair) and edits(shorter, longer, 3) <= 3 else ""


def _stem(first: str, second: str) -> int:
    common = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        common += 1
    return common


def _is_suffix_pair(first: str, second: str) -> bool:
    stem = _stem(first, second)
    for at in range(stem, max(stem - 3, 2), -1):
        tails = frozenset((first[at:], second[at:]))
        if tails in SUFFIX_PAIRS:
            return not first.startswith(MISSPELT_STEMS)
    return False


def _is_prefix_pair(first: str, second: str) -> bool:
    return any(
        one.startswith(left) and other.startswith(right) and one[len(left) :] == other[len(right) :]
        for left, right in PREFIX_PAIRS
        for one, other in ((first, second), (second, first))
    )


def _is_protocol(shorter: str, longer: str) -> bool:
    """HTTP and HTTPS, FTP and SFTP: this s is no plural."""
    is_known = shorter.endswith("tp") or shorter in ("ldap", "imap", "ws")
    return is_known and longer in (f"{shorter}s", f"s{shorter}")


def _is_longer_name(shorter: str, longer: str) -> bool:
    if _is_protocol(shorter, longer):
        return True
    added = longer.removeprefix(shorter)
    if added not in ADDED[:3] or added == longer or shorter in SAME_PRODUCT:
        return False
    return len(shorter) > 3 and load_lexicon().knows(shorter)


def _are_names(one: Form, other: Form, pair: tuple[str, str]) -> bool:
    """Both are known, so that neither is a typo, and both are names."""
    if pair[0] in NAMES and pair[1] in NAMES:
        return True
    if pair[0] not in one.capitals or pair[1] not in other.capitals:
        return False
    lexicon = load_lexicon()
    if not all(word in lexicon.senses or word in NAMES for word in pair):
        return False
    return not (lexicon.are_synonyms(*pair) or lexicon.are_derived(*pair))
