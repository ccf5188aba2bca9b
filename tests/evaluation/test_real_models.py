"""With real encoders and captions: our R@1 is the accuracy of sentence-transformers' own evaluator."""

import gzip

import pytest
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import evaluate_retrieval
from optical_hf.models.views import as_late_interaction

pytestmark = pytest.mark.slow

SIZE = 60


@pytest.mark.real
@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_an_english_teacher_on_two_people_s_captions_of_one_image(real_models, shared_data, search):
    def lines(name):
        with gzip.open(shared_data / "multi30k_task2" / name, "rt", encoding="utf-8") as file:
            return [line.strip() for _, line in zip(range(SIZE), file, strict=False)]

    teacher = SentenceTransformer(str(real_models / "all-MiniLM-L6-v2"), device="cpu")
    queries = {"de": lines("val.2.de.gz"), "en": lines("val.2.en.gz")}
    collection = RetrievalCollection.from_lines("captions", queries, lines("val.1.en.gz"))
    report = evaluate_retrieval(teacher, teacher, collection, search=search, high=["en"], rounds=100, progress=False)
    model = teacher if search == "vector" else as_late_interaction(teacher)
    evaluator = InformationRetrievalEvaluator if search == "vector" else MultiVectorInformationRetrievalEvaluator
    assert isinstance(model, SentenceTransformer if search == "vector" else MultiVectorEncoder)
    for code, language in report.systems["student"].languages.items():
        part = collection.select(code)
        asked = dict(zip(part.queries["id"][:], part.queries["text"][:], strict=True))
        documents = dict(zip(part.documents["id"][:], part.documents["text"][:], strict=True))
        relevant = {query: set(grades) for query, grades in part.qrels.items()}
        peer = evaluator(asked, documents, relevant, name=code, write_csv=False)(model)
        accuracy = next(value for name, value in peer.items() if name.endswith("accuracy@1"))
        assert language.recall_at_1.value == pytest.approx(accuracy)
    levels = {code: language.recall_at_1.value for code, language in report.systems["student"].languages.items()}
    assert levels["en"] > levels["de"] + 0.2
