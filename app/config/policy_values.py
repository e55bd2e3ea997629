"""Values of a policy that can be wrong in more ways than a pattern of pydantic's can say."""

import logging
from typing import Annotated

from pydantic import AfterValidator, Field

from app.hosts import canonical, is_address

# What py3langid 0.4 tells apart; a test holds the two against each other. Its model takes 0.4 s to load, which a
# process that only reads the configuration need not spend. `zxx` is "no language".
LANGUAGES = frozenset(
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv "
    "fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la "
    "lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se "
    "si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu".split()
)


def _expression(pattern: str) -> str:
    try:
        import re2
    except ImportError:
        logging.getLogger(__name__).debug("google-re2 is not installed: expressions are checked when they are used")
        return pattern
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(
            f"RE2 refuses the expression {pattern!r}: {said}; it has no look-around and no back-references, and "
            "repeats at most 1000 times (github.com/google/re2/wiki/Syntax)"
        ) from None
    if compiled.search(""):
        raise ValueError(
            f"the expression {pattern!r} matches the empty text, so it is in every text; make it match more"
        )
    return pattern


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"{code!r} is no language that is told apart here; write ISO 639-1 codes, such as en, de, zh")
    return code


def _host(host: str) -> str:
    if "://" in host or "/" in host or "@" in host:
        raise ValueError(f"{host!r} is more than a host; write example.com, without scheme, user or path")
    if host.startswith(("*.", ".")):
        raise ValueError(f"write {host.lstrip('*.')} for {host}: what is below a host is allowed with it")
    try:
        name = canonical(host)
    except ValueError:
        raise ValueError(
            f"{host!r} is no host; write a domain (example.com) or an address (10.0.0.1, [::1]), without a port"
        ) from None
    if not is_address(name) and "*" in name:
        raise ValueError(f"{host!r} holds a star; name the host above instead: all below it is allowed with it")
    return host


Expression = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_expression)]
LanguageCode = Annotated[str, AfterValidator(_language)]
HostName = Annotated[str, AfterValidator(_host)]
