"""Files of tensors that carry a checksum: written whole or not at all, and not taken for good once a byte has changed."""

from collections.abc import Mapping
from pathlib import Path

import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from optical_hf.files import write_whole

CHECKSUM = "checksum"


class DamagedTensorsError(ValueError):
    """A file whose tensors are not those that were written."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file, whole or not at all, with their checksum among its metadata.

    Args:
        path: of the file; its folder is made where it is missing.
        tensors: by name, on the CPU.
    """
    laid_out = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_whole(path, lambda beside: save_file(laid_out, beside, metadata={CHECKSUM: _checksum(laid_out)}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote; a file without a checksum is read as it is.

    Raises:
        DamagedTensorsError: the file was cut or changed after it was written.
    """
    try:
        with safe_open(str(path), "pt") as file:
            kept = (file.metadata() or {}).get(CHECKSUM)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except SafetensorError as error:
        raise _damaged(path, f"it cannot be read ({error})") from error
    if kept is not None and kept != _checksum(tensors):
        raise _damaged(path, "its numbers do not match its checksum")
    return tensors


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = xxhash.xxh3_128()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _damaged(path: Path, reason: str) -> DamagedTensorsError:
    return DamagedTensorsError(f"{str(path)!r} is damaged: {reason}; delete it, what it held is computed again")
