"""The values that a rail returns."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One masked span, without its text: `text` is the index of the screened text it was in."""

    entity: str
    score: float
    text: int


@dataclass(frozen=True, slots=True)
class Screened:
    """Texts after the rail, and the vault that undoes the masking: placeholder -> value.

    The vault is personal data. It stays in the memory of the request that it belongs to.
    """

    texts: tuple[str, ...]
    vault: dict[str, str] = field(default_factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()
    failed_open: bool = False  # the rail failed, and its setting let the request go on

    @property
    def changed(self) -> bool:
        """Whether anything was masked."""
        return bool(self.vault)
