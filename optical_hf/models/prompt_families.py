"""Families of encoders that were trained with a prompt in front of each text, by name: data, with the card each line is from.

The first family whose pattern is found in a name is its family.
"""

import re
from typing import NamedTuple

SENTENCE = "Represent this sentence for searching relevant passages: "
INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


class PromptFamily(NamedTuple):
    """What goes in front of a query and of a document; "" where nothing does.

    Attributes:
        name: what it is called.
        pattern: a regular expression for the last part of a hub id or of a path, in lower case.
        query: in front of queries.
        document: in front of documents.
        source: whose card says so.
    """

    name: str
    pattern: str
    query: str
    document: str
    source: str


FAMILIES = (
    PromptFamily(
        "E5 instruct", r"\be5-.*instruct", f"{INSTRUCT} ", "", "huggingface.co/intfloat/multilingual-e5-large-instruct"
    ),
    PromptFamily(
        "E5", r"\be5-(small|base|large)", "query: ", "passage: ", "huggingface.co/intfloat/multilingual-e5-small"
    ),
    PromptFamily("BGE", r"\bbge-(small|base|large)-en", SENTENCE, "", "huggingface.co/BAAI/bge-small-en-v1.5"),
    PromptFamily(
        "BGE zh", r"\bbge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", "",
        "huggingface.co/BAAI/bge-small-zh-v1.5",
    ),
    PromptFamily(
        "BGE Gemma", r"\bbge-multilingual-gemma2",
        "<instruct>Given a web search query, retrieve relevant passages that answer the query.\n<query>", "",
        "huggingface.co/BAAI/bge-multilingual-gemma2",
    ),
    PromptFamily(
        "Arctic Embed 2", r"arctic-embed-[ml]-v2", "query: ", "",
        "huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0",
    ),
    PromptFamily("Arctic Embed", r"arctic-embed-(xs|s|m|l)", SENTENCE, "", "huggingface.co/Snowflake/snowflake-arctic-embed-m"),
    PromptFamily(
        "Nomic Embed", r"nomic-embed-text|modernbert-embed", "search_query: ", "search_document: ",
        "huggingface.co/nomic-ai/nomic-embed-text-v1.5",
    ),
    PromptFamily("Qwen3-Embedding", r"qwen3-embedding", INSTRUCT, "", "huggingface.co/Qwen/Qwen3-Embedding-0.6B"),
    PromptFamily(
        "EmbeddingGemma", r"embedding-?gemma", "task: search result | query: ", "title: none | text: ",
        "huggingface.co/google/embeddinggemma-300m",
    ),
    PromptFamily("GTE-Qwen", r"gte-qwen", f"{INSTRUCT} ", "", "huggingface.co/Alibaba-NLP/gte-Qwen2-1.5B-instruct"),
    PromptFamily("mxbai", r"mxbai-embed-large", SENTENCE, "", "huggingface.co/mixedbread-ai/mxbai-embed-large-v1"),
)  # fmt: skip


def family_of(name: str) -> PromptFamily | None:
    """The family of a model by its hub id or folder, None where it is of none that wants a prompt.

    Example:
        >>> family_of("intfloat/multilingual-e5-small").query
        'query: '
        >>> family_of("BAAI/bge-m3") is None
        True
    """
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1].lower().replace("_", "-")
    return next((family for family in FAMILIES if re.search(family.pattern, last)), None)
