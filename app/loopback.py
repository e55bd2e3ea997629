"""Addresses of this machine: no proxy of the environment leads there."""

import ipaddress


def is_here(host: str) -> bool:
    """Whether a host, without brackets, is this machine by its form alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
