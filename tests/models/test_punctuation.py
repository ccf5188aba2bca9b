"""Which pieces are punctuation, in every family of tokenizers: the text of a piece decides, not the tokenizer's spelling of it."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from optical_hf.models.tokens import empty_ids

SPECIAL = {"unk_token": "[UNK]", "pad_token": "[PAD]"}


def spelled_as_bytes(text: str) -> str:
    [(piece, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return piece


def of_bytes(text: str, end: str = "") -> PreTrainedTokenizerFast:
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL.values(), spelled_as_bytes(text) + end])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]", **({"end_of_word_suffix": end} if end else {})))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def clip(text: str) -> PreTrainedTokenizerFast:
    return of_bytes(text, "</w>")


def words(text: str) -> PreTrainedTokenizerFast:
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL.values(), f"##{text.strip()}"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def sentences(text: str) -> PreTrainedTokenizerFast:
    scores = [*((piece, 0.0) for piece in SPECIAL.values()), (text.replace(" ", "▁"), -1.0)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


PUNCTUATION = [" (", "(", "\n", " \n\n", " ", ".", "...", "。", "،", " —", "“", "$", " =", "|", "●", "─", "‼"]
CONTENT = ["a", " dog", "é", " été", "कि", "ि", "水", "⺩", "7", "٣", "no.", "🙂", " 🙂", "❤", "🏽", "🇸", "👩‍🚀", "s)"]


@pytest.mark.parametrize("family", [of_bytes, clip, words, sentences])
@pytest.mark.parametrize("text", [*PUNCTUATION, *CONTENT])
def test_the_text_of_a_piece_decides(family, text):
    tokenizer = family(text)
    assert empty_ids(tokenizer, len(tokenizer)) == ((1,) if text in CONTENT else (1, 2))


def test_bytes_that_stand_for_themselves_and_parts_of_a_character():
    pieces = ["<0x28>", "<0x0A>", "<0x41>", "<0xF0>", "<0x9F>", "▁"]
    tokenizer = Tokenizer(models.Unigram([*((p, 0.0) for p in [*SPECIAL.values(), *pieces])], 0, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
    assert empty_ids(fast, len(fast)) == (1, 2, 3, 7)  # "(", the end of a line, the space
    part = of_bytes("🙂")
    part.add_tokens([spelled_as_bytes("🙂")[:2]])
    assert empty_ids(part, len(part)) == (1,)
