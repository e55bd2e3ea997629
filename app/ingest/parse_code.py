"""Source code: its lines, under the names of the definitions that they belong to."""

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, clean

# A class of more lines than fit a passage or two is told apart by its methods.
_LONG_CLASS_LINES = 40

# Words that stand before a definition, and those that begin one. A rule for all languages with braces: what they have
# in common is that a top-level definition begins at the margin with a keyword, or ends its first line in "{" or "(".
_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|async|pub(?:\([\w:]+\))?|"
    r"unsafe|extern|inline|const|virtual|override|partial|open|data|declare|suspend)\s+)*"
)
_KEYWORDS = (
    r"(?:class|interface|struct|enum|trait|impl(?:<[^>]*>)?|union|record|object|namespace|module|mod|type|def|func|fn|fun|"
    r"function\*?|macro_rules!)"
)
_KEYWORD_DEFINITION = re.compile(rf"{_MODIFIERS}{_KEYWORDS}\s+(?:\([^)]*\)\s*)?(?P<name>[\w$.:<>~]+)")
_ARROW_FUNCTION = re.compile(
    rf"{_MODIFIERS}(?:let|var|const)?\s*(?P<name>[\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*(?::[^=]+)?=>)"
)
_C_FUNCTION = re.compile(
    r"(?!else\b|if\b|for\b|while\b|switch\b|return\b|do\b)[\w:<>,*&~\[\]\s]*?(?P<name>[\w:~]+)\s*\([^;]*$"
)
_SQL = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|unique\s+|materialized\s+)*"
    r"(?:table|view|index|function|procedure|trigger|type|schema)\s+(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"`]+)",
    re.IGNORECASE,
)
_SHELL = re.compile(r"(?:function\s+)?(?P<name>[\w:.-]+)\s*\(\)")
# Belongs to the definition below it: comments, decorators and attributes.
_LEADING = re.compile(r"\s*(?://|/\*|\*|#|--|@|\[)")

# The last line of a definition, at the margin.
_END = re.compile(r"[})\]]|end\b|[^;]*;\s*$")
# A longer one is no definition that somebody wrote, and the rules above take quadratic time.
_LONGEST_LINE = 200
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_C_LIKE = (_KEYWORD_DEFINITION, _ARROW_FUNCTION, _C_FUNCTION)
_PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx"), (_KEYWORD_DEFINITION, _ARROW_FUNCTION)),
    **dict.fromkeys((".go", ".rs", ".rb", ".kt", ".swift", ".scala", ".php", ".py", ".pyi"), (_KEYWORD_DEFINITION,)),
    **dict.fromkeys((".java", ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs"), _C_LIKE),
    **dict.fromkeys((".sh", ".bash"), (_SHELL,)),
    ".sql": (_SQL,),
    **dict.fromkeys((".yaml", ".yml", ".toml", ".ini", ".cfg"), ()),
}
CODE_SUFFIXES = tuple(_PATTERNS)


@dataclass(frozen=True, slots=True)
class _Definition:
    line: int  # the first that belongs to it, from 0
    level: int
    name: str  # "": what follows stands outside of the definitions before it


def read_code(data: bytes, builder: DocumentBuilder, limits: Limits, suffix: str) -> str:
    """Feed a block for each stretch between blank lines, under the name of its definition. It has no title of its own.

    Definitions are found in Python by its own parser, elsewhere by a rule that looks at lines without indentation.
    Configuration (YAML, TOML) has blocks and no headings.
    """
    lines = clean(decode(data)).split("\n")
    # Of two on one line the last counts: where one definition ends, the next begins.
    starts = {definition.line: definition for definition in _definitions(lines, suffix)}
    pending: list[str] = []
    for at, line in enumerate(lines):
        if at in starts:
            _flush(pending, builder)
            if starts[at].name:
                builder.heading(starts[at].level, starts[at].name)
            else:
                builder.end_headings(starts[at].level)
        # A blank line in the middle of a definition's body ends a block; the chunker packs blocks together again.
        if not line.strip():
            _flush(pending, builder)
        else:
            pending.append(line)
    _flush(pending, builder)
    return ""


def _flush(pending: list[str], builder: DocumentBuilder) -> None:
    builder.block("\n".join(pending), is_code=True)
    pending.clear()


def _definitions(lines: Sequence[str], suffix: str) -> list[_Definition]:
    if suffix in (".py", ".pyi"):
        try:
            return list(_python("\n".join(lines)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # of another version of the language, or a template
    return list(_by_rule(lines, _PATTERNS.get(suffix, ())))


def _python(source: str) -> Iterator[_Definition]:
    with warnings.catch_warnings(action="ignore"):  # of the source's own flaws
        body = ast.parse(source).body
    after_definition = False
    for node in body:
        if isinstance(node, _DEFINITIONS):
            yield _Definition(_first_line(node), 1, node.name)
        elif after_definition:
            yield _Definition(node.lineno - 1, 1, "")
        after_definition = isinstance(node, _DEFINITIONS)
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno > _LONG_CLASS_LINES:
            methods = (inner for inner in node.body if isinstance(inner, _DEFINITIONS))
            yield from (_Definition(_first_line(method), 2, method.name) for method in methods)


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1


def _by_rule(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> Iterator[_Definition]:
    last = -1  # line of the latest definition
    is_open = False
    for at, line in enumerate(lines):
        if not line or line[0].isspace() or len(line) > _LONGEST_LINE:
            continue
        found = next((match for pattern in patterns if (match := pattern.match(line))), None)
        if found is not None:
            begin = at
            while begin - 1 > last and _LEADING.match(lines[begin - 1]):
                begin -= 1
            last, is_open = at, True
            yield _Definition(begin, 1, found["name"].strip(':"`'))
        elif is_open and _END.match(line) and at + 1 < len(lines):
            last, is_open = at, False
            yield _Definition(at + 1, 1, "")
