"""Check the shape of the repository: python .ci/structure.py. Prints each fault and fails if there is one.

- A file of the package, the tests or the examples has at most 300 lines.
- A file name stands once in the package.
- A relative link of README.md or docs/ points at a file, and its #anchor at a heading.
- A place that docs/contributing.md names exists.
- A test asserts something: itself, by pytest.raises or warns, or through a helper of the test suite.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[1]
MOST_LINES = 300
MAY_REPEAT = {"__init__.py", "__main__.py"}
ASSERTING_CALLS = {"raises", "warns", "fail"}


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def long_files() -> Iterator[str]:
    for path in python_files("optical_hf", "tests", "examples"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            yield f"{path.relative_to(ROOT)}: {lines} lines, more than {MOST_LINES}. Split it by concept"


def repeated_names() -> Iterator[str]:
    places: dict[str, list[str]] = defaultdict(list)
    for path in python_files("optical_hf"):
        places[path.name].append(str(path.parent.relative_to(ROOT)))
    for name, folders in places.items():
        if len(folders) > 1 and name not in MAY_REPEAT:
            yield f"{name} stands in {' and '.join(folders)}. Add the folder's noun to one of them"


def without_code(text: str) -> str:
    return re.sub(r"^( *)(```|~~~).*?^\1\2", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The #anchors of a page, as GitHub and MkDocs make them from its headings."""
    text = without_code(page.read_text(encoding="utf-8"))
    found = set(re.findall(r"""<a (?:id|name)=["']([^"']+)""", text))
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, flags=re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip()
        found |= {slug.replace(" ", "-"), re.sub(r"[\s-]+", "-", slug)}
    return found


def dead_links() -> Iterator[str]:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = re.sub(r"`[^`\n]*`", "", without_code(page.read_text(encoding="utf-8")))
        for link in re.findall(r"\]\(\s*<?([^)\s>]+)", text):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / unquote(name)).resolve() if name else page
            where = f"{page.relative_to(ROOT)}: the link {link}"
            if not target.exists():
                yield f"{where} points at no file"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{where} points at no heading of {target.name}"


def lost_places() -> Iterator[str]:
    """Files and folders that the table of look-ups says hold something today."""
    page = ROOT / "docs" / "contributing.md"
    for row in re.findall(r"^\|.*\|$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        for place in re.findall(r"`([\w/]+(?:/|\.py))`", row):
            if not (ROOT / "optical_hf" / place).exists():
                yield f"docs/contributing.md: there is no {place} in the package"


def called_names(function: ast.AST) -> set[str]:
    """Names of the functions that are called as such. A method of a helper's name is something else."""
    return {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def asserts_itself(function: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Attribute) and (node.attr in ASSERTING_CALLS or node.attr.startswith("assert_")))
        for node in ast.walk(function)
    )


def tests_without_assertion() -> Iterator[str]:
    functions = [
        (path, node)
        for path in python_files("tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    calls = [called_names(node) for _, node in functions]
    sound = [asserts_itself(node) for _, node in functions]
    while True:  # a helper that calls a helper that asserts
        helpers = {node.name for (_, node), good in zip(functions, sound, strict=True) if good}
        more = [good or bool(names & helpers) for good, names in zip(sound, calls, strict=True)]
        if more == sound:
            break
        sound = more
    for (path, node), good in zip(functions, sound, strict=True):
        if node.name.startswith("test_") and not good:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} asserts nothing"


if __name__ == "__main__":
    faults = [*long_files(), *repeated_names(), *dead_links(), *lost_places(), *tests_without_assertion()]
    if faults:
        raise SystemExit("\n".join([*faults, f"{len(faults)} faults in the structure"]))
    print("structure: no faults")
