"""Encoding in pieces: killed and resumed, shared by processes, and equal to encoding at once."""

import pickle
import random
import weakref
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import forked
from sentence_transformers import SentenceTransformer

from optical_hf.evaluation import evaluate_retrieval, systems
from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.processes import Processes, leave_processes
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorSet, VectorStore

SETTINGS = {"high": ["de"], "low": ["so"], "rounds": 100, "progress": False}
TRANSLATED: list[str] = []
"""What this process translated."""


@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_pieces_hold_what_encoding_at_once_holds(bert, search, tmp_path):
    texts = ["a dog", "bird", "the moon the moon", "tree tree tree", "the house", "river"]
    at_once = Encoding(search, progress=False).encode(bert, texts, "query", "q", Processes())
    pieces = Encoding(search, piece=2, folder=tmp_path, progress=False).encode(bert, texts, "query", "q", Processes())
    assert [len(texts[i]) for i in pieces.order] == sorted(len(text) for text in texts)
    assert len(pieces.store.pieces) == 3
    assert all(isinstance(piece, Path) for piece in pieces.store.pieces)
    one, other = at_once.in_item_order(Processes()), pieces.in_item_order(Processes())
    torch.testing.assert_close(one.vectors, other.vectors)
    if search == "maxsim":
        assert one.lengths.tolist() == other.lengths.tolist() == [4, 3, 6, 5, 4, 3]


def test_a_killed_encode_resumes(student, teacher, collection, tmp_path, monkeypatch):
    encode_document, encoded = SentenceTransformer.encode_document, []

    def killed_at_the_third(self, items, **kwargs):
        if len(encoded) == 2:
            raise KeyboardInterrupt
        encoded.append(len(items))
        return encode_document(self, items, **kwargs)

    monkeypatch.setattr(SentenceTransformer, "encode_document", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        evaluate_retrieval(student, teacher, collection, folder=tmp_path, piece=3, **SETTINGS)
    assert encoded == [3, 3]

    resumed = []
    monkeypatch.setattr(
        SentenceTransformer,
        "encode_document",
        lambda self, items, **kwargs: resumed.append(len(items)) or encode_document(self, items, **kwargs),
    )
    report = evaluate_retrieval(student, teacher, collection, folder=tmp_path, piece=3, **SETTINGS)
    assert resumed == [2]
    again = evaluate_retrieval(student, teacher, collection, folder=tmp_path, piece=3, **SETTINGS)
    assert resumed == [2]
    in_memory = evaluate_retrieval(student, teacher, collection, **SETTINGS)
    assert report.to_dict() == again.to_dict() == in_memory.to_dict()
    assert not list(tmp_path.rglob("*.partial"))


def test_another_model_prompt_or_text_is_encoded_anew(student, teacher, tmp_path):
    encoding = Encoding(folder=tmp_path, progress=False)
    prompted = SentenceTransformer(modules=list(teacher), prompts={"query": "the "}, device="cpu")
    for model, texts in ((teacher, ["dog"]), (student, ["dog"]), (prompted, ["dog"]), (teacher, ["bird"])):
        encoding.encode(model, texts, "query", "q", Processes())
    encoding.encode(teacher, ["dog"], "query", "q", Processes())
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model, "truncate_dim", 4),
        lambda model: setattr(model, "max_seq_length", 3),
        lambda model: setattr(model, "prompts", {"document": "moon moon moon "}),
        lambda model: setattr(model[1], "pooling_mode", "cls"),
        lambda model: model[0].model.embeddings.word_embeddings.weight.data.neg_(),
    ],
    ids=["truncate_dim", "max_seq_length", "prompt", "pooling", "weights"],
)
def test_what_is_kept_is_not_taken_by_a_model_that_changed(bert, collection, tmp_path, change):
    """The same folder before and after the change: the figures are those of no folder at all."""
    model = deepcopy(bert)
    kept = {"folder": tmp_path, **SETTINGS}
    before = evaluate_retrieval(model, model, collection, **kept).systems["student"].ranks.tolist()
    change(model)
    expected = evaluate_retrieval(model, model, collection, **SETTINGS).systems["student"].ranks.tolist()
    assert evaluate_retrieval(model, model, collection, **kept).systems["student"].ranks.tolist() == expected
    assert expected != before


@pytest.mark.parametrize("damage", [lambda data: data[:-8], lambda data: data[:-64] + bytes(64)], ids=["cut", "zeroed"])
def test_damaged_vectors_are_named_and_encoded_again(teacher, tmp_path, caplog, damage):
    encoding = Encoding(folder=tmp_path, piece=2, progress=False)
    whole = encoding.encode(teacher, ["dog", "bird", "moon"], "document", "d", Processes()).in_item_order(Processes())
    [file, *_] = sorted(tmp_path.rglob("*.safetensors"))
    encoded = encoding.encode(teacher, ["dog", "bird", "moon"], "document", "d", Processes())
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=f"{file.name}.* is damaged"):
        encoded.in_item_order(Processes())
    again = encoding.encode(teacher, ["dog", "bird", "moon"], "document", "d", Processes()).in_item_order(Processes())
    assert torch.equal(again.vectors, whole.vectors)
    assert f"{file.name}' is damaged" in caplog.text


