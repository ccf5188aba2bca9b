"""The folder of a student, which is written as a whole, and which of its files the libraries read together."""

from fnmatch import fnmatchcase
from pathlib import Path

from optical_hf.files import expand_path
from optical_hf.folders import WholeFolder

OPENED_BY = ("adapter_config.json", "config.json", "modules.json")
READ = (
    *OPENED_BY, "router_config.json", "config_sentence_transformers.json",
    "sentence_bert_config.json", "model*.safetensors*", "adapter_model.*",
    "pytorch_model*", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "spiece.model",
    "sentencepiece.bpe.model", "*processor_config.json", "chat_template*",
)  # fmt: skip


def student_folder(path: str | Path) -> WholeFolder:
    """A folder that a student is saved in as a whole; files that are none of a student's stay in it."""
    return WholeFolder(expand_path(path), lambda name: any(fnmatchcase(name, pattern) for pattern in READ), OPENED_BY)
