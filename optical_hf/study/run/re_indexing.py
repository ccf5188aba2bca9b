"""What a user would do instead: the checkpoint of a study's students, untrained and whole, reads the documents too.

Its vectors are kept, so that a collection is read once, whatever teacher's kind of search the run takes.
"""

from dataclasses import replace
from pathlib import Path

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.own_index import checkpoint_behind, own_index_encoder
from optical_hf.models import Encoder
from optical_hf.models.fingerprint import digest_of, encoder_fingerprint
from optical_hf.models.prompts import prompt_of, set_prompts
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.run.contents import digest_of_set
from optical_hf.study.run.run_cost import Meter
from optical_hf.study.run.run_data import EvaluationSet


def whole_checkpoint(run: RunConfig) -> Encoder:
    """The checkpoint that the students of a run's `student.path` were made from, with all its layers and no training.

    Raises:
        ValueError: the path is a saved student, and its card names no `base_model`.
    """
    assert run.student is not None
    place = checkpoint_behind(run.student.path)
    if place is None:
        raise ValueError(
            f"no re-indexing: {run.student.path!r} is a trained student, and its card names no base_model; name the checkpoint "
            "there, or write own_index: false in the study"
        )
    model = own_index_encoder(place, None)
    if prompt_of(model, "query") is None:
        set_prompts(model, run.student.query_prompt)
    if run.max_seq_length is not None:
        set_max_seq_length(model, run.max_seq_length)
    return model


def re_index(
    checkpoint: Encoder, entry: EvaluationSet, settings: EvaluationSettings, kept: Path, meter: Meter
) -> RetrievalReport:
    """The report of `own_index` on a collection.

    Args:
        checkpoint: from `whole_checkpoint`.
        entry: what is searched. Its `document_length` holds for queries as well.
        settings: of the study's evaluations, with the search decided.
        kept: where the runs of the study keep what they share.
        meter: is charged what reading and searching the collection took the first run that did it.
    """
    folder = kept / "own_index"
    settings = replace(settings, folder=folder, sharded=False, max_seq_length=entry.document_length)
    read = [encoder_fingerprint(checkpoint), digest_of_set(entry), settings.search, settings.max_seq_length]
    return meter.shared(
        folder / f"{digest_of(read)[:16]}.json",
        lambda _: evaluate_retrieval(
            None, None, entry.parts, systems=("own_index",), untrained=checkpoint, settings=settings
        ),
    )
