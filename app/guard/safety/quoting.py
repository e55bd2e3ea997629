"""Text in a safety model's prompt. It must not end its own turn, begin another, or write the verdict.

What could is broken up with a space or a bracket: the model still reads it, the tokenizer no longer finds its special
tokens in it. A change to these rules changes what the rail finds: raise `VERSION`.
"""

import re

VERSION = 1

# Of Llama 3 and 4, ChatML, DeepSeek (in full-width bars), Gemma, Llama 2 and Mistral.
_BARS = re.compile(r"<(?=[|\uff5c])|(?<=[|\uff5c])>")
_TAGS = re.compile(
    r"<(?=/?(?:s|unk|pad|bos|eos|mask|think|start_of_turn|end_of_turn|start_of_image|tool_call)>)|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
# <BEGIN CONVERSATION>, <END UNSAFE CONTENT CATEGORIES> and what looks like them. The bound keeps it linear.
_MARKERS = re.compile(r"<(?=[\s/]{0,20}(?:begin|end)\b)", re.IGNORECASE)
# A turn's label at the beginning of a line, for any of Unicode's line ends.
_ENDS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_LABELS = re.compile(
    rf"(?P<before>(?:\A|[{_ENDS}])(?:[^\S{_ENDS}]|[>*_#-]){{0,20}})"
    r"(?P<who>user|agent|assistant|human|system)(?P<gap>[ \t*_]{0,3})[:\uff1a]",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """The text as it may stand in a prompt. Lone surrogates, which no tokenizer takes, become question marks."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _BARS.sub(lambda match: "< " if match.group() == "<" else " >", text)
    text = _TAGS.sub(lambda match: match.group() + " ", text)
    text = _MARKERS.sub("(", text)
    return _LABELS.sub(r"\g<before>\g<who>\g<gap> -", text).strip()
