"""Tiny models made in memory, and a collection on which what they find is known."""

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding
from tiny_translators import ENGLISH, GERMAN, SOMALI
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from optical_hf.data import RetrievalCollection

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", *ENGLISH, *GERMAN, *SOMALI]


def word_tokenizer(words: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def dictionary_model(known: list[list[str]], seed: int = 0) -> SentenceTransformer:
    """A model that gives a word of any of the `known` languages the vector of the English word, and others noise."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(len(WORDS), 32, generator=generator)
    for language in known:
        for english, foreign in zip(ENGLISH, language, strict=True):
            meaning = torch.Generator().manual_seed(1000 + ENGLISH.index(english))
            weights[WORDS.index(foreign)] = torch.randn(32, generator=meaning)
    embedding = StaticEmbedding(word_tokenizer(WORDS), embedding_weights=weights.numpy())
    return SentenceTransformer(modules=[embedding, Normalize()], device="cpu")


@pytest.fixture(scope="session")
def teacher() -> SentenceTransformer:
    """Knows English."""
    return dictionary_model([ENGLISH])


@pytest.fixture(scope="session")
def student() -> SentenceTransformer:
    """Knows English and German, and no Somali."""
    return dictionary_model([ENGLISH, GERMAN], seed=1)


@pytest.fixture(scope="session")
def bert() -> SentenceTransformer:
    """A two-layer encoder with random weights: what it finds means nothing, but it has tokens."""
    tokenizer = word_tokenizer(WORDS)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    return SentenceTransformer(
        modules=[*_transformer(BertModel(config), fast), Pooling(32, "mean"), Normalize()], device="cpu"
    )


def _transformer(model: BertModel, tokenizer: PreTrainedTokenizerFast) -> list[Transformer]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return [Transformer(folder)]


@pytest.fixture(scope="session")
def collection() -> RetrievalCollection:
    """Eight words in German and Somali, with the English as documents."""
    return RetrievalCollection.from_lines(
        "words",
        {"de": (GERMAN, ENGLISH), "so": (SOMALI, ENGLISH)},
        [f"a {word}" for word in ENGLISH],
        translations={"de": ENGLISH, "so": ENGLISH[::-1]},
    )
