"""Shared by all tests: one thread, no network, and where the real data and models lie."""

import atexit
import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from hypothesis import settings

gc.disable()  # until all is imported, which takes a fifth less time so
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.load_profile("tests")

SHARED = Path(os.environ.get("OPTICAL_HF_SHARED", Path(__file__).parents[2] / "shared"))
MODELS = Path(os.environ.get("OPTICAL_HF_MODELS", Path.home() / ".cache" / "optical-hf-models"))
COMPILE = "import torch; from optical_hf.ot import solve; solve(torch.rand(1, 3, 2))"
COMPILED = Path(__file__).parents[1] / "optical_hf" / "ot" / "kernels" / "__pycache__"


def pytest_configure(config: pytest.Config) -> None:
    """In a fresh checkout, compile the transport kernel while the workers collect: or each of them would, for 16 seconds.

    A worker that is done ends at once: to take apart all that was imported takes another 4 seconds.
    """
    if hasattr(config, "workerinput"):
        atexit.register(os._exit, 0)  # registered first, so what else is asked for at the end has been done
    leads = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if leads and not any(COMPILED.glob("*.nbi")):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        config.add_cleanup(subprocess.Popen([sys.executable, "-c", COMPILE], **quiet).wait)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is left with one of them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish() -> None:
    """Keep what the test modules imported out of the garbage collector, which then looks at all the rest a tenth as often."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()
    atexit.register(gc.unfreeze)  # what nanobind holds is not to be called a leak


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting() -> Iterator[None]:
    """What is written is not flushed to the disk, which a test cannot see, accelerate collects no garbage around trainings, and
    the template of sentence-transformers' model cards is compiled once and not with every save.
    """
    import jinja2
    from accelerate.utils import memory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        patch.setattr(memory, "gc", SimpleNamespace(collect=lambda: 0))
        patch.setattr(jinja2.Environment, "compile", lru_cache(jinja2.Environment.compile))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder} (set OPTICAL_HF_SHARED)")
    return folder


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of real encoders that get_models.py writes."""
    if not (MODELS / "COMPLETE").exists():
        pytest.skip(f"real encoders not found at {MODELS} (run python ../shared/models/get_models.py)")
    return MODELS
