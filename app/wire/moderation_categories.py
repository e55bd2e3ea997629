"""Hazards of safety models in OpenAI's moderation categories.

OpenAI's categories: the fields of `openai.types.Moderation`; what each means is in
https://platform.openai.com/docs/guides/moderation#content-classifications. The hazards': see `app.config.hazards`.

A hazard stands for a category only where the one's definition lies within the other's. So some have none (defamation,
elections), some categories have no hazard (harassment, which no code is about), and subcategories that a code does not
tell apart stay unset (self-harm/intent). Each hazard counts for the rail's own category, `sextant/<rail>`, in any case.
"""

from app.config.hazards import LLAMA_GUARD

OPENAI = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

_LLAMA_GUARD = {
    "S1": ("illicit", "illicit/violent", "violence"),  # enables or endorses violence against people or animals
    "S2": ("illicit",),
    "S3": ("illicit", "sexual"),  # trafficking, assault, prostitution
    "S4": ("sexual", "sexual/minors"),
    "S9": ("illicit", "illicit/violent"),  # "advice ... on the procurement of any weapon" is OpenAI's illicit/violent
    "S10": ("hate",),
    "S11": ("self-harm",),
    "S12": ("sexual",),
    "S14": ("illicit",),
}
_QWEN3_GUARD = {
    "Violent": ("illicit", "illicit/violent", "violence"),  # instructions for violence, and depictions of it
    "Non-violent Illegal Acts": ("illicit",),
    "Sexual Content or Sexual Acts": ("sexual",),
    "Suicide & Self-Harm": ("self-harm",),
}
# By the rule in a safety model's hits. A category of one's own that has a code of Llama Guard's has another name.
_BY_RULE = {f"{code} {LLAMA_GUARD[code]}": found for code, found in _LLAMA_GUARD.items()} | _QWEN3_GUARD


def openai_categories(rule: str) -> tuple[str, ...]:
    """The categories that a hit's rule stands for; none for most rules."""
    return _BY_RULE.get(rule, ())
