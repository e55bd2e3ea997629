"""Two turns of a conversation at once may give one placeholder to two values: the later one's gets another number."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.memory.items import with_texts
from app.memory.types import NewItem


@dataclass(frozen=True, slots=True)
class Renaming:
    """`vault`: both, united. `names`: from a turn's placeholders to those that it has now."""

    vault: dict[str, str]
    names: Mapping[str, str]

    def of(self, items: Sequence[NewItem]) -> list[NewItem]:
        """The items with their placeholders' new names."""
        if not self.names:
            return list(items)
        return [replace(item, content=with_texts(item.content, self.text, self.text)) for item in items]

    @property
    def text(self) -> Callable[[str], str]:
        """Renames in a text, also where a model has lost a bracket. All at once: names may be exchanged."""
        names = {before.strip("<>"): after.strip("<>") for before, after in self.names.items()}
        either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        pattern = re.compile(f"(?<![A-Z0-9_])({either})(?![0-9])")
        return lambda text: pattern.sub(lambda found: names[found[1]], text)


def united(stored: Mapping[str, str], seen: Mapping[str, str], mine: Mapping[str, str]) -> Renaming:
    """The vault of a conversation, with what a turn adds to it.

    `stored`: as it is now; `seen`: as the turn found it; `mine`: the turn's own, which may hold what it had seen.
    """
    vault, names = dict(stored), dict[str, str]()
    by_value = {(_entity(name), value): name for name, value in stored.items()}
    for name, value in mine.items():
        if seen.get(name) == value or vault.get(name) == value:
            vault.setdefault(name, value)
            continue
        known = by_value.get((_entity(name), value))
        fresh = known or (name if name not in vault else _next(_entity(name), {**vault, **mine}))
        if fresh != name:
            names[name] = fresh
        vault[fresh] = value
        by_value[_entity(name), value] = fresh
    return Renaming(vault, names)


def _entity(name: str) -> str:
    return name.strip("<>").rpartition("_")[0]


def _next(entity: str, taken: Mapping[str, str]) -> str:
    numbers = (name.strip("<>").rpartition("_") for name in taken)
    highest = max((int(number) for of, _, number in numbers if of == entity and number.isdecimal()), default=0)
    return f"<{entity}_{highest + 1}>"
