"""The engines by name, so that a command line or a report can say which one."""

from typing import Literal

from optical_hf.evaluation.engines import SearchEngine
from optical_hf.evaluation.exact import ExactSearch

EngineName = Literal["exact"]

ENGINES: dict[str, SearchEngine] = {
    "exact": ExactSearch(),
}


def engine_named(engine: EngineName | SearchEngine) -> tuple[str, SearchEngine]:
    """The name and the engine; an engine of the user's own is called by its settings.

    Raises:
        ValueError: for an unknown name.
    """
    if not isinstance(engine, str):
        return repr(engine), engine
    if engine not in ENGINES:
        raise ValueError(f"unknown search engine {engine!r}; known are {', '.join(ENGINES)}")
    return engine, ENGINES[engine]
