"""Files of tensors: what was cut or changed is named, whole ones come back bit for bit."""

import pytest
import torch
from safetensors.torch import save_file

from optical_hf.tensor_files import DamagedTensorsError, load_tensors, save_tensors

TENSORS = {"vectors": torch.arange(6000, dtype=torch.float32).view(-1, 2), "lengths": torch.tensor([2999, 1])}


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def flipped(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def test_what_was_saved_comes_back(tmp_path):
    save_tensors(tmp_path / "new" / "x.safetensors", TENSORS)
    loaded = load_tensors(tmp_path / "new" / "x.safetensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in TENSORS.items())
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("damage", [halved, zeroed, flipped, lambda data: b"", lambda data: bytes(len(data))])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedTensorsError, match=r"x\.safetensors' is damaged: .*; delete it"):
        load_tensors(path)


def test_a_file_without_a_checksum_is_read(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert torch.equal(load_tensors(tmp_path / "x.safetensors")["vectors"], TENSORS["vectors"])
