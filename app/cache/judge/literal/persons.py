"""Who does it to whom: the same words with subject and object exchanged."""

from app.cache.judge.literal.formed import ARTICLES, AUXILIARIES, Difference, Form
from app.cache.judge.literal.reasons import Reason

SUBJECTS, OBJECTS = frozenset(("i", "we")), frozenset(("me", "us"))
PERSONS = frozenset(
    """i me my mine you your yours he him his she her hers we us our ours they them their theirs it its myself
    yourself""".split()
)
PASSED_OVER = PERSONS | AUXILIARIES | ARTICLES
DO = frozenset("do does did".split())
# Verbs that have one participant before them and another behind.
VERBS = frozenset(
    """affect influence cause beat defeat eat love hate like sue hurt kill own follow replace support include contain
    prevent call hit attack marry lead owe buy sell pay lend tell teach train help control manage hire fire visit
    invade conquer invent discover create produce make need require trigger reduce increase raise lower drive change
    protect fight block allow use serve feed chase bite catch find see hear meet know trust blame report text email
    message contact divorce adopt raise inherit outrank outperform exceed cover carry generate damage destroy absorb
    attract repel orbit surround border precede imply extend implement inherit override depend subscribe talk speak
    listen write charge refund thank ask answer pass transfer""".split()
)
# Can I fly with my dog, can my dog fly with me.
JOINT = frozenset("travel fly live come go stay drive eat sleep ride move play dance swim walk cross sit".split())
LISTING = frozenset("and or versus plus with between".split())


def persons_differ(one: Form, other: Form, found: Difference) -> Reason:
    """ "direction" when the same words have exchanged their roles, or ""."""
    if found.one | found.other <= PASSED_OVER:
        if _speaker_exchanged(one, other) or _question_exchanged(one, other):
            return "direction"
        is_alike = one.first == other.first or {one.first, other.first} <= DO
        if is_alike and found.one | found.other <= AUXILIARIES and _sides_exchanged(one, other):
            return "direction"
    return ""


def _speaker_exchanged(one: Form, other: Form) -> bool:
    """Can I sue my employer, can my employer sue me."""
    for first, second in ((one, other), (other, one)):
        acts = first.bag & SUBJECTS and not first.bag & OBJECTS
        suffers = second.bag & OBJECTS and not second.bag & SUBJECTS
        if acts and suffers:
            return not ("with" in first.bag & second.bag and JOINT.intersection(first.lemmas, second.lemmas))
    return False


def _question_exchanged(one: Form, other: Form) -> bool:
    """Who beat Brazil, who did Brazil beat; what is longer than this, what is this longer than."""
    if (one.words[-1:] == ("than",)) != (other.words[-1:] == ("than",)):
        return True
    if one.first != other.first or one.first not in ("who", "what", "which", "whom"):
        return False
    for first, second in ((one, other), (other, one)):
        if len(first.words) < 3 or len(second.words) < 4 or second.words[1] not in DO:
            continue
        verb = first.lemmas[1]
        if first.words[1] not in AUXILIARIES and verb in second.lemmas[3:] and second.lemmas[2] != verb:
            before = set(second.lemmas[2 : second.lemmas.index(verb, 3)])
            if before & set(first.lemmas[2:]) - ARTICLES:
                return True
    return False


def _sides_exchanged(one: Form, other: Form) -> bool:
    """Does A affect B, does B affect A."""
    if "by" in one.bag | other.bag or one.bag & LISTING:
        return False
    return any(_exchanged_around(verb, one, other) for verb in VERBS.intersection(one.lemmas, other.lemmas))


def _exchanged_around(verb: str, one: Form, other: Form) -> bool:
    sides = []
    for form in (one, other):
        at = form.lemmas.index(verb)
        sides.append((set(form.lemmas[:at]) - PASSED_OVER, set(form.lemmas[at + 1 :]) - PASSED_OVER))
    (before, after), (then, behind) = sides
    return bool(before & behind) and bool(after & then) and not (before & then) - QUESTION_WORDS


QUESTION_WORDS = frozenset("how why when where who whom what which can could should would may might must".split())
