"""Where jobs print."""

import sys

from rich.console import Console


def job_console(width: int = 110) -> Console:
    """For results. A job's log has no terminal whose width could be asked for."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
