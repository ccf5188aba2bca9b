"""What `datasets` wraps around an error of a reader, taken off again.

A builder that meets a bad file raises DatasetGenerationError with a long traceback; the
reader's own ValueError, one line with file and place, is what the user needs.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from datasets.exceptions import DatasetGenerationError

# a traceback of another process comes as text
_OF_ANOTHER_PROCESS = re.compile(r"^(?:ValueError|\S+\.DamagedFileError): (.+)$", re.MULTILINE)


@contextmanager
def reader_errors() -> Iterator[None]:
    """Let the ValueError of a reader through instead of the DatasetGenerationError around it.

    Raises:
        ValueError: the reader's.
        OSError: of the disk, such as a full one.

    Example:
        >>> with reader_errors():
        ...     pass
    """
    try:
        yield
    except DatasetGenerationError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ValueError):
                raise ValueError(str(cause)) from None
            if isinstance(cause, OSError):  # of the disk that the table is written to
                raise OSError(*cause.args) from None
            if found := _OF_ANOTHER_PROCESS.search(str(cause)):
                raise ValueError(found[1]) from None
            cause = cause.__cause__
        raise
