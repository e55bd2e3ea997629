"""Spotlighting: text that comes from documents and tools is set apart, so that a model takes it for data.

After Hines et al. 2024, "Defending Against Indirect Prompt Injection Attacks With Spotlighting" (arXiv 2403.14720),
which describes delimiting, and datamarking: a sign between all words, which no text can shed by pretending to be over.
"""

import re
from typing import Literal

Style = Literal["off", "delimit", "datamark"]
MARK = "\u02c6"  # the paper's own, a circumflex that hardly any text holds
# What chat templates use: a tokenizer would read it as the end of a turn, wherever it stands.
_SPECIAL = re.compile(r"<(?=\|)|(?<=\|)>|\[(?=/?INST\])|<(?=/?(?:s|start_of_turn|end_of_turn|bos|eos)>)|<(?=<SYS>>)")
_SPACE = re.compile(r"\s+")


def spotlight(text: str, style: Style, tag: str) -> str:
    """`text` as data. `tag`: of the delimiters, which cannot be ended from inside.

    Signs of chat templates lose their meaning in every style but `off`.
    """
    if style == "off":
        return text
    text = _without_signs(text)
    if style == "datamark":
        return _SPACE.sub(MARK, text.replace(MARK, "^"))
    inside = re.sub(rf"<(?=\s*/?\s*{tag}\b)", "< ", text, flags=re.IGNORECASE)
    return f"<{tag}>\n{inside}\n</{tag}>"


def neutral(line: str, style: Style) -> str:
    """A line that stands outside the delimiters, such as a heading: it can neither end one nor begin another line."""
    if style == "off":
        return line
    return _SPACE.sub(" ", _without_signs(line)).replace("<", "< ")


def _without_signs(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"{found[0]} ", text)
