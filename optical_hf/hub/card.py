"""The model card of a student: YAML metadata for the hub, and what a reader has to know, in Markdown.

The metadata follow the hub's model card specification (huggingface/hub-docs, modelcard.md) and are written by
`huggingface_hub`. The text is in card_template.md; figures come as plain dicts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from optical_hf.hub.figures import (
    checked_report,
    english_sentence,
    eval_results,
    gap_sentence,
    recall_table,
    recovery_text,
    table,
)
from optical_hf.hub.language_facts import language_facts
from optical_hf.hub.licences import checked_licence
from optical_hf.hub.public_names import is_local, public_name
from optical_hf.languages import by_canonical_language, language_info
from optical_hf.losses import Loss
from optical_hf.models import Encoder, averaged_layers, backbone, embedding_width, kind_of, layer_average
from optical_hf.models.known_languages import base_language, recorded_languages

TAGS = ["sentence-transformers", "cross-lingual-retrieval", "knowledge-distillation", "optimal-transport", "optical-hf"]

PICTURES = (".png", ".svg")

TEMPLATE = Path(__file__).with_name("card_template.md")


def model_card(
    student: Encoder,
    *,
    repo_id: str | None = None,
    teacher: str | None = None,
    base_model: str | None = None,
    bitext: Mapping[str, int] | None = None,
    losses: Mapping[Loss, float] | Mapping[str, float] | None = None,
    report: Mapping[str, Any] | None = None,
    system: str | None = None,
    license: str | None = None,
    datasets: Sequence[str] = (),
    plots: Sequence[str] = (),
    both_towers: bool = False,
) -> str:
    """Write the model card (README.md) of a student; what is not given is left out, nothing is guessed.

    Args:
        student: the student.
        repo_id: where it will live on the hub; None writes "path/to/student".
        teacher: hub id or name of the teacher, which encodes the documents. A path of this machine is left out.
        base_model: hub id of the checkpoint the student started from; None takes the one sentence-transformers knows.
            A folder of this machine is left out.
        bitext: pairs the student was trained on, by language code.
        losses: weights by loss or by its name, as `OTDistillationArguments.loss_weights` has them.
        report: what `RetrievalReport.to_dict` returns.
        system: the system of the report that is this student; None takes the one called "student", or the only one.
        license: the student's licence as the hub calls it, such as "apache-2.0".
        datasets: hub ids of the data sets it was trained on. Paths of this machine are left out.
        plots: names of pictures that lie beside the card, such as those of `save_plots`; the card shows them.
        both_towers: the folder holds the teacher too (`save_towers`): the card says `encode_query` and `encode_document`.

    Returns:
        The card, YAML metadata and Markdown.

    Raises:
        ValueError: for a repository id, licence or language code that is none, what is no report, or one without that system.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> student = tiny_encoder(["a red ball", "two dogs"], width=16, vocabulary_size=40)
        >>> card = model_card(student, repo_id="me/tiny-so", bitext={"som": 5101}, license="apache-2.0")
        >>> [line for line in card.splitlines() if line.startswith("| Somali")]
        ['| Somali (so) | 5,101 |']
    """
    name = "path/to/student" if repo_id is None else checked_repo_id(repo_id)
    title = name.split("/")[-1]
    pairs = by_canonical_language(bitext or {})
    origin = _hub_id(base_model or student.model_card_data.base_model)
    teacher = public_name(teacher, "teacher")
    named = [checked_repo_id(name) for name in datasets if public_name(name, "data set") is not None]
    measured, found, results = [], None, "Not measured."
    if report is not None:
        report = checked_report(report)
        own = _own_system(report, system)
        measured, found = list(report["systems"][own]["languages"]), eval_results(report, own)
        parts = (
            recall_table(report),
            recovery_text(report, own),
            english_sentence(report, own),
            gap_sentence(report, own),
        )
        results = "\n\n".join(part for part in parts if part is not None)
    languages = list(dict.fromkeys([*pairs, *measured]))
    data = ModelCardData(
        language=list(dict.fromkeys(["en", *map(base_language, languages), *sorted(recorded_languages(student))])),
        license=None if license is None else checked_licence(license),
        base_model=origin,
        datasets=named or None,
        pipeline_tag="sentence-similarity",
        library_name="sentence-transformers",
        tags=TAGS,
        model_name=None if found is None else title,  # belongs to the results
        eval_results=found,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        name=name,
        title=title,
        teacher=teacher,
        languages=[_named(code) for code in languages],
        both_towers=both_towers,
        one_vector=kind_of(student) != "late_interaction",
        width=embedding_width(student),
        facts=_facts(student, teacher, origin, losses),
        pairs=pairs and _pairs_table(pairs),
        known=language_facts(student, list(pairs), measured),
        results=results,
        plots=[checked_picture(name) for name in plots],
    )
    return str(card)


def checked_repo_id(repo_id: str) -> str:
    """The repository id; raises ValueError where it is none."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise ValueError(
            f"{repo_id!r} is not the id of a hub repository: expected 'owner/name' or 'name', at most 96 letters, "
            "digits, '-', '_' and '.', no two '-' or '.' in a row"
        ) from None
    return repo_id


def checked_picture(name: str) -> str:
    """The name of a picture; raises ValueError where it is none, or lies in a folder."""
    if "/" in name or not name.endswith(PICTURES):
        raise ValueError(
            f"{name!r} is no picture beside the card: expected a name that ends in {' or '.join(PICTURES)}"
        )
    return name


def _own_system(report: Mapping[str, Any], system: str | None) -> str:
    names = list(report["systems"])
    own = system or (names[0] if len(names) == 1 else "student")
    if own not in names:
        raise ValueError(f"the report has no system {own!r}: pass system=, one of {', '.join(names)}")
    return own


def _hub_id(name: str | None) -> str | None:
    """A name that may stand as base_model; the hub rejects a path, and it says nothing to others."""
    try:
        return None if name is None or Path(name).exists() or is_local(name) else checked_repo_id(name)
    except ValueError:
        return None


def _named(code: str) -> str:
    return f"{language_info(code).name} ({code})"


def _facts(
    student: Encoder, teacher: str | None, base_model: str | None, losses: Mapping[Any, float] | None
) -> dict[str, str | None]:
    """What the student is made of, by heading; None is left out."""
    inside = backbone(student)
    averaged = {} if layer_average(student) is None else averaged_layers(student)
    layers = ", ".join(f"{layer} (weight {share:.2g})" for layer, share in averaged.items())
    return {
        "Teacher": teacher and f"`{teacher}`",
        "Backbone": f"`{base_model}`" if base_model else type(inside.model).__name__,
        "Layers": layers and f"average of {layers}",
        "Width": f"{inside.get_embedding_dimension()} in the backbone, {embedding_width(student)} where it is searched",
        "Longest text": f"{student.max_seq_length} tokens" if student.max_seq_length else None,
        "Losses": ", ".join(f"{loss} × {weight:g}" for loss, weight in (losses or {}).items()),
    }


def _pairs_table(pairs: Mapping[str, int]) -> str:
    rows = [[_named(code), f"{count:,}"] for code, count in pairs.items()]
    return table(["bitext with English", "pairs"], [*rows, ["all", f"{sum(pairs.values()):,}"]])
