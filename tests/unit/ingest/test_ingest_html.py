"""HTML: what buttons say, and tables in tables."""

import gc
import time

import pytest

from app.ingest.document import ParsedDocument
from app.ingest.parse import parse_bytes


def blocks(source: str) -> list[tuple[str, str]]:
    return [(block.heading, block.text) for block in parse_bytes(source.encode(), "a.html").blocks]


@pytest.mark.parametrize("button", ["<button>{}</button>", "<button><svg>x</svg><span>{}</span></button>"])
def test_the_questions_of_an_accordion_are_headings(button: str) -> None:
    dog, bike = (button.format(words) for words in ("Can I bring my dog?", "And my bike?"))
    source = f"<h2>{dog}</h2><div>Yes, on a leash.</div><h2>{bike}</h2><div>Not inside.</div>"
    assert blocks(source) == [("Can I bring my dog?", "Yes, on a leash."), ("And my bike?", "Not inside.")]


def test_a_button_that_is_a_summary_or_a_term_is_read() -> None:
    assert blocks("<details><summary><button>More</button></summary><p>Words.</p></details>") == [
        ("", "More"),
        ("", "Words."),
    ]
    assert blocks("<dl><dt><button>Dogs</button></dt><dd>On a leash.<button>Copy</button></dd></dl>") == [
        ("", "Dogs\nOn a leash.")
    ]


def test_other_buttons_are_no_words() -> None:
    assert blocks("<h2>Rules</h2><button>Print</button><p>Words.<button>Copy</button></p>") == [("Rules", "Words.")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("<tr><td>a</td><td>b</td></tr>\n<tr><td>c</td>\n</tr>", "a | b\nc"),
        ("<tr><td>a</td><td></td><td>b</td></tr>", "a | | b"),
        ("<tr><td>a</td><td><table><tr><td>x<td>y</tr><tr><td>z</tr></table></td><td>b</td></tr>", "a | x | y z | b"),
        ("<tr><td>a</td><td><table><tr></tr></table>b</td></tr>", "a | b"),
        ("<tr><td>a |</td></tr>", "a |"),
    ],
)
def test_cells_are_set_apart_and_nothing_stands_at_the_end_of_a_row(rows: str, expected: str) -> None:
    assert blocks(f"<table>{rows}</table>") == [("", expected)]


def timed(rows: int) -> tuple[ParsedDocument, float]:
    """A table inside a layout table, and the seconds of processor time that reading it took: without the garbage
    collector, which would walk through everything that the tests before this one have left."""
    table = "".join(f"<tr><td>name {at}</td><td>a few words on what it is</td></tr>" for at in range(rows))
    source = f"<table><tr><td><table>{table}</table></td></tr></table>".encode()
    gc.disable()
    try:
        began = time.process_time()
        return parse_bytes(source, "a.html"), time.process_time() - began
    finally:
        gc.enable()


def test_a_table_inside_a_layout_table_is_read_in_linear_time() -> None:
    _, small = timed(4_000)
    document, large = timed(40_000)
    # Quadratic work would take a hundred times as long.
    assert large < 30 * max(small, 0.05)
    assert document.text.count("a few words") == 40_000
