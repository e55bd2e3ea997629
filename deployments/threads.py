"""How the threads of a replica share the interpreter."""

import sys

# A thread that computes keeps the interpreter's lock for this long before another gets it: 5 ms by default, which the
# event loop would wait for whenever a rail, the judge or the search is at work beside it.
SWITCH_S = 0.0005


def share_fairly() -> None:
    """For a process that answers requests on a loop and computes in threads."""
    sys.setswitchinterval(SWITCH_S)
