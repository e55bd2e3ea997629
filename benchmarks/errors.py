"""What ends a benchmark."""


class BenchmarkFailed(Exception):
    """There is no result; `str()` says why."""
