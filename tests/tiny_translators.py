"""Tiny Marian, M2M100 and NLLB checkpoints with a dictionary of eight words in three languages, learnt here in a second or two."""

import json
from pathlib import Path

import pytest
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration, MarianConfig, MarianMTModel, NllbTokenizer

ENGLISH = ["dog", "house", "tree", "river", "bread", "moon", "stone", "bird"]
GERMAN = ["hund", "haus", "baum", "fluss", "brot", "mond", "stein", "vogel"]
SOMALI = ["eey", "guri", "geed", "webi", "rooti", "dayax", "dhagax", "shimbir"]
INTO_ENGLISH = [*zip(GERMAN, ENGLISH, strict=True), *zip(SOMALI, ENGLISH, strict=True)]
OUT_OF_ENGLISH = [(english, foreign) for foreign, english in INTO_ENGLISH]
SIZES = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 32, "dropout": 0.0, "pad_token_id": 1,
    "activation_dropout": 0.0, "attention_dropout": 0.0, "init_std": 0.2, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0,
}  # fmt: skip


def marian(folder: Path, source: str = "mul", target: str = "eng", pairs=INTO_ENGLISH) -> Path:
    """One that translates all its pairs in one direction."""
    from transformers import MarianTokenizer

    vocabulary = sentence_pieces(folder)
    pieces = str(folder / "pieces.model")
    tokenizer = MarianTokenizer(pieces, pieces, str(folder / "vocab.json"), source_lang=source, target_lang=target)
    config = MarianConfig(
        vocab_size=len(vocabulary), eos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=2, **SIZES
    )
    torch.manual_seed(0)
    sources = tokenizer([text for text, _ in pairs], padding=True, return_tensors="pt")
    labels = tokenizer(text_target=[text for _, text in pairs])["input_ids"]
    return saved(learnt(MarianMTModel(config), sources, labels), tokenizer, folder / "saved")


def nllb(folder: Path, outwards: bool = False) -> Path:
    """Reads German and Somali, or writes them; its byte pairs are merged to whole words."""
    merges = [("▁" + word[:i], word[i]) for pair in INTO_ENGLISH for word in pair for i in range(len(word))]
    letters = sorted({letter for merge in merges for letter in merge[1]})
    tokens = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", "▁", *letters, *(a + b for a, b in merges)])
    tokenizer = NllbTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=list(dict.fromkeys(merges)))
    codes = {"en": "eng_Latn", "de": "deu_Latn", "so": "som_Latn"}
    return learnt_by_language(tokenizer, len(tokenizer), codes, outwards, folder)


def m2m100(folder: Path, outwards: bool = False) -> Path:
    """Reads German and Somali, or writes them."""
    from transformers import M2M100Tokenizer

    vocabulary = sentence_pieces(folder)
    tokenizer = M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "pieces.model"))
    codes = {code: code for code in ("en", "de", "so")}
    return learnt_by_language(tokenizer, len(vocabulary) + 108, codes, outwards, folder / "saved")


def sentence_pieces(folder: Path) -> dict[str, int]:
    """A sentencepiece model of the words; its pieces numbered as transformers wants them, in vocab.json."""
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([word for pair in INTO_ENGLISH for word in pair] * 5), model_prefix=str(folder / "pieces"),
        vocab_size=60, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    known = [spm.id_to_piece(i) for i in range(spm.get_piece_size())]
    vocabulary = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *known[3:]])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    return vocabulary


def learnt_by_language(tokenizer, size: int, codes: dict[str, str], outwards: bool, folder: Path) -> Path:
    """A model that is told source and target by the tokens of their languages."""
    sources, labels = [], []
    for code, words in (("de", GERMAN), ("so", SOMALI)):
        sides = (codes["en"], ENGLISH), (codes[code], words)
        (source, texts), (target, translations) = sides if outwards else sides[::-1]
        tokenizer.src_lang, tokenizer.tgt_lang = source, target
        sources += tokenizer(texts)["input_ids"]
        labels += tokenizer(text_target=translations)["input_ids"]
    torch.manual_seed(0)
    config = M2M100Config(vocab_size=size, eos_token_id=2, decoder_start_token_id=2, **SIZES)
    batch = tokenizer.pad({"input_ids": sources}, return_tensors="pt")
    return saved(learnt(M2M100ForConditionalGeneration(config), batch, labels, told=1), tokenizer, folder)


def learnt(model, sources, labels: list[list[int]], told: int = 0):
    """Gradient steps until the model has the dictionary by heart; the first `told` tokens it is given and need not predict."""
    rows = [torch.tensor(ids) for ids in labels]
    labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
    start = torch.full((len(rows), 1), model.config.decoder_start_token_id)
    before = torch.cat([start, labels[:, :-1]], dim=1)
    before, labels[:, :told] = before.masked_fill(before == -100, model.config.pad_token_id), -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(400):
        loss = model(**sources, decoder_input_ids=before, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 5e-3:
            break
    assert loss < 5e-2
    return model.eval()


def saved(model, tokenizer, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
