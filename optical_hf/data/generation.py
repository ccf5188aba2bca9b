"""What `datasets` wraps around an error of a reader, taken off again.

Knows nothing about any format. A builder that meets a bad file raises DatasetGenerationError with a long traceback; the
reader's own ValueError, one line with file and place, is what the user needs.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from datasets.exceptions import DatasetGenerationError


@contextmanager
def reader_errors() -> Iterator[None]:
    """Let the ValueError of a reader through instead of the DatasetGenerationError around it.

    Raises:
        ValueError: the reader's.

    Example:
        >>> with reader_errors():
        ...     pass
    """
    try:
        yield
    except DatasetGenerationError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ValueError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise ValueError(str(cause)) from None
