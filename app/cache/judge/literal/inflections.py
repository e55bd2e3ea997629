"""Differences that lemmas hide: degree, tense, participle, and plurals with a sense of their own."""

from app.cache.judge.literal.formed import AUXILIARIES, Difference, Form, base_of, is_past
from app.cache.judge.literal.reasons import Reason

GOOD = {"better": "more", "worse": "more", "best": "most", "worst": "most"}
# A good way to do it and the best one are the same question.
WAYS = frozenset(
    """way ways method methods approach practice practices option options place places time times strategy tool tools
    tip tips advice idea ideas recipe exercise exercises""".split()
)
SEEKING = frozenset("find get buy book recommend suggest choose pick".split())
CHOOSING = frozenset("or versus between".split())

OTHER_SENSE = {
    plural: singular
    for pair in """
    glass/glasses custom/customs good/goods damage/damages new/news manner/manners spectacle/spectacles wood/woods
    short/shorts brief/briefs odd/odds cloth/clothes moral/morals physic/physics economic/economics
    statistic/statistics ethic/ethics politic/politics graphic/graphics classic/classics athletic/athletics
    security/securities future/futures sweet/sweets provision/provisions remain/remains regard/regards term/terms
    right/rights rail/rails window/windows teen/teens electronic/electronics basic/basics saving/savings
    people/peoples mechanic/mechanics arctic/arctics logistic/logistics authority/authorities jean/jeans
    tropic/tropics acoustic/acoustics compass/compasses draught/draughts premise/premises quarter/quarters
    genetic/genetics dynamic/dynamics optic/optics earning/earnings due/dues asset/assets troop/troops
    """.split()
    for singular, plural in [pair.split("/")]
}  # fmt: skip
# Where the plural keeps its singular's sense, or is as often written without its s.
SAME_SENSE = frozenset("asset troop earning right term window authority quarter".split())
BEFORE_SAME = frozenset(("on",))  # on premise, on premises
AFTER_SAME = frozenset("of account accounts".split())  # a glass of, a savings account

STATES = frozenset("is are was were am".split())
PAST, NOW, COMING, DONE = "past", "now", "coming", "done"
TENSES = {
    "was": PAST, "were": PAST, "did": PAST, "had": PAST, "is": NOW, "are": NOW, "am": NOW, "do": NOW, "does": NOW,
    "will": COMING, "shall": COMING, "has": DONE, "have": DONE,
}  # fmt: skip
# "Why was my card declined" is asked as often of a card that is.
TIMELESS = frozenset("why if unless cause reason causes".split())
PERFORMING = frozenset("sing play write voice direct star cause".split())  # asked in either tense
MEASURED = (("tall",), ("high",), ("deep",), ("wide",))
BEING = (("is",), ("was",), ("are",), ("were",))
RELATIONS = frozenset("for of in on at to about with new wrong".split())
UNDER_WAY = frozenset("built shipped delivered repaired fixed processed reviewed approved published installed".split())


def inflection_differs(one: Form, other: Form, found: Difference) -> Reason:
    """The reason why two forms of the same words ask two things, or ""."""
    pair = found.inflected
    if pair:
        if _degrees_differ(one, other, pair):
            return "attribute"
        if _main_verbs_differ(one, other, pair):
            return "date"
    if len(found.changed) == 1 and found.one | found.other <= AUXILIARIES:
        if _plurals_differ(one, other, found.changed[0]):
            return "entity"
        if _participles_differ(*found.changed[0]):
            return "attribute"
    if found.one | found.other <= AUXILIARIES and _tenses_differ(one, other, found):
        return "date"
    return ""


def _degree(word: str) -> str:
    if word in GOOD:
        return GOOD[word]
    if base_of(word) == word:
        return ""  # employer
    return "most" if word.endswith("est") else "more" if word.endswith("er") else ""


