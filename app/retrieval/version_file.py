"""The versions of an embedded store's tenants, in a file beside it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TenantVersion:
    """`number`: what readers see. `has_begun`: there may be points that not all readers see."""

    number: int = 0
    has_begun: bool = False


class VersionFile:
    """Versions by tenant; what is written is on disk when the call returns."""

    def __init__(self, path: Path, layout: Mapping[str, int]) -> None:
        """Read the file, where it is there. `layout` says how the store beside it is made.

        Raises RuntimeError when it cannot be read: it is written in one piece, so that is no crash's doing.
        """
        self._path = path
        self._layout = dict(layout)
        self._tenants: dict[str, TenantVersion] = {}
        self.fits = False  # whether the store beside it is made as `layout` says
        if not path.exists():
            return
        try:
            read = json.loads(path.read_text())
            self.fits = read["layout"] == self._layout
            tenants = {name: TenantVersion(int(number), bool(has_begun)) for name, number, has_begun in read["tenants"]}
        except (ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"{path} cannot be read; restore it, or remove its directory and ingest anew") from error
        if self.fits:
            self._tenants = tenants

    def __getitem__(self, tenant: str) -> TenantVersion:
        return self._tenants.get(tenant, TenantVersion())

    def tenants(self) -> list[str]:
        """Those that were ever set."""
        return list(self._tenants)

    def settle(self, tenants: Iterable[str]) -> None:
        """All points that these have are seen by all readers. Not written yet: on disk there may be others still."""
        for tenant in tenants:
            self._tenants[tenant] = TenantVersion(self[tenant].number)

    def write(self, changed: Mapping[str, TenantVersion] | None = None) -> None:
        """Change versions, and write the file anew: beside the old one, and then in its place."""
        tenants = {**self._tenants, **(changed or {})}
        rows = [[name, version.number, version.has_begun] for name, version in tenants.items()]
        new = self._path.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"layout": self._layout, "tenants": rows}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # the name, too
        finally:
            os.close(directory)
        self._tenants, self.fits = tenants, True
