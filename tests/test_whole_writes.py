"""Every file that the package makes is written whole or not at all: a write past `optical_hf.files` fails here."""

import ast
from pathlib import Path

import pytest

import optical_hf

PACKAGE = Path(optical_hf.__file__).parent
WRITERS = {
    "write_text", "write_bytes", "savefig", "save_file", "save_to_disk", "to_parquet", "to_csv", "write_table", "tofile", "save",
    "dump", "safe_dump", "copyfile",
}  # fmt: skip
WHOLE = {"write_whole", "write_folder"}
"""What a writer may be given to, or called in."""
EXCEPTIONS = {
    "data/bitext/bitext_translation.py: open": "in a function that is given to write_whole",
    "files.py: open": "to flush what was written",
    "evaluation/report/html_page.py: savefig": "into memory",
    "evaluation/encode/encoding.py: save": "VectorSet.save writes whole",
    "hub/push.py: copyfile": "into a temporary folder",
    "hub/space.py: copyfile": "into a temporary folder",
    "models/tiny.py: write_text": "into a temporary folder that is read at once",
    "models/tiny.py: save_file": "into a temporary folder that is read at once",
    "scenes/entities_export.py: write_text": "into a folder that is renamed when all of its files are there",
    "scenes/entities_export.py: save": "into a folder that is renamed when all of its files are there",
    "study/run/run_cost.py: write_text": "no file: a switch of Linux",
    "study/run/launching.py: open": "a log, written while it happens",
    "study/run/launching.py: save": "Contents.save writes whole",
    "study/run/running.py: open": "a log, written while it happens",
}


def name_of(call: ast.expr) -> str | None:
    return call.attr if isinstance(call, ast.Attribute) else call.id if isinstance(call, ast.Name) else None


def direct_writes(code: str) -> list[str]:
    """Names of the writers that are called, or handed on, outside of `write_whole`."""
    found = []

    def visit(node: ast.AST, whole: bool) -> None:
        if isinstance(node, ast.Call):
            name = name_of(node.func)
            whole = whole or name in WHOLE
            own = isinstance(node.func, ast.Name) and name != "save_file"  # a function of ours
            handed = [name_of(argument) for argument in node.args] if name == "partial" else []
            if not whole:
                found.extend(writer for writer in (None if own else name, *handed) if writer in WRITERS)
                if name in ("open", "fdopen") and any(map(is_writing_mode, [*node.args, *node.keywords])):
                    found.append("open")
        for child in ast.iter_child_nodes(node):
            visit(child, whole)

    visit(ast.parse(code), False)
    return found


def is_writing_mode(argument: ast.expr | ast.keyword) -> bool:
    value = argument.value if isinstance(argument, ast.keyword) else argument
    said = value.value if isinstance(value, ast.Constant) else None
    return isinstance(said, str) and 0 < len(said) < 4 and bool(set(said) & set("wax+")) and set(said) <= set("wax+rbt")


@pytest.mark.slow
def test_no_file_is_written_directly():
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in direct_writes(path.read_text(encoding="utf-8"))
    }
    assert found - set(EXCEPTIONS) == set(), "write it with optical_hf.files.write_text or write_whole"
    assert set(EXCEPTIONS) - found == set(), "these exceptions are needed no more"


def test_what_counts_as_a_direct_write():
    for code in (
        "path.write_text(x)", "open(p, 'w')", "p.open(mode='ab')", "torch.save(x, p)", "json.dump(x, f)",
        "other(lambda p: f.savefig(p))", "other(p, partial(save_file, x))",
    ):  # fmt: skip
        assert direct_writes(code), code
    for code in (
        "write_text(p, x)", "open(p)", "p.open('rb')", "write_whole(p, lambda q: torch.save(x, q))",
        "write_whole(p, partial(save_file, x))", "json.dumps(x)",
    ):  # fmt: skip
        assert not direct_writes(code), code
