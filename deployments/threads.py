"""How the threads of a replica share the interpreter, and the machine's cores."""

import sys

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

# A thread that computes keeps the interpreter's lock for this long before another gets it: 5 ms by default, which the
# event loop would wait for whenever a rail, the judge or the search is at work beside it.
SWITCH_S = 0.0005


def share_fairly() -> None:
    """For a process that answers requests on a loop and computes in threads. Call it once NumPy is imported.

    One thread for NumPy's products: they are of a few dozen rows, and a second thread is waited for. With the other
    core busy, the judge of the semantic cache takes 5 ms with two threads and 2 with one.
    """
    sys.setswitchinterval(SWITCH_S)
    threadpool_limits(limits=1, user_api="blas")
