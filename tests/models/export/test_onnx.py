"""`save_onnx`: the graph says what the whole student says, and the folder still loads with sentence-transformers alone."""

import numpy as np
import pytest
import tiny_pairs
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer

from optical_hf.models import backbone, preprocess_queries
from optical_hf.models.export.onnx_export import save_onnx

TEXTS = ["ein roter Ball", "zwei", "drei Hunde und ein Esel schlafen im Gras"]


def test_a_missing_exporter_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("optical_hf.models.export.onnx_export.NEEDED", ("nothing_here",))
    with pytest.raises(ImportError, match=r"optical-hf\[onnx\]"):
        save_onnx(tiny_pairs.backbone(), tmp_path / "student")


def test_what_cannot_be_written_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("optical_hf.models.export.onnx_export.NEEDED", ())
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        save_onnx(tiny_pairs.backbone(), tmp_path)
    student = tiny_pairs.backbone()
    backbone(student).model = get_peft_model(backbone(student).model, LoraConfig(target_modules=["query"]))
    with pytest.raises(ValueError, match="merge it first"):
        save_onnx(student, tmp_path / "student")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "searched_as"), [("vector", "sentence_embedding"), ("late_interaction", "token_embeddings")]
)
def test_the_graph_says_what_the_student_says(tmp_path, kind, searched_as):
    pytest.importorskip("onnxscript", reason="the exporter is not installed: optical-hf[onnx]")
    runtime = pytest.importorskip("onnxruntime")
    student, _ = tiny_pairs.pair(kind=kind)
    path = save_onnx(student, tmp_path / "student")
    features = preprocess_queries(student, TEXTS)
    graph = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [given.name for given in graph.get_inputs()]
    given, real = {name: features[name].numpy() for name in names}, features["attention_mask"].bool().numpy()
    tokens, searched = graph.run(["last_hidden_state", searched_as], given)
    wanted = student.eval()[0](dict(features))["token_embeddings"].detach().numpy()
    assert np.abs(tokens - wanted)[real].max() < 1e-5
    found = searched if kind == "vector" else [row[mask] for row, mask in zip(searched, real, strict=True)]
    for one, two in zip(found, student.encode(TEXTS), strict=True):
        assert np.abs(one - np.asarray(two)).max() < 1e-5
    again = type(student)(str(tmp_path / "student"))
    for one, two in zip(again.encode(TEXTS), student.encode(TEXTS), strict=True):
        assert np.abs(np.asarray(one) - np.asarray(two)).max() < 1e-5
    assert isinstance(again, SentenceTransformer) == (kind == "vector")
    assert not list(tmp_path.glob(".saving-*"))
