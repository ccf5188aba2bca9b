"""A tiny encoder from nothing: a byte-pair tokenizer learnt from texts and a small BERT with random weights.

For the demo and for tests, where no pretrained model may be downloaded; the tokenizer and the model are those of the
libraries.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def tiny_tokenizer(texts: Iterable[str], vocabulary_size: int = 2000, max_length: int = 64) -> PreTrainedTokenizerFast:
    """Learn a lower-casing byte-pair tokenizer from texts; the same texts give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = list(SPECIAL.values())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (SPECIAL["cls_token"], SPECIAL["sep_token"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **SPECIAL)


def tiny_encoder(
    texts: Iterable[str],
    *,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    vocabulary_size: int = 2000,
    max_length: int = 64,
    seed: int = 0,
) -> SentenceTransformer:
    """Build a small one-vector encoder with random weights over a tokenizer learnt from `texts`.

    Args:
        texts: what the tokenizer is learnt from.
        width: width of the token vectors.
        layers: transformer layers.
        heads: attention heads; divides `width`.
        vocabulary_size: pieces of the tokenizer at most.
        max_length: tokens of a text at most.
        seed: of the weights.

    Returns:
        A `SentenceTransformer` of Transformer, mean Pooling, Normalize.

    Example:
        >>> encoder = tiny_encoder(["a red ball", "two dogs"], width=16, vocabulary_size=40)
        >>> encoder.encode(["a red dog"]).shape
        (1, 16)
    """
    tokenizer = tiny_tokenizer(texts, vocabulary_size, max_length)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=max_length,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(config)
    with tempfile.TemporaryDirectory() as folder:  # sentence-transformers reads a backbone from a folder only
        # not model.save_pretrained: once torch.distributed is up, it writes on the main process alone
        Path(folder, "config.json").write_text(config.to_json_string(use_diff=False), encoding="utf-8")
        save_file(model.state_dict(), Path(folder, "model.safetensors"), metadata={"format": "pt"})
        tokenizer.save_pretrained(folder)
        transformer = Transformer(str(Path(folder)))
    return SentenceTransformer(modules=[transformer, Pooling(width, "mean"), Normalize()])
