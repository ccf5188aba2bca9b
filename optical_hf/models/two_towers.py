"""One model of a student and its teacher: queries go to the one, documents to the other. It is sentence-transformers' `Router`.

`encode_query` and `encode_document` of the one folder are then both right. Plain `encode` takes the teacher's side.
"""

from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder, SentenceTransformer, SimilarityFunction
from sentence_transformers.base.modules import Router

from optical_hf.models.known_languages import write_languages
from optical_hf.models.prompts import Role, prompt_of
from optical_hf.models.student_folder import student_folder
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.views import Encoder, backbone, kind_of

TEACHERS_QUERY = "teacher_query"
"""The name of the prompt that the teacher puts in front of English queries, beside the student's own."""


def two_towers(student: Encoder, teacher: Encoder) -> SentenceTransformer:
    """A model that reads queries with the student and documents with the teacher; the weights are shared.

    Args:
        student: of one vector a text, without an adapter.
        teacher: the encoder of the documents; of one vector a text, as wide as the student.

    Raises:
        ValueError: for late interaction, other widths, or an adapter.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> student, teacher = (tiny_encoder(["a dog"], width=16, vocabulary_size=30) for _ in range(2))
        >>> two_towers(student, teacher).encode_query(["a dog"]).shape
        (1, 16)
    """
    for who, model in (("student", student), ("teacher", teacher)):
        if kind_of(model) != "vector":
            raise ValueError(
                f"the {who} searches by its tokens: one folder holds both towers of one-vector models only"
            )
    if embedding_width(student) != embedding_width(teacher):
        raise ValueError(
            f"the student's vectors are {embedding_width(student)} wide, the teacher's {embedding_width(teacher)}: give the "
            "teacher that the student was made for"
        )
    if getattr(backbone(student).model, "peft_config", None):
        raise ValueError("the student has an adapter: merge it first, with optical_hf.training.merge_and_save")
    prompts = {
        "query": prompt_of(student, "query") or "",
        "document": prompt_of(teacher, "document") or "",
        TEACHERS_QUERY: prompt_of(teacher, "query") or "",
    }
    queries, documents = (list[Any](model.children()) for model in (student, teacher))
    both = SentenceTransformer(
        modules=[Router.for_query_document(queries, documents)],
        prompts=prompts,
        similarity_fn_name=SimilarityFunction(teacher.similarity_fn_name),
        device=str(student.device),
    )
    both.model_card_data.base_model = student.model_card_data.base_model
    both.model_card_data.language = student.model_card_data.language
    return both.eval()


def write_towers(student: Encoder, teacher: Encoder, folder: Path, *, card: bool = True) -> None:
    """Write the files of both towers one by one; see `save_towers`."""
    two_towers(student, teacher).save_pretrained(str(folder), create_model_card=card)
    write_languages(student, folder)


def save_towers(student: Encoder, teacher: Encoder, folder: str | Path) -> None:
    """Save a student and its teacher as one model: complete, or not at all.

    `SentenceTransformer(folder)` reads queries with the student (`encode_query`) and documents with the teacher
    (`encode_document`); plain `encode` takes the teacher. `load_student` and `search` take the student out of it, `load_teacher`
    the teacher. Servers and `AutoModel` read a folder of the student alone.

    Args:
        student: of one vector a text, without an adapter.
        teacher: the encoder of the documents.
        folder: where to; made where it is missing.

    Raises:
        ValueError: for late interaction, other widths, or an adapter.
        OSError: where it cannot be written.

    Example:
        >>> save_towers(student, teacher, "students/so-both")                                 # doctest: +SKIP
    """
    student_folder(folder).write(lambda beside: write_towers(student, teacher, beside))


def tower(model: Encoder, role: Role) -> Encoder:
    """The student or the teacher of a model of both; any other model as it is."""
    if isinstance(model, MultiVectorEncoder) or not isinstance(model[0], Router):
        return model
    names = [*model[0].sub_modules]
    route = "query" if role == "student" else "document"
    if route not in names:
        raise ValueError(f"the model routes {', '.join(names)}: expected one with the routes query and document")
    prompts = {name: prompt for name, prompt in model.prompts.items() if prompt is not None and name != TEACHERS_QUERY}
    if role == "teacher":
        prompts["query"] = model.prompts.get(TEACHERS_QUERY) or ""
    found = SentenceTransformer(
        modules=[*model[0].sub_modules[route].children(), *list(model)[1:]],
        prompts=prompts,
        similarity_fn_name=model.similarity_fn_name,
        device=str(model.device),
    )
    found.model_card_data.base_model = model.model_card_data.base_model
    return found.train(model.training)
