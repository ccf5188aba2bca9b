"""`import optical_hf` loads nothing but itself, so that it costs a program that depends on it no time."""

import subprocess
import sys

import optical_hf


def test_the_package_imports_the_standard_library_alone():
    code = (
        "import sys; before = set(sys.modules); import optical_hf; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["optical_hf"]


def test_each_public_name_is_where_the_table_says():
    for name in optical_hf.__all__:
        assert getattr(optical_hf, name).__name__ == name
    assert set(optical_hf.__all__) <= set(dir(optical_hf))
