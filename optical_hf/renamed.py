"""Arguments under the names they had before."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take the keyword `new` under its old name as well, with a FutureWarning.

    Args:
        old: the name up to version 0.1.
        new: the name now.

    Raises:
        TypeError: at a call with both.

    Example:
        >>> @renamed_argument("faults", "on_bad_row")
        ... def load(on_bad_row="error"):
        ...     return on_bad_row
        >>> load(on_bad_row="drop")
        'drop'
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{function.__name__}: got {new}= and its old name {old}=; give {new}= alone")
                warnings.warn(f"{old}= is now called {new}=", FutureWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
