"""`import optical_hf.ot` stays light: what it must not load is what would make it slow."""

import subprocess
import sys

import pytest

HEAVY = (
    "ot",
    "scipy",
    "sklearn",
    "matplotlib",
    "transformers",
    "sentence_transformers",
    "datasets",
    "triton",
    "numba",
    "pandas",
)


@pytest.mark.slow
def test_importing_transport_loads_torch_and_nothing_heavy() -> None:
    program = (
        "import sys, torch; before = set(sys.modules); import optical_hf.ot; "
        f"print(sorted({{m.split('.')[0] for m in set(sys.modules) - before}} & set({HEAVY!r})))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
