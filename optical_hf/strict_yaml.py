"""A YAML file of settings, read strictly: each key once, names in quotes where YAML would change them, aliases within bounds.

PyYAML alone keeps the last of two equal keys, reads the language code `no` as false, and lets a file of a few hundred bytes
unfold into gigabytes. It also reads `1e-3` as text, where here it is a number.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode

MOST_NODES = 100_000
"""Values of a file at most, each alias counted as what it stands for."""
MERGE, BOOL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:bool"
QUOTE = "YAML reads no, yes, on and off without quotes as true or false: put it in quotes"


class _Loader(yaml.SafeLoader):
    """`SafeLoader` that reads 1e-3 as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+$", re.I), list("-+0123456789")
)


def read_mapping(path: Path, missing: str = "") -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Args:
        path: the file.
        missing: what to say where there is none; empty takes a general sentence.

    Raises:
        ValueError: no such file, no YAML, no mapping; a key twice, with both lines; a key that YAML takes for true or false;
            aliases that unfold into too much, or into themselves.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        if root is not None:
            _check(root, {})
        values = None if root is None else loader.construct_document(root)
    except FileNotFoundError:
        raise ValueError(missing or f"no file {str(path)!r}: expected a YAML file of 'key: value' lines") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply: expected a few levels of 'key: value' lines") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as YAML: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected 'key: value' lines, got {type(values).__name__}")
    return values


def _check(node: Node, sizes: dict[int, int]) -> int:
    """The values in a node with its aliases unfolded; `sizes` holds those of the nodes seen before, 0 of one still open."""
    if isinstance(node, ScalarNode):
        return 1
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise ValueError(f"line {_line(node)}: what an anchor names holds an alias of itself: write it out")
        return sizes[id(node)]
    sizes[id(node)] = 0
    size = 1
    if isinstance(node, MappingNode):
        _check_keys(node)
    for part in node.value:
        size += sum(_check(one, sizes) for one in (part if isinstance(part, tuple) else (part,)))
    if size > MOST_NODES:
        raise ValueError(
            f"line {_line(node)}: with its aliases unfolded this holds more than {MOST_NODES:,} values and would fill the memory: "
            "write out what is meant"
        )
    sizes[id(node)] = size
    return size


def _check_keys(node: MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or key.tag == MERGE:
            continue
        if key.tag == BOOL:
            raise ValueError(f"line {_line(key)}: the key {key.value}: {QUOTE}, '{key.value}'")
        if (name := (key.tag, key.value)) in first:
            raise ValueError(
                f"line {_line(key)}: the key {key.value!r} was given on line {first[name]} already: keep one of the two"
            )
        first[name] = _line(key)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
