"""A provider's key: read once, from the environment or a file, and never shown."""

from collections.abc import Mapping
from pathlib import Path

from app.config.errors import ConfigError
from app.config.providers import ProviderConfig


class ProviderKey:
    """Holds a key. `reveal()` gives it; `repr`, `str`, a format and a pickle do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself: for the header that carries it, nothing else."""
        return self._value

    def masked(self, text: str) -> str:
        """The text without the key in it."""
        return text.replace(self._value, "***")

    def __repr__(self) -> str:
        return "ProviderKey(***)"

    def __reduce__(self) -> str:
        raise TypeError("a provider's key is not pickled: read it where it is used")


class KeyHeaders(dict[str, str]):
    """Headers, the key's among them: a traceback that shows variables shows the names only."""

    def __repr__(self) -> str:
        return f"KeyHeaders({', '.join(self)})"


def read_key(
    name: str, config: ProviderConfig, preset_variable: str | None, home: Path, environment: Mapping[str, str]
) -> ProviderKey | None:
    """The key of the provider `name`; None where it needs none.

    `api_key_file` goes before `api_key_env`, and both before the preset's own variable.
    Raises ConfigError with what to set when a key is asked for and there is none.
    """
    if config.api_key_file is not None:
        path = home / config.api_key_file
        try:
            value = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            problem = f"providers.{name}.api_key_file: {path} cannot be read ({type(error).__name__})"
            raise ConfigError([problem]) from None
        source = f"providers.{name}.api_key_file: {path} is empty; write the key into it"
    else:
        variable = config.api_key_env or preset_variable
        if variable is None:
            return None
        value = environment.get(variable, "").strip()
        source = f"providers.{name}: set {variable}, or providers.{name}.api_key_file to a file that holds the key"
    if not value:
        raise ConfigError([source])
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError([f"providers.{name}: the key holds characters that no header can carry"])
    return ProviderKey(value)