def test_keeping_vectors_leaves_every_random_number_as_it_was(student, teacher, collection, tmp_path):
    before = torch.get_rng_state(), random.getstate(), pickle.dumps(np.random.get_state())
    evaluate_retrieval(student, teacher, collection, folder=tmp_path, piece=3, **SETTINGS)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == before[1:]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(bert, collection, tmp_path):
    """Two CPU processes (gloo), each with a share of the documents, queries and translations."""
    bert.save(str(tmp_path / "model"))
    (tmp_path / "collection.pickle").write_bytes(pickle.dumps(collection))
    codes, log = forked(tmp_path / "log", as_rank, tmp_path, processes=2, environment={"ACCELERATE_USE_CPU": "1"})
    assert codes == [0, 0], log
    alone = reports(tmp_path)
    for rank in (0, 1):
        outcome = pickle.loads((tmp_path / f"{rank}.pickle").read_bytes())
        assert outcome["count"] == 2
        assert outcome["reports"] == alone
        assert 0 < outcome["encoded"] < 2 * (8 + 16 + 16)
        assert outcome["translated"] == 2 * 8


def test_a_search_holds_one_piece_of_the_documents_and_the_next(tmp_path, monkeypatch):
    pieces = [VectorSet(torch.randn(50, 8)) for _ in range(20)]
    for number, piece in enumerate(pieces):
        piece.save(tmp_path / f"{number}.safetensors")
    files = tuple(tmp_path / f"{number}.safetensors" for number in range(20))
    alive, most, load = weakref.WeakSet(), [], VectorSet.load.__func__

    def watched(cls, path):
        loaded = load(cls, path)
        alive.add(loaded.vectors)
        most.append(len(alive))
        return loaded

    monkeypatch.setattr(VectorSet, "load", classmethod(watched))
    queries = VectorSet(torch.randn(5, 8))
    found = ExactSearch(device="cpu").index(VectorStore(files, tuple(range(0, 1000, 50)), 1000)).search(queries, 10)
    assert len(most) == 20
    assert max(most) <= 2
    whole = ExactSearch(device="cpu").index(VectorStore.of(VectorSet.join(pieces))).search(queries, 10)
    assert torch.equal(found.positions, whole.positions)


def test_texts_of_a_dataset_are_read_a_few_at_a_time(teacher):
    class Lazy:
        """A column that counts how much of it was asked for at once."""

        def __init__(self, texts):
            self.texts, self.largest = texts, 0

        def __len__(self):
            return len(self.texts)

        def __getitem__(self, key):
            found = [self.texts[i] for i in key] if isinstance(key, list) else self.texts[key]
            self.largest = max(self.largest, 1 if isinstance(found, str) else len(found))
            return found

    texts = Lazy(["the " * (i % 7) + "dog" for i in range(1000)])
    encoded = Encoding(piece=100, progress=False).encode(teacher, texts, "document", "d", Processes())
    assert texts.largest == 256
    assert encoded.order[:3].tolist() == [0, 7, 14]


def test_nan_and_items_without_tokens_are_noticed():
    vectors = VectorSet(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match="1 of 1 vectors of x hold NaN"):
        vectors.check("x")
    with pytest.raises(ValueError, match="1 of 2 items of x have no token"):
        VectorSet.of([torch.ones(1, 2), torch.ones(0, 2)]).check("x")


def reports(folder: Path) -> list[dict]:
    """Reports by vector and by MaxSim, in pieces of two, with queries that are yet to be translated."""
    model = SentenceTransformer(str(folder / "model"), device="cpu")
    collection = pickle.loads((folder / "collection.pickle").read_bytes())
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    english = dict(zip(bare.queries["text"][:], bare.queries["english"][:], strict=True))

    def translate(texts: list[str], language: str) -> list[str]:
        TRANSLATED.extend(texts)
        return [english[text] for text in texts]

    return [
        evaluate_retrieval(
            model, model, bare, systems=("student", "translate_query", "bm25"), translator=translate, search=search,
            piece=2, **SETTINGS,
        ).to_dict()
        for search in ("vector", "maxsim")
    ]  # fmt: skip


def as_rank(folder: Path) -> None:
    """One of the two processes."""
    TRANSLATED.clear()
    systems.TRANSLATED_AT_ONCE = 2
    encoded = []
    encode = Encoding._encode
    Encoding._encode = lambda self, view, items, task: encoded.append(len(items)) or encode(self, view, items, task)
    processes = Processes.started()
    outcome = {"reports": reports(folder), "count": processes.count, "encoded": sum(encoded)}
    outcome["translated"] = len(TRANSLATED)
    (folder / f"{processes.rank}.pickle").write_bytes(pickle.dumps(outcome))
    leave_processes()
