"""The console page keeps to `default-src 'self'`, and gives a server's text no way to become markup.

The page is read as files: no browser and no server. Each rule is a function from source text to the
list of what breaks it, and each is first shown to catch a sample of what it forbids.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "app" / "console"
PAGE, STYLE, SCRIPT = (CONSOLE / name for name in ("index.html", "console.css", "console.js"))

LOADING_ATTRIBUTES = {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "formaction"}
FORBIDDEN_TAGS = {"style", "base", "iframe", "frame", "object", "embed", "audio", "video", "img"}
# Ways to turn a string into markup or code. textContent and append() of nodes are the ways that stay.
MARKUP_SINKS = (
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTML\w*|parseHTML\w*|srcdoc|DOMParser|"
    r"createContextualFragment|document\.write\w*|\beval\b|\bFunction\b|\bimport\s*\(|"
    r"set(?:Timeout|Interval)\(\s*[\"'`]|setAttribute\w*\(\s*[\"'`](?:on|style|src|href)"
)
OTHER_STORES = r"localStorage|indexedDB|document\.cookie|cookieStore|\bcaches\b"


class Elements(HTMLParser):
    """Start tags with their attributes, and the text inside <script>."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.script_text = ""
        self._in_script = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.script_text += data.strip()


def foreign_loads(html: str) -> list[str]:
    """Attribute values that load something other than a file of this folder or a place on the page."""
    found = []
    for tag, attributes in Elements(html).tags:
        for name in LOADING_ATTRIBUTES & attributes.keys():
            value = attributes[name]
            own_file = re.fullmatch(r"[\w-]+\.(?:css|js)", value) and (CONSOLE / value).is_file()
            if not (own_file or re.fullmatch(r"#[\w-]+", value)):
                found.append(f"<{tag} {name}={value!r}>")
    return found


def inline_code(html: str) -> list[str]:
    """What a CSP without 'unsafe-inline' would block: styles, scripts, handlers; and foreign content."""
    elements = Elements(html)
    found = [f"<{tag}>" for tag, _ in elements.tags if tag in FORBIDDEN_TAGS]
    if elements.script_text:
        found.append("<script> with text")
    for tag, attributes in elements.tags:
        found += [f"<{tag} {name}>" for name in attributes if name == "style" or name.startswith("on")]
        if tag == "meta" and "http-equiv" in attributes:
            found.append("<meta http-equiv>")
    return found


def foreign_styles(css: str) -> list[str]:
    return re.findall(r"@import[^;]*|url\([^)]*\)|@font-face|image-set\(|https?:[^\s;)]*", css)


def foreign_addresses(script: str) -> list[str]:
    """Absolute and protocol-relative addresses in strings, and imports: the page asks its origin only."""
    return re.findall(r"[\"'`](?:https?:|wss?:)?//[^\"'`]*|\bimport\b(?!\.meta)[^;]*", script)


@pytest.mark.parametrize(
    "sample",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<link rel="icon" href="data:,">',
        '<a href="javascript:alert(1)">x</a>',
        '<script src="missing.js"></script>',
        '<use xlink:href="https://example.com/sprite.svg#a"/>',
    ],
)
def test_the_rule_against_foreign_loads_catches(sample: str) -> None:
    assert foreign_loads(sample)


@pytest.mark.parametrize(
    "sample",
    [
        "<script>go()</script>",
        "<style>p {}</style>",
        '<p style="color: red">x</p>',
        '<button onclick="go()">x</button>',
        '<iframe srcdoc="x"></iframe>',
        '<meta http-equiv="refresh" content="0; url=//example.com">',
        '<template><p onfocus="go()"></p></template>',
    ],
)
def test_the_rule_against_inline_code_catches(sample: str) -> None:
    assert inline_code(sample)


@pytest.mark.parametrize(
    "sample",
    [
        "node.innerHTML = text",
        "node.insertAdjacentHTML('beforeend', text)",
        "document.write(text)",
        "setTimeout('go()', 1)",
        "new Function(text)",
        "node.setAttribute('onclick', text)",
        "node.setHTMLUnsafe(text)",
    ],
)
def test_the_rule_against_markup_sinks_catches(sample: str) -> None:
    assert re.search(MARKUP_SINKS, sample)


@pytest.mark.parametrize("sample", ['fetch("https://example.com")', "fetch(`//example.com`)", 'import x from "./x.js"'])
def test_the_rule_against_foreign_addresses_catches(sample: str) -> None:
    assert foreign_addresses(sample)


@pytest.mark.parametrize("sample", ['@import "x.css";', "a { background: url(x.png) }", "@font-face {}"])
def test_the_rule_against_foreign_styles_catches(sample: str) -> None:
    assert foreign_styles(sample)


def test_the_page_loads_its_own_files_only() -> None:
    html = PAGE.read_text("utf-8")
    assert foreign_loads(html) == []
    loaded = {value for _, attributes in Elements(html).tags for value in attributes.values()}
    assert {"console.css", "console.js"} <= loaded


def test_style_and_script_load_nothing_else() -> None:
    assert foreign_styles(STYLE.read_text("utf-8")) == []
    assert foreign_addresses(SCRIPT.read_text("utf-8")) == []


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert inline_code(PAGE.read_text("utf-8")) == []


def test_the_script_never_turns_text_into_markup_or_code() -> None:
    assert re.findall(MARKUP_SINKS, SCRIPT.read_text("utf-8")) == []


def test_the_key_is_kept_in_session_storage_only() -> None:
    script = SCRIPT.read_text("utf-8")
    assert re.findall(OTHER_STORES, script) == []
    assert re.findall(r"sessionStorage\.(\w+)\((\w+)", script) == [
        ("getItem", "KEY_SLOT"),
        ("setItem", "KEY_SLOT"),
    ]


def test_the_key_field_hides_its_text_and_is_never_submitted() -> None:
    """Without a name a field is not part of a form's data: no key in an address, script or no script."""
    tags = Elements(PAGE.read_text("utf-8")).tags
    (key,) = [attributes for tag, attributes in tags if tag == "input" and attributes.get("id") == "key"]
    assert key["type"] == "password"
    assert "name" not in key


def test_every_element_the_script_asks_for_is_on_the_page() -> None:
    tags = Elements(PAGE.read_text("utf-8")).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    script = SCRIPT.read_text("utf-8")
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"\bpage\.(\w+)", script)) <= set(ids)
    parts = {attributes["data-part"] for _, attributes in tags if "data-part" in attributes}
    assert set(re.findall(r"\bparts\.(\w+)", script)) <= parts | {"root"}


def test_every_field_has_a_label_and_every_button_a_type() -> None:
    tags = Elements(PAGE.read_text("utf-8")).tags
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    fields = {a.get("id") for tag, a in tags if tag in {"input", "select", "textarea"}}
    assert fields <= labelled
    assert all("type" in attributes for tag, attributes in tags if tag == "button")


def test_errors_and_status_are_announced() -> None:
    roles = {a.get("id"): a.get("role") for _, a in Elements(PAGE.read_text("utf-8")).tags}
    assert roles["error"] == "alert"
    assert roles["status"] == roles["announce"] == "status"


def test_questions_do_not_forbid_the_cache() -> None:
    """`cache: "no-store"` makes a browser send `cache-control: no-cache`, which the gateway obeys."""
    script = (CONSOLE / "console.js").read_text()
    api_call = script[script.index("fetch(new URL(path, API)") :].split(")", 2)
    assert "no-store" not in "".join(api_call[:2])
