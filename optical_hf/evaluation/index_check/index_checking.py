"""`check_index`: fifty texts of an index are read by a teacher under each setting and compared with the stored vectors.

A prompt mismatch is the commonest silent fault of an index: nothing fails, and less is found.
"""

from collections.abc import Sequence

from datasets import Dataset

from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.evaluation.index_check.check_result import IndexCheck, Tried
from optical_hf.evaluation.index_check.index_sample import IndexSample, sample_of_store, sample_of_table
from optical_hf.evaluation.index_check.teacher_settings import Setting, lengths_to_try, own_setting, settings_to_try
from optical_hf.evaluation.index_check.vector_fit import fit_of
from optical_hf.evaluation.own_index import Reading, encoder_names, reading_with
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.tokens import Encoder
from optical_hf.processes import Processes
from optical_hf.stores import open_store
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.vectors import VectorSet

READ_ON = 2
"""The best settings of prompt and title that are read at other lengths too."""


def check_index(index: str | DocumentStore, teacher: Encoder, *, batch_size: int = 32) -> IndexCheck:
    """Find out whether a teacher made an index, and how it read the texts.

    Fifty of the first thousand texts are read without a prompt and with each prompt of the teacher and of its family. Where the
    URL names a title, it is put in front too. The best of these settings is then tried at other lengths.

    Args:
        index: the URL of a store, as `open_store` takes it, or a store that is open.
        teacher: as `load_teacher` gives it.
        batch_size: texts in one forward pass.

    Raises:
        ValueError: an index that cannot be opened, or that holds no vectors.

    Example:
        >>> print(check_index("qdrant://localhost/docs?text=body", teacher))  # doctest: +SKIP
        This teacher made this index, as it reads now: ...
    """
    store = open_store(index) if isinstance(index, str) else index
    try:
        return _check(str(store.location), sample_of_store(store), teacher, batch_size)
    finally:
        if isinstance(index, str):
            store.close()


def check_table_of_documents(documents: Dataset, where: str, teacher: Encoder, *, batch_size: int = 32) -> IndexCheck:
    """As `check_index`, of a table with `text` and `vector`.

    Args:
        documents: as `load_documents` gives it.
        where: what to call it.
        teacher: as `load_teacher` gives it.
        batch_size: texts in one forward pass.
    """
    return _check(where, sample_of_table(documents), teacher, batch_size)


def _check(where: str, sample: IndexSample, teacher: Encoder, batch_size: int) -> IndexCheck:
    width, own = embedding_width(teacher), own_setting(teacher)
    said = (where, len(sample.texts), sample.vectors.width, width, sample.precision)
    if width < sample.vectors.width:
        return IndexCheck(*said, [], None)
    settings = settings_to_try(teacher, encoder_names(teacher), sample.titles is not None)
    tried = [_tried(teacher, setting, sample, batch_size) for setting in settings]
    tried += [
        _tried(teacher, setting._replace(length=length), sample, batch_size)
        for setting, _ in _best_first(tried)[:READ_ON]
        for length in lengths_to_try(
            teacher, [setting.prompt + text for text in setting.texts(sample.texts, sample.titles)]
        )
    ]
    return IndexCheck(*said, _best_first(tried), next(one for one in tried if one.setting == own))


def _best_first(tried: Sequence[Tried]) -> list[Tried]:
    return sorted(tried, key=lambda one: -one.fit.own)


def _tried(teacher: Encoder, setting: Setting, sample: IndexSample, batch_size: int) -> Tried:
    search = "vector" if sample.vectors.lengths is None else "maxsim"
    encoding = Encoding(search, False, batch_size, progress=False, max_seq_length=setting.length)
    texts = setting.texts(sample.texts, sample.titles)
    with reading_with(teacher, Reading(setting.prompt, setting.prompt)):
        encoded = encoding.encode(teacher, texts, "document", "the teacher", Processes())
    read: VectorSet = encoded.in_item_order(Processes())
    return Tried(setting, fit_of(read, sample.vectors, sample.precision))
