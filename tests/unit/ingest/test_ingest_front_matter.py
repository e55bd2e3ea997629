"""Front matter that is long, broken or without an end: groups in it are read, or the document is refused."""

import pytest

from app.ingest.document import UnclearGroups
from app.ingest.front_matter import MAX_LINES, split_front_matter

TOO_LONG = "its front matter has more than 1,000 lines"
UNREAD = "its front matter names groups and cannot be read"


def tags(count: int) -> str:
    return "tags:\n" + "".join(f"- tag {at}\n" for at in range(count))


def refusal(text: str) -> str:
    with pytest.raises(UnclearGroups) as caught:
        split_front_matter(text)
    return caught.value.reason


@pytest.mark.parametrize("count", [250, MAX_LINES - 2])
def test_groups_below_a_long_list_are_read(count: int) -> None:
    matter, body = split_front_matter(f"---\n{tags(count)}groups: [hr]\n---\nSalaries.\n")
    assert (matter.groups, body) == (("hr",), "Salaries.\n")


@pytest.mark.parametrize(
    "matter",
    [
        tags(MAX_LINES) + "groups: [hr]\n",
        tags(MAX_LINES),  # YAML has more ways to write a key than are looked for
        "\n# about\n" + tags(MAX_LINES),
        "{title: Pay, tags: [\n" + "x,\n" * MAX_LINES + "x], groups: [hr]}\n",
        "Prose above.\n" + "\n" * MAX_LINES + "groups: [hr]\n",
    ],
)
def test_front_matter_that_is_too_long_is_refused(matter: str) -> None:
    assert refusal(f"---\n{matter}---\nSalaries.\n") == TOO_LONG


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: Pay\n\ngroups: [hr]\n\n# Salaries\n\nWords.\n",
        "---\n\n# about\ngroups: [hr]\nWords.\n",
        "---\ntags:\n- a\n\nmetadata:\n  groups: [hr]\nWords.\n",
        "---\ntitle: a: b\n" + "x: 1\n" * 300 + "\ngroups: [hr]\n---\nWords.\n",
    ],
)
def test_groups_in_front_matter_that_is_broken_or_has_no_end_are_seen_below_blank_lines(text: str) -> None:
    assert refusal(text) == UNREAD


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA rule above prose.\n\nFront matter names them:\n\n```yaml\ngroups: [hr]\n```\n",
        "---\n\n" + "Prose, and more of it.\n\n" * MAX_LINES + "---\n\nBelow.\n",
        "---\ntitle, or what looks so\n\n# Top\n\nWords.\n",
    ],
)
def test_a_rule_above_text_stays_a_rule(text: str) -> None:
    matter, body = split_front_matter(text)
    assert (matter.groups, body) == ((), text)
