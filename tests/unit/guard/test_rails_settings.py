"""What is wrong in a policy is said when it is read, with what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from app.config.policy import InputRail
from app.config.policy_values import LANGUAGES

RAILS: TypeAdapter[Any] = TypeAdapter(InputRail)


@pytest.mark.parametrize(
    ("rail", "said"),
    [
        ({"rail": "regex", "patterns": {"a": "(?=x)"}}, "RE2 refuses the expression '(?=x)'"),
        ({"rail": "regex", "patterns": {"a": r"(x)\1"}}, "no back-references"),
        ({"rail": "regex", "patterns": {"a": "x{2000}"}}, "at most 1000 times"),
        ({"rail": "regex", "patterns": {"a": "x*"}}, "matches the empty text"),
        ({"rail": "regex", "patterns": {"a": "\ud800"}}, "valid string"),
        ({"rail": "regex", "patterns": {}}, "at least 1 item"),
        ({"rail": "language", "allow": ["english"]}, "write ISO 639-1 codes"),
        ({"rail": "language", "allow": []}, "at least 1 item"),
        ({"rail": "urls", "allow": ["https://example.com"]}, "without scheme"),
        ({"rail": "urls", "allow": ["example.com/docs"]}, "more than a host"),
        ({"rail": "urls", "allow": ["*.example.com"]}, "write example.com"),
        ({"rail": "urls", "allow": ["example.com:8080"]}, "without a port"),
        ({"rail": "urls", "allow": ["1.2.3.999"]}, "is no host"),
        ({"rail": "topics"}, "give topics to deny, or to allow"),
        ({"rail": "topics", "deny": {"off_topic": {"examples": ["some example"]}}}, "name the topic otherwise"),
        (
            {"rail": "topics", "deny": {"a": {"examples": ["some example"], "similarity": 1}}},
            "less than or equal to 0.95",
        ),
        ({"rail": "python", "hook": "module.function"}, "should match pattern"),
        ({"rail": "length", "max_characters": 0}, "greater than or equal to 1"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(rail: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RAILS.validate_python(rail)
    assert said in str(refused.value)


@pytest.mark.parametrize("host", ["example.com", "localhost", "10.0.0.1", "[::1]", "bücher.example", "a_b.example"])
def test_hosts_are_taken(host: str) -> None:
    assert RAILS.validate_python({"rail": "urls", "allow": [host]}).allow == (host,)


def test_the_examples_of_the_documentation_are_rails() -> None:
    page = (Path(__file__).parents[3] / "docs/guard-policy.md").read_text()
    examples = [one for block in re.findall(r"```yaml\n(.*?)```", page, re.S) for one in yaml.safe_load(block)]
    assert {RAILS.validate_python(one).rail for one in examples} == set(
        "regex length language urls topics python nemo guardrails_ai".split()
    )


def test_the_languages_are_those_of_the_model() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) - {"zxx"} == LANGUAGES
