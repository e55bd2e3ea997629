"""Word documents, tables, records, source code, front matter: what is read, and what is refused."""

import io
import json
import zipfile
from collections.abc import Callable

import pytest

from app.ingest.chunk import chunk
from app.ingest.document import Limits, ParsedDocument, UnreadableDocument
from app.ingest.parse import parse_bytes
from app.ingest.records import parse_record, record_in
from app.ingest.split import TokenCounter

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}>
<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Sub"><w:name w:val="Sub"/><w:basedOn w:val="Zwei"/></w:style>
<w:style w:styleId="Zwei"><w:name w:val="x"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
</w:styles>"""
PROPERTIES = """<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Staff handbook</dc:title></cp:coreProperties>"""


def paragraph(text: str, style: str = "", *, listed: bool = False) -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    properties += "<w:numPr><w:numId w:val='1'/></w:numPr>" if listed else ""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, parts: dict[str, str] | None = None, prolog: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"{prolog}<w:document {W}><w:body>{body}</w:body></w:document>")
        for name, text in {"word/styles.xml": STYLES, "docProps/core.xml": PROPERTIES, **(parts or {})}.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.heading, block.text) for block in document.blocks]


def reason(data: bytes, name: str, limits: Limits | None = None) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        parse_bytes(data, name, limits or Limits())
    return caught.value.reason


def test_word_headings_lists_and_tables() -> None:
    row = "<w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>"
    table = f"<w:tbl>{row.format(paragraph('City'), paragraph('Year'))}"
    table += f"{row.format(paragraph('Bern'), paragraph('1191'))}</w:tbl>"
    deleted = "<w:p><w:r><w:t>kept </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    body = paragraph("Holidays", "berschrift1") + paragraph("Thirty days.") + paragraph("Parents", "Sub")
    body += paragraph("one", listed=True) + paragraph("two", listed=True) + table + deleted
    document = parse_bytes(docx(body), "a.docx")
    assert document.title == "Staff handbook"
    assert blocks(document) == [
        ("Holidays", "Thirty days."),
        ("Holidays > Parents", "- one\n- two"),
        ("Holidays > Parents", "City | Year\nBern | 1191"),
        ("Holidays > Parents", "kept"),
    ]


BOX = """<w:p><w:r><w:t>Before.</w:t></w:r><w:r>
<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
<mc:Choice Requires="wps"><w:txbxContent>{0}</w:txbxContent></mc:Choice>
<mc:Fallback><w:pict><w:txbxContent>{0}</w:txbxContent></w:pict></mc:Fallback>
</mc:AlternateContent></w:r><w:r><w:t>After.</w:t></w:r></w:p>"""


def test_a_text_box_is_read_once_and_its_paragraphs_have_lines_of_their_own() -> None:
    box = BOX.format(paragraph("One.") + paragraph("Two."))
    table = f"<w:tbl><w:tr><w:tc>{box}</w:tc><w:tc>{paragraph('Cell.')}</w:tc></w:tr></w:tbl>"
    assert blocks(parse_bytes(docx(box + table), "a.docx")) == [
        ("", "Before.\nOne.\nTwo.\nAfter."),
        ("", "Before. One. Two. After. | Cell."),
    ]


def test_a_word_document_that_is_none_or_broken_is_refused() -> None:
    whole = docx(paragraph("words " * 500))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "words")
    assert reason(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.docx").startswith("encrypted or old")
    assert reason(b"just words", "a.docx") == reason(other.getvalue(), "a.docx")
    assert reason(whole[:-40], "a.docx") == "truncated or damaged Word document"
    assert reason(whole[:90] + b"\0\0\0\0" + whole[94:], "a.docx").startswith(("damaged", "truncated"))
    assert reason(docx(""), "a.docx") == "no text in it"


def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(docx(paragraph("words")))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the archive's directory
    assert "encrypted" in reason(bytes(data), "a.docx")


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = docx(paragraph("x" * 5_000_000))
    assert len(bomb) < 20_000
    assert reason(bomb, "a.docx", Limits(max_unpacked_bytes=1_000_000)) == "unpacks to more than 1 MB"


def test_entities_are_neither_expanded_nor_fetched() -> None:
    prolog = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
    assert "document type" in reason(docx(paragraph("&b; &f;"), prolog=prolog), "a.docx")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", 'City,Founded\n"Bern, old",1191\n\nBasel,374\n'),
        ("a.csv", "City;Founded\nBern, old;1191\nBasel;374\n"),
        ("a.tsv", "City\tFounded\nBern, old\t1191\nBasel\t374\n"),
    ],
)
def test_each_row_of_a_table_says_its_columns(name: str, data: str) -> None:
    document = parse_bytes(data.encode(), name)
    assert [text for _, text in blocks(document)] == ["City: Bern, old; Founded: 1191", "City: Basel; Founded: 374"]


def test_a_table_without_a_header_has_numbered_columns() -> None:
    document = parse_bytes(b"Bern,1191\nBasel,374,Rhine\n", "a.csv")
    assert [text for _, text in blocks(document)] == [
        "column 1: Bern; column 2: 1191",
        "column 1: Basel; column 2: 374; column 3: Rhine",
    ]


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (",name,age\n0,Ann,30\n", ["column 1: 0; name: Ann; age: 30"]),  # as pandas writes it
        ("name,age,\nAnn,30,\nBob,40,x\n", ["name: Ann; age: 30", "name: Bob; age: 40; column 3: x"]),
        ("Country,2019,2020\nPeru,8.5,\n", ["Country: Peru; 2019: 8.5"]),
        ("Country,2020,2010\nPeru,8.5,1985\n", ["column 1: Country; column 2: 2020; column 3: 2010",
                                               "column 1: Peru; column 2: 8.5; column 3: 1985"]),
        ("Country,2020,Change\nPeru,8.5,2%\n", ["Country: Peru; 2020: 8.5; Change: 2%"]),
        ("Plan,1,2,3\nFree,10,20,30\n", ["Plan: Free; 1: 10; 2: 20; 3: 30"]),
        ("Ann,1990\nBob,1985\n", ["column 1: Ann; column 2: 1990", "column 1: Bob; column 2: 1985"]),
        ("2019,2020\n1,2\n", ["column 1: 2019; column 2: 2020", "column 1: 1; column 2: 2"]),
        ("Staff,,,\nAnn,30,Bern,x\n", ["column 1: Staff", "column 1: Ann; column 2: 30; column 3: Bern; column 4: x"]),
        (",name\n", ["name"]),
    ],
)  # fmt: skip
def test_a_header_may_have_blanks_and_numbers_that_name(table: str, rows: list[str]) -> None:
    assert [text for _, text in blocks(parse_bytes(table.encode(), "a.csv"))] == rows


def test_front_matter_gives_groups_and_metadata() -> None:
    source = (
        "---\ntitle: Plan\ngroups: [hr, board]\nyear: 2026\nday: 2026-11-29\nmetadata: {site: Bern, deep: [1]}\n---\nx"
    )
    document = parse_bytes(source.encode(), "a.md")
    assert (document.title, document.groups) == ("Plan", ("board", "hr"))
    assert document.metadata == {"year": 2026, "day": "2026-11-29", "site": "Bern"}


@pytest.mark.parametrize(
    "matter",
    [
        "groups: {hr: yes}",
        "groups: [1]",
        "groups: ['*']",
        "groups: ' , '",
        "groups: [hr\nx: 1",
        "groups: [hr]\n# no end",
    ],
)
def test_a_document_whose_groups_cannot_be_understood_is_refused(matter: str) -> None:
    end = "" if "no end" in matter else "\n---"
    assert "groups" in reason(f"---\n{matter}{end}\nSecret words.\n".encode(), "a.md")


def test_yaml_that_grows_is_not_expanded() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{one}: &{one} [{', '.join([f'*{other}'] * 9)}]" for other, one in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    source = "---\n" + "\n".join(lines) + "\ntitle: *i\n---\nWords.\n"
    assert parse_bytes(source.encode(), "plan.md").title == "plan"


def test_a_record_keeps_the_offsets_of_its_own_text(word_counter: TokenCounter) -> None:
    text = "\ufeff  # Top\n\nFirst\r\nlines.\t \n\n\x00## Sub\nSecond \u00e9\u4e2d paragraph.\n"
    record = {"id": "r1", "title": "T", "text": text, "groups": "hr, board", "year": 2026, "tags": ["a"]}
    document = parse_record(record_in(json.dumps(record).encode()), Limits())
    assert len(document.text) == len(text)
    for part in chunk(document, word_counter, name="r1", tenant="t", content_hash="h", max_tokens=64):
        assert document.text[part.start : part.end] == part.text
    found = document.blocks[-1]
    assert (found.heading, text[found.start + 7 : found.end]) == ("Top > Sub", "Second \u00e9\u4e2d paragraph.")
    assert (document.groups, document.metadata) == (("board", "hr"), {"year": 2026})


def test_lines_of_a_record_may_end_as_windows_ends_them() -> None:
    text = "First\r\nlines.\r\n\r\nSecond\r\nparagraph."
    document = parse_record({"text": text}, Limits())
    assert [block.text for block in document.blocks] == ["First \nlines.", "Second \nparagraph."]
    assert text[document.blocks[1].start :] == "Second\r\nparagraph."  # offsets are those of its own text


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, "a record without `text`"),
        ({"text": 5}, "its `text` is no text"),
        ({"text": " \n"}, "no text in it"),
        ({"text": "x", "metadata": []}, "its `metadata` is no object"),
        ({"text": "x", "groups": [["hr"]]}, "its groups are no list of names"),
    ],
)
def test_a_record_that_is_none_is_refused(record: dict[str, object], expected: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_record(record, Limits())
    assert caught.value.reason == expected


PYTHON = '''"""Says hello."""
import os

LIMIT = 3

@cache
def first(x):
    """def not_me():"""
    return x

ALONE = 1


class Small:
    def method(self):
        pass
'''
GO = "package a\n\n// Add adds.\nfunc (s *Server) Add(a int) int {\n\treturn a\n}\n\nvar x = 1\n\ntype T struct {\n}\n"
RUST = "use a;\n\n#[derive(Debug)]\npub struct A {\n    x: u8,\n}\n\npub(crate) async fn go(x: u8) -> u8 {\n    x\n}\n"
C = "#include <x.h>\n\nint foo_bar(int a,\n            char *b)\n{\n  if (a) return 1;\n}\n\nstruct s {\n int a;\n};\n"
SQL = "-- people\nCREATE TABLE IF NOT EXISTS app.users (\n  id int\n);\nselect 1;\n"


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.py", PYTHON, {"": "LIMIT", "first": "return x", "Small": "method"}),
        ("a.go", GO, {"": "var x", "Add": "// Add adds.", "T": "struct"}),
        ("a.rs", RUST, {"": "use a", "A": "#[derive", "go": "async"}),
        ("a.c", C, {"": "include", "foo_bar": "return 1", "s": "int a"}),
        ("a.sql", SQL, {"app.users": "-- people", "": "select 1"}),
        ("a.js", "const add = (a, b) => {\n  return a\n}\nrun()\n", {"add": "return a", "": "run()"}),
        ("a.rb", "class A\n  def x\n  end\nend\nputs 1\n", {"A": "def x", "": "puts"}),
        ("a.sh", "set -e\nfoo() {\n  echo 1\n}\nfoo\n", {"": "set -e", "foo": "echo"}),
        ("a.yaml", "a:\n  b: 1\nc: 2\n", {"": "b: 1"}),
    ],
)
def test_code_stands_under_the_name_of_its_definition(name: str, source: str, expected: dict[str, str]) -> None:
    document = parse_bytes(source.encode(), name)
    for heading, words in expected.items():
        assert any(words in block.text and block.heading == heading for block in document.blocks), (heading, words)
    assert "".join(document.text.split()) == "".join(source.split())


def test_python_code_after_a_function_is_not_the_functions() -> None:
    found = {text: heading for heading, text in blocks(parse_bytes(PYTHON.encode(), "a.py"))}
    assert found["ALONE = 1"] == ""


def test_long_classes_are_told_apart_by_their_methods() -> None:
    source = "class Long:\n" + "".join(f"    def m{at}(self):\n        return {at}\n\n" for at in range(30))
    headings = {block.heading for block in parse_bytes(source.encode(), "a.py").blocks}
    assert "Long > m7" in headings


def test_python_of_another_version_is_cut_by_the_general_rule() -> None:
    document = parse_bytes(b"print 'x'\n\ndef old():\n    print 'y'\n", "a.py")
    assert ("old", "def old():\n    print 'y'") in blocks(document)


def test_code_is_cut_between_lines_only(word_counter: TokenCounter) -> None:
    lines = [f"    value_{at} = compute(a, b)  # Done. Next one! Really? {at}" for at in range(200)]
    document = parse_bytes(("def f():\n" + "\n".join(lines)).encode(), "a.py")
    whole = {line.strip() for line in document.text.split("\n")}
    chunks = chunk(document, word_counter, name="a.py", tenant="t", content_hash="h", max_tokens=64)
    assert len(chunks) > 10
    assert all(line.strip() in whole for part in chunks for line in part.text.split("\n"))


def test_other_json_is_text_and_damaged_json_is_refused(make_pdf: Callable[..., bytes]) -> None:
    assert "name" in parse_bytes(b'{\n "name": "sextant"\n}\n', "package.json").text
    assert "rename it to .pdf" in reason(make_pdf("Words."), "a.json")
