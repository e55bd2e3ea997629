"""What a limit or a budget is about, as one word: `key:<id>`, `customer:<tenant>/<id>`, `tenant:<id>`,
`model:<tenant or *>/<name>`."""

import re
from dataclasses import dataclass

from app.accounts.types import Scope
from app.errors import InvalidRequest

ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
MODEL = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}"
EVERY_TENANT = "*"
# The key of Secrets.api_key and its tenant: they exist without a row in the database.
DEFAULT_KEY = DEFAULT_TENANT = "default"

_FORMS: dict[Scope, re.Pattern[str]] = {
    "key": re.compile(f"key:(?P<name>{ID})"),
    "customer": re.compile(f"customer:(?P<tenant>{ID})/(?P<name>{ID})"),
    "tenant": re.compile(f"tenant:(?P<name>{ID})"),
    "model": re.compile(rf"model:(?P<tenant>\*|{ID})/(?P<name>{MODEL})"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject, taken apart. `tenant` is None for a key and a tenant, `*` for a model of every tenant."""

    scope: Scope
    name: str
    tenant: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Subject":
        """Raises InvalidRequest."""
        for scope, form in _FORMS.items():
            match = form.fullmatch(text)
            if match:
                return cls(scope, match["name"], match.groupdict().get("tenant"))
        raise InvalidRequest(
            "'subject' must be key:<id>, customer:<tenant>/<id>, tenant:<id>, model:<tenant>/<name> or model:*/<name>.",
            param="subject",
        )

    def __str__(self) -> str:
        return f"{self.scope}:{self.tenant}/{self.name}" if self.tenant else f"{self.scope}:{self.name}"
