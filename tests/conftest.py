"""What all tests share."""

import gc


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import stay until the end. The garbage collector would walk through them again
    and again, a second each time, in the middle of a test that measures time."""
    gc.collect()
    gc.freeze()
