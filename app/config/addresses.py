"""Addresses that people may see: on the console, in a log, in an error."""

import re

TO_MLFLOW = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
"""What to do instead of a password in MLflow's address; `app.mlflow_access` reads them."""

# From the scheme's slashes, or from the beginning where there are none, to the last @ before path, query and fragment.
_USERINFO = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)?[^/?#]*@", re.IGNORECASE)


def without_credentials(url: str) -> str:
    """The address less `user:password@`."""
    return _USERINFO.sub(r"\1", url, count=1)


def has_credentials(url: str) -> bool:
    """Whether it names a user or holds a password."""
    return _USERINFO.match(url) is not None


def check_public(url: str, instead: str) -> str:
    """An http(s) address without credentials. Raises ValueError, which tells what to do `instead`, and no password.

    An @ is refused wherever it stands: in a password that was not quoted, a / ends the host's part before it.
    """
    if "@" in url:
        raise ValueError(f"has a user name or password in it, which the console would show; take it out, and {instead}")
    if not re.match(r"https?://[^/?#]", url, re.IGNORECASE):
        raise ValueError("must start with http:// or https:// and name a host")
    return url
