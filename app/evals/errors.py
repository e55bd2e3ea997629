"""What can go wrong with an eval before or after its questions, told to the person who started it.

    EvalError
    ├── DatasetError    the file of questions is wrong; file, line and remedy
    ├── StackError      no stack, no such key or no such model at the base URL
    └── TrackingError   MLflow is away or refuses

A question that fails is none of these: it is an `Answer` with an `error`.
"""


class EvalError(Exception):
    """`str(error)` is one sentence that says what to do; it is printed without a traceback."""


class DatasetError(EvalError):
    """The dataset cannot be used."""


class StackError(EvalError):
    """The stack cannot be asked."""


class TrackingError(EvalError):
    """The results cannot be recorded."""
