"""Links: only to hosts that are listed."""

from collections.abc import Iterator, Sequence

from app.config.policy import UrlSettings
from app.guard.policy_rails.authority import suffixes
from app.guard.policy_rails.links import links
from app.guard.policy_rails.spans import bounded, version_of
from app.guard.policy_rails.views import View, plain
from app.guard.types import Hit
from app.hosts import canonical, is_within


class UrlRail:
    """Finds links in the text as it is, and in `views.plain` of it, since readers differ on what invisible characters
    and wide full stops do to a host. A link passes when every host that a reader may take it to is listed."""

    def __init__(self, settings: UrlSettings) -> None:
        self._allowed = frozenset(canonical(host) for host in settings.allow)
        suffixes()  # read now, not at the first request
        self.version = version_of(settings, 1)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule `url`; score: how surely it is a link (see `links`). Those in others are left out."""
        return [bounded(_outermost(self._in(text)), len(text)) for text in texts]

    def _in(self, text: str) -> Iterator[Hit]:
        view = plain(text)
        for each in (View(text), view) if view.changed else (view,):
            for link in links(each.text):
                if not all(host and is_within(host, self._allowed) for host in link.hosts):
                    yield Hit("url", link.sure, *each.span(link.start, link.end))


def _outermost(hits: Iterator[Hit]) -> Iterator[Hit]:
    """In reading order, without those that lie in one that is as sure."""
    last: Hit | None = None
    for hit in sorted(hits, key=lambda h: (h.start, -h.end, -h.score)):
        if last and hit.end <= last.end and hit.score <= last.score:
            continue
        if last is None or hit.end > last.end or hit.score > last.score:
            last = hit
        yield hit
