"""optical_hf: make an English retriever read the languages you have bitext for.

The public face is loaded on first use, so that `import optical_hf.ot` and `import optical_hf.metrics`
stay free of transformers and sentence-transformers.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "OTDistillationTrainer": "optical_hf.training",
    "OTDistillationArguments": "optical_hf.training",
    "load_teacher": "optical_hf.models",
    "load_vectors": "optical_hf.models",
    "load_student": "optical_hf.models",
    "fit_alignment": "optical_hf.models",
    "TeacherCache": "optical_hf.models.teachers.token_cache",
    "trim_vocabulary": "optical_hf.models.vocabulary",
    "extend_vocabulary": "optical_hf.models.vocabulary",
    "model_card": "optical_hf.hub",
    "push_student": "optical_hf.hub",
    "load_bitext": "optical_hf.data",
    "Bitext": "optical_hf.data",
    "Flickr30kEntities": "optical_hf.data",
    "RetrievalCollection": "optical_hf.data",
    "load_documents": "optical_hf.stores",
    "evaluate_retrieval": "optical_hf.evaluation",
    "RetrievalReport": "optical_hf.evaluation",
    "advise": "optical_hf.evaluation",
    "student_search": "optical_hf.search",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'optical_hf' has no attribute {name!r}; the public names are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