def _degrees_differ(one: Form, other: Form, pair: tuple[str, str]) -> bool:
    degrees = [_degree(word) for word in pair]
    if degrees[0] == degrees[1] or (one.first != other.first):
        return False
    after = {form.after(word) for form, word in zip((one, other), pair, strict=True)}
    common = one.bag & other.bag
    is_open = not one.is_plain or "there" in common
    if is_open and (after & WAYS or (common & SEEKING and "which" not in common)):
        return False
    if "" not in degrees:
        return one.is_plain and not common & CHOOSING  # which of the two is better, or best
    if "more" in degrees:
        return one.is_plain
    return one.is_plain or one.first == "which" or ("good" not in pair and one.first == "what")


def _before(form: Form, word: str) -> str:
    at = form.words.index(word) - 1
    return form.words[at] if at >= 0 else ""


def _plurals_differ(one: Form, other: Form, pair: tuple[str, str]) -> bool:
    singular, plural = sorted(pair, key=len)
    if OTHER_SENSE.get(plural) != singular or singular in SAME_SENSE:
        return False
    sides = ((one, pair[0]), (other, pair[1]))
    return not any(form.after(word) in AFTER_SAME or _before(form, word) in BEFORE_SAME for form, word in sides)


def _participles_differ(first: str, second: str) -> bool:
    """Charged and charging, bored and boring."""
    return (first.endswith("ing") and is_past(second)) or (second.endswith("ing") and is_past(first))


def _main_verbs_differ(one: Form, other: Form, pair: tuple[str, str]) -> bool:
    """Who wins, who won: the verb of which the question word is the subject."""
    if is_past(pair[0]) == is_past(pair[1]) or any(word.endswith("ing") for word in pair):
        return False
    if one.first != other.first or one.bag & TIMELESS:
        return False
    if base_of(pair[0]) in PERFORMING:
        return False
    places = [form.words.index(word) for form, word in zip((one, other), pair, strict=True)]
    if one.first in ("who", "what"):
        return places == [1, 1]
    many = one.first == "how" and one.words[1:2] in (("many",), ("much",))
    return (one.first == "which" or many) and places[0] == places[1] == (3 if many else 2)


def _defines(form: Form) -> bool:
    """What was the Magna Carta: what is long past is asked for in either tense."""
    if form.first == "how" and form.words[1:2] in MEASURED:
        return True
    if len(form.words) > 5 or form.words[1:2] not in BEING or form.bag & RELATIONS:
        return False
    return form.first == "what" or (form.first == "who" and form.words[2:3] != ("the",))


def _is_done(one: Form, other: Form, found: Difference) -> bool:
    """Was my order delivered, is my order delivered: what is done now was done."""
    if not (one.is_plain and other.is_plain) or found.changed or not found.one | found.other <= STATES:
        return False
    return any(is_past(word) for word in one.bag - AUXILIARIES)


def _tenses_differ(one: Form, other: Form, found: Difference) -> bool:
    if (one.bag | other.bag) & TIMELESS or (_defines(one) and _defines(other)):
        return False
    tenses = [{TENSES[word] for word in form.bag if word in TENSES} for form in (one, other)]
    for mine, others, at in ((0, 1, 0), (1, 0, 1)):
        was = PAST in tenses[mine] and not tenses[mine] & {NOW, COMING}
        if was and _is_done(one, other, found) and COMING not in tenses[others]:
            continue
        if was and PAST not in tenses[others] and tenses[others] & {NOW, COMING}:
            return True
        # Who won, who will win.
        verb = len(found.changed) == 1 and is_past(found.changed[0][at]) and not is_past(found.changed[0][1 - at])
        if verb and not tenses[mine] and COMING in tenses[others]:
            return True
        if {one.first, other.first} & {"have", "has"} and {one.first, other.first} & {"will", "shall"}:
            return True
    started = found.one ^ found.other == {"being"} and one.is_plain and not found.changed
    return started and bool(one.bag & UNDER_WAY)
