"""A bounded map: what was used last stays, by number and by weight."""

from app.recent import Recent


def kept(recent: Recent[str], texts: str) -> str:
    return "".join(text for text in texts if recent.get(text) is not None)


def test_the_least_recently_used_goes_first() -> None:
    recent: Recent[str] = Recent(2)
    for text in "ab":
        recent.put(text, text)
    recent.get("a")
    recent.put("c", "c")

    assert kept(recent, "abc") == "ac"


def test_all_values_together_weigh_no_more_than_they_may() -> None:
    recent: Recent[str] = Recent(100, weigh=len, most=10)
    for text, value in (("a", "1234"), ("b", "1234"), ("c", "12")):
        recent.put(text, value)
    assert kept(recent, "abc") == "abc"

    recent.put("d", "1")
    assert kept(recent, "abcd") == "bcd"
    recent.put("d", "1234")  # its own weight before does not count
    assert kept(recent, "bcd") == "bcd"
    recent.put("d", "12345")
    assert kept(recent, "bcd") == "cd"


def test_what_is_too_heavy_is_not_kept_and_takes_nobodys_place() -> None:
    recent: Recent[str] = Recent(100, weigh=len, most=10)
    recent.put("a", "1234")
    recent.put("b", "x" * 11)
    assert kept(recent, "ab") == "a"

    recent.put("a", "x" * 11)  # nor does what was known before stay
    assert kept(recent, "ab") == ""
    recent.put("c", "x" * 10)
    assert kept(recent, "c") == "c"
