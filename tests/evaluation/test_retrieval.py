"""evaluate_retrieval and the evaluator on models whose answers are known, and on the mistakes users make."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from optical_hf.data import RetrievalCollection
from optical_hf.data.collections import images_to_captions
from optical_hf.evaluation import RetrievalEvaluator, evaluate_retrieval, report_markdown
from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.evaluation.systems import untrained_student
from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.ranking import ranks_from_scores
from optical_hf.models.layers import averaged_layers
from optical_hf.models.loading import load_student
from optical_hf.models.views import as_late_interaction
from optical_hf.stores.faiss_search import FaissSearch
from optical_hf.stores.vectors import VectorSet

QUIET = {"progress": False, "rounds": 200}


def recall(report, system, language):
    return report.systems[system].languages[language].recall_at_1.value


def test_each_system_reads_its_column_and_the_gap_is_that_of_the_metric(student, teacher, collection):
    report = evaluate_retrieval(
        student,
        teacher,
        collection,
        systems=("student", "teacher", "teacher_english", "translate_query"),
        models={"same": student},
        high=["de"],
        low=["som"],
        **QUIET,
    )
    assert recall(report, "student", "de") == 1.0
    assert recall(report, "student", "so") < 0.5
    assert recall(report, "teacher", "de") < 0.5
    assert recall(report, "teacher_english", "so") == recall(report, "translate_query", "de") == 1.0
    assert recall(report, "translate_query", "so") == 0.0  # its translations are in the wrong order
    assert report.systems["same"].ranks.tolist() == report.systems["student"].ranks.tolist()

    result = report.systems["student"]
    expected = cross_lingual_gap(
        (result.ranks == 1).astype(float),
        report.queries.languages,
        high=["de"],
        low=["so"],
        groups=report.queries.groups,
        rounds=200,
    )
    assert result.gap["gap"] == expected.to_dict()["gap"]
    ceiling = result.gap["reference_gap"]["value"]
    assert ceiling == pytest.approx(1.0 - recall(report, "student", "so"))
    assert report.systems["teacher_english"].gap["reference_gap"] is None


@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_ranks_are_those_of_the_library_s_own_scores(bert, collection, search):
    """The same model as teacher and student, against the similarity of sentence-transformers on the whole matrix."""
    report = evaluate_retrieval(bert, bert, collection, search=search, high=["de"], low=["so"], **QUIET)
    view = bert if search == "vector" else as_late_interaction(bert)
    queries, documents = collection.queries["text"][:], collection.documents["text"][:]
    scores = view.similarity(view.encode_query(queries), view.encode_document(documents))
    assert report.systems["student"].ranks.tolist() == ranks_from_scores(scores, collection.relevance).tolist()
    assert len(set(report.systems["student"].ranks.tolist())) > 3  # not all of them the same by accident


def test_a_late_interaction_student_is_searched_by_one_vector_too(bert, collection):
    late = as_late_interaction(bert)
    assert isinstance(late, MultiVectorEncoder)
    for search in ("vector", "maxsim"):
        both = [
            evaluate_retrieval(model, bert, collection, search=search, high=["de"], **QUIET) for model in (bert, late)
        ]
        assert both[0].systems["student"].ranks.tolist() == both[1].systems["student"].ranks.tolist()


def test_queries_take_the_query_prompt_and_documents_the_document_prompt(teacher, collection):
    asked = []

    class Spy(SentenceTransformer):
        def encode(self, inputs, **kwargs):
            asked.append(kwargs)
            return super().encode(inputs, **kwargs)

    spy = Spy(modules=list(teacher), prompts={"query": "the ", "document": "a "}, device="cpu")
    evaluate_retrieval(spy, spy, collection, high=["de"], **QUIET)
    assert sorted({call["prompt_name"] for call in asked}) == ["document", "query"]


def test_precomputed_vectors_stand_in_for_the_models(student, teacher, collection):
    direct = evaluate_retrieval(student, teacher, collection, high=["de"], **QUIET)
    queries = student.encode_query(collection.queries["text"][:], convert_to_numpy=True)
    documents = teacher.encode_document(collection.documents["text"][:], convert_to_numpy=True)
    given = evaluate_retrieval(
        None,
        None,
        collection,
        query_vectors={"student": {"words": queries}},
        document_vectors={"words": documents},
        high=["de"],
        **QUIET,
    )
    assert given.systems["student"].ranks.tolist() == direct.systems["student"].ranks.tolist()


def test_precomputed_token_vectors(collection):
    generator = torch.Generator().manual_seed(0)
    tokens = [torch.randn(1 + row % 3, 8, generator=generator) for row in range(8)]
    report = evaluate_retrieval(
        None,
        None,
        collection,
        search="maxsim",
        query_vectors={"student": {"words": tokens * 2}},
        document_vectors={"words": tokens},
        high=["de"],
        **QUIET,
    )
    assert report.documents == {"words": 8}
    assert recall(report, "student", "de") == recall(report, "student", "so") > 0.5


def test_a_translator_fills_in_what_the_collection_lacks(teacher, collection):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    words = dict(zip(collection.queries["text"][:], collection.queries["english"][:], strict=True))
    asked = []

    def translator(texts, language):
        asked.append((len(texts), language))
        return [words[text] for text in texts]

    report = evaluate_retrieval(
        None, teacher, bare, systems=("translate_query",), translator=translator, high=["de"], **QUIET
    )
    assert asked == [(8, "de"), (8, "so")]
    assert recall(report, "translate_query", "so") == 1.0
    with pytest.raises(ValueError, match="16 of 16 queries of words have no translation"):
        evaluate_retrieval(None, teacher, bare, systems=("translate_query",), high=["de"], **QUIET)


def test_an_untrained_student_is_named_and_not_built(bert, collection, tmp_path):
    bert.save_pretrained(str(tmp_path / "backbone"))
    named = {"systems": ("untrained",), "high": ["de"], **QUIET}
    report = evaluate_retrieval(None, bert, collection, untrained=tmp_path / "backbone", models={"raw": bert}, **named)
    # The widths are equal, so the projection is the identity and nothing but the name differs.
    assert report.systems["untrained"].ranks.tolist() == report.systems["raw"].ranks.tolist()
    loaded = SentenceTransformer(str(tmp_path / "backbone"))
    given = evaluate_retrieval(None, bert, collection, untrained=loaded, **named)
    assert given.systems["untrained"].ranks.tolist() == report.systems["untrained"].ranks.tolist()

    load_student(tmp_path / "backbone", bert).save_pretrained(str(tmp_path / "student"))
    with pytest.raises(ValueError, match="has a projection, as a trained student has"):
        evaluate_retrieval(None, bert, collection, untrained=tmp_path / "student", **named)
    with pytest.raises(ValueError, match="needs the teacher and the student's backbone"):
        evaluate_retrieval(None, bert, collection, **named)


def test_an_untrained_student_reads_no_other_tokens_and_layers_than_the_student(bert, tmp_path):
    bert.save_pretrained(str(tmp_path / "backbone"))
    student = load_student(tmp_path / "backbone", bert, max_seq_length=7, layers={1: 1, 2: 3})
    assert averaged_layers(untrained_student(tmp_path / "backbone", bert, student)) == {1: 0.25, 2: 0.75}
    assert averaged_layers(untrained_student(tmp_path / "backbone", bert, None)) == {2: 1.0}
    assert untrained_student(tmp_path / "backbone", bert, student).max_seq_length == 7
    assert untrained_student(tmp_path / "backbone", bert, None).max_seq_length == bert.max_seq_length


def test_all_systems_of_the_issue_in_one_call(bert, collection, tmp_path):
    bert.save_pretrained(str(tmp_path))
    student = load_student(tmp_path, bert)
    systems = ("student", "untrained", "teacher", "teacher_english", "translate_query", "bm25")
    report = evaluate_retrieval(student, bert, collection, systems=systems, untrained=tmp_path, high=["de"], **QUIET)
    assert tuple(report.systems) == systems
    assert recall(report, "bm25", "de") == 1.0


def test_the_report_says_how_much_an_approximate_engine_missed(student, teacher, collection):
    pytest.importorskip("faiss")
    report = evaluate_retrieval(
        student, teacher, collection, engine=FaissSearch("hnsw"), depth=4, k=(1,), rounds=100, progress=False
    )
    exact = evaluate_retrieval(student, teacher, collection, depth=4, k=(1,), rounds=100, progress=False)
    assert report.settings["recall_of_exact"] == {"student": 1.0}  # a graph of eight documents misses none
    assert "the engine finds: student 100.0 %" in report_markdown(report)
    assert report.systems["student"].ranks.tolist() == exact.systems["student"].ranks.tolist()
    assert exact.settings["recall_of_exact"] == {}


def test_several_collections_with_groups_of_their_own(student, teacher, collection):
    other = replace(collection, name="more").select("de")
    report = evaluate_retrieval(student, teacher, [collection, other], high=["de"], **QUIET)
    assert report.documents == {"words": 8, "more": 8}
    assert report.systems["student"].languages["de"].queries == 16
    assert report.systems["student"].languages["de"].groups == 16


def test_groups_are_joshi_s_unless_given_and_one_group_alone_is_no_gap(student, teacher, collection):
    assert evaluate_retrieval(student, teacher, collection, **QUIET).resource_groups == (("de",), ("so",), ())
    alone = evaluate_retrieval(student, teacher, collection.select("de"), **QUIET)
    assert alone.systems["student"].gap is None
    assert "at least two languages" in alone.no_gap
    assert alone.systems["student"].languages["de"].recall_at_1.low is not None


def test_depth_bounds_the_ranks(student, teacher, collection):
    report = evaluate_retrieval(student, teacher, collection, depth=2, k=(1, 2), high=["de"], **QUIET)
    ranks = report.systems["student"].ranks
    assert set(ranks.tolist()) == {1.0, np.inf} or set(ranks.tolist()) == {1.0, 2.0, np.inf}
    assert report.systems["student"].languages["so"].measures["MRR"] == pytest.approx((1 / ranks[8:]).mean())


def test_image_queries_are_encoded_once_for_all_systems_and_evaluations(student, teacher, tmp_path, monkeypatch):
    for number, name in enumerate("123"):
        Image.new("RGB", (2, 2), (80 * number, 0, 0)).save(tmp_path / f"{name}.png")
    captions = {"1": ["hund"], "2": ["haus"], "3": ["baum"]}
    collection = images_to_captions("shades", tmp_path, captions, "de")
    encode, images = Encoding._encode, []

    def by_shade(self, view, items, task):
        if isinstance(items[0], str):
            return encode(self, view, items, task)
        images.extend(items)
        return VectorSet(torch.stack([torch.eye(32)[item.getpixel((0, 0))[0] // 80] for item in items]))

    monkeypatch.setattr(Encoding, "_encode", by_shade)
    report = evaluate_retrieval(student, teacher, collection, models={"same": student}, **QUIET)
    assert len(images) == 3
    assert report.systems["same"].ranks.tolist() == report.systems["student"].ranks.tolist()
    evaluator = RetrievalEvaluator(collection, teacher)
    assert evaluator(student) == evaluator(student)
    assert len(images) == 6


def bad_vectors(collection, change):
    vectors = {"student": {"words": change(np.random.default_rng(0).normal(size=(16, 4)))}}
    return evaluate_retrieval(
        None, None, collection, query_vectors=vectors, document_vectors={"words": np.eye(8, 4)}, high=["de"], **QUIET
    )


def test_vectors_with_nan_of_another_width_or_number(collection):
    def with_nan(vectors):
        vectors[[3, 5]] = np.nan
        return vectors

    with pytest.raises(ValueError, match="2 of 16 vectors of the queries of words read by student hold NaN"):
        bad_vectors(collection, with_nan)
    with pytest.raises(ValueError, match="width 4, got width 3"):
        bad_vectors(collection, lambda vectors: vectors[:, :3])
    with pytest.raises(ValueError, match=r"expected 16 vectors .* got 15"):
        bad_vectors(collection, lambda vectors: vectors[:15])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"high": ["de"], "low": ["sw"]}, "1 of 2 languages are in no group: so"),
        ({"high": ["de", "so"], "low": ["so"]}, "in two groups: so"),
        ({"high": ["de", "so"], "low": ["sw"]}, "no language of the low-resource group has a query"),
        ({"high": ["de"], "low": ["somali"]}, "did you mean 'so'"),
        ({"systems": ("pupil",)}, "unknown systems pupil"),
        ({"systems": ()}, "nothing to evaluate"),
        ({"systems": ("student", "student")}, "two systems are called student"),
        ({"k": (1, 500)}, "between 1 and the search depth 100"),
        ({"engine": "exakt"}, "unknown search engine 'exakt'"),
    ],
)
def test_mistakes_are_named_before_anything_is_encoded(
    student, teacher, collection, *, monkeypatch, arguments, message
):
    monkeypatch.setattr(SentenceTransformer, "encode_document", lambda *a, **k: pytest.fail("encoded first"))
    with pytest.raises(ValueError, match=message):
        evaluate_retrieval(student, teacher, collection, **{**QUIET, **arguments})


def test_a_missing_model_english_or_collection(student, teacher, collection):
    bare = replace(collection, queries=collection.queries.remove_columns("english"))
    with pytest.raises(ValueError, match="16 of 16 queries of words have no english"):
        evaluate_retrieval(student, teacher, bare, systems=("teacher_english",), **QUIET)
    with pytest.raises(ValueError, match="expected a model for student"):
        evaluate_retrieval(None, teacher, collection, **QUIET)
    with pytest.raises(ValueError, match="at least one collection"):
        evaluate_retrieval(student, teacher, [], **QUIET)
    with pytest.raises(ValueError, match="two collections have one name"):
        evaluate_retrieval(student, teacher, [collection, collection], **QUIET)


def test_a_language_of_one_group_cannot_be_resampled(student, teacher):
    one = RetrievalCollection.from_lines("one", {"de": ["hund"], "so": ["eey"]}, ["dog"])
    with pytest.raises(ValueError, match="2 of 2 languages have queries of one group only"):
        evaluate_retrieval(student, teacher, one, **QUIET)
