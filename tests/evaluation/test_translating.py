"""Translation by tiny Marian, M2M100 and NLLB checkpoints that are made here and learn a dictionary of sixteen words."""

import json
from dataclasses import replace

import pytest
import torch
from evaluation.conftest import ENGLISH, GERMAN, SOMALI
from transformers import M2M100Config, M2M100ForConditionalGeneration, MarianConfig, MarianMTModel, NllbTokenizer

from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.translate.seq2seq import Seq2SeqTranslator, language_codes, load_translator, translator_of

QUIET = {"progress": False, "rounds": 100}
SIZES = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 32, "dropout": 0.0, "pad_token_id": 1,
    "activation_dropout": 0.0, "attention_dropout": 0.0, "init_std": 0.2, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0,
}  # fmt: skip
PAIRS = [*zip(GERMAN, ENGLISH, strict=True), *zip(SOMALI, ENGLISH, strict=True)]


def sentence_pieces(folder):
    """A sentencepiece model of the words, and their pieces numbered as transformers wants them."""
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([word for pair in PAIRS for word in pair] * 5), model_prefix=str(folder / "pieces"),
        vocab_size=60, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    known = [spm.id_to_piece(i) for i in range(spm.get_piece_size())]
    return {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *known[3:]])}


def learnt(model, tokenizer, prepare):
    """Gradient steps until the model has the dictionary by heart."""
    torch.manual_seed(0)
    sources, targets = prepare([foreign for foreign, _ in PAIRS]), tokenizer(text_target=[e for _, e in PAIRS])
    labels = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(ids) for ids in targets["input_ids"]], batch_first=True, padding_value=-100
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(400):
        loss = model(**sources, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 5e-3:
            break
    assert loss < 5e-2
    return model.eval()


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    from transformers import MarianTokenizer

    folder = tmp_path_factory.mktemp("marian")
    vocabulary = sentence_pieces(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    pieces = str(folder / "pieces.model")
    tokenizer = MarianTokenizer(pieces, pieces, str(folder / "vocab.json"), source_lang="mul", target_lang="eng")
    config = MarianConfig(
        vocab_size=len(vocabulary), eos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=2, **SIZES
    )
    torch.manual_seed(0)
    model = learnt(MarianMTModel(config), tokenizer, lambda texts: tokenizer(texts, padding=True, return_tensors="pt"))
    return saved(model, tokenizer, folder / "saved")


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    """Its byte pairs are merged to whole words."""
    merges = [("▁" + word[:i], word[i]) for pair in PAIRS for word in pair for i in range(len(word))]
    letters = sorted({letter for merge in merges for letter in merge[1]})
    tokens = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", "▁", *letters, *(a + b for a, b in merges)])
    tokenizer = NllbTokenizer(
        vocab={token: i for i, token in enumerate(tokens)}, merges=list(dict.fromkeys(merges)), tgt_lang="eng_Latn"
    )
    return learnt_by_language(tokenizer, len(tokenizer), ("deu_Latn", "som_Latn"), tmp_path_factory.mktemp("nllb"))


@pytest.fixture(scope="module")
def m2m100(tmp_path_factory):
    from transformers import M2M100Tokenizer

    folder = tmp_path_factory.mktemp("m2m100")
    vocabulary = sentence_pieces(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "pieces.model"), tgt_lang="en")
    return learnt_by_language(tokenizer, len(vocabulary) + 108, ("de", "so"), folder / "saved")


def learnt_by_language(tokenizer, size, codes, folder):
    config = M2M100Config(vocab_size=size, eos_token_id=2, decoder_start_token_id=2, **SIZES)

    def prepare(texts):
        rows = []
        for code, part in zip(codes, (texts[:8], texts[8:]), strict=True):
            tokenizer.src_lang = code
            rows += tokenizer(part)["input_ids"]
        return tokenizer.pad({"input_ids": rows}, return_tensors="pt")

    torch.manual_seed(0)
    model = learnt(M2M100ForConditionalGeneration(config), tokenizer, prepare)
    return saved(model, tokenizer, folder)


def saved(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["marian", "nllb", "m2m100"])
def test_a_checkpoint_translates_by_its_own_conventions(name, request):
    translate = load_translator(request.getfixturevalue(name), batch_size=3, progress=False)
    assert translate(GERMAN, "de") == ENGLISH
    assert translate(SOMALI, "som") == ENGLISH
    assert translate([], "de") == []
    assert translate([" ".join(["hund"] * 60), "mond"], "de")[1] == "moon"  # more than there are positions


def test_multilingual_models_are_told_both_languages(m2m100):
    translate = load_translator(m2m100, progress=False, options={"num_beams": 1})
    seen = []
    generate = translate.model.generate
    translate.model.generate = lambda **inputs: seen.append(inputs) or generate(**inputs)
    translate(["eey", "webi"], "so")
    assert seen[0]["input_ids"][:, 0].tolist() == [translate.tokenizer.get_lang_id("so")] * 2
    assert seen[0]["forced_bos_token_id"] == translate.tokenizer.get_lang_id("en")
    assert seen[0]["num_beams"] == 1


def test_long_and_short_texts_keep_their_places_and_cut_ones_are_counted(nllb, caplog):
    translate = load_translator(nllb, batch_size=2, progress=False)
    longer = [" ".join(["hund"] * 40), *GERMAN]
    assert translate(longer, "de")[1:] == ENGLISH
    assert "1 of 9 texts in de fill the translator's 32 tokens" in caplog.text


def test_a_language_the_model_does_not_read_is_an_error(nllb, marian):
    translate = load_translator(nllb, progress=False)
    with pytest.raises(ValueError, match=r"does not read la \(Latin\)"):
        translate(["canis"], "la")
    one = load_translator(marian, progress=False)
    one.tokenizer.source_lang = "deu"
    with pytest.raises(ValueError, match="reads de, the texts are in so"):
        one(["eey"], "so")


class Markers:
    """Only what `_direction` asks of a tokenizer."""

    def __init__(self, tokens):
        self.tokens = tokens

    def get_vocab(self):
        return dict.fromkeys(self.tokens, 0)


def test_models_that_write_many_languages_are_told_to_write_english():
    for tokens, marker in (([">>fra<<"], None), (["<2de>", "<2en>"], "<2en> "), (["a"], "")):
        tokenizer = Markers(tokens)
        tokenizer.supported_language_codes = [token for token in tokens if token.startswith(">>")]
        translator = Seq2SeqTranslator(torch.nn.Linear(1, 1), tokenizer)
        translator.model.name_or_path = "x"
        if marker is None:
            with pytest.raises(ValueError, match="does not write en"):
                translator._direction("de")
        else:
            assert translator._direction("de") == (marker, {})


def test_what_is_no_translator_is_one_line_that_says_so(tmp_path, bert):
    with pytest.raises(ValueError, match="cannot read the translator"):
        load_translator(tmp_path / "nothing")
    bert[0].model.save_pretrained(tmp_path)
    bert[0].tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="cannot read the translator"):
        load_translator(tmp_path)


def test_named_translators_serve_the_systems_that_read_translations(teacher, collection, nllb):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    for translator in (nllb, {"de": nllb, "som": nllb}):
        report = evaluate_retrieval(
            None, teacher, bare, systems=("translate_query", "bm25"), translator=translator, high=["de"], **QUIET
        )
        for system in report.systems.values():
            assert system.mean == 1.0
    with pytest.raises(ValueError, match="no translator for so: there is one for de"):
        translator_of({"de": nllb}, progress=False)(["eey"], "so")


def test_each_query_is_translated_once_for_all_systems(teacher, collection):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    words = dict(PAIRS)
    asked = []

    def translate(texts, language):
        asked.extend(texts)
        return [words[text] for text in texts]

    evaluate_retrieval(
        None, teacher, bare, systems=("translate_query", "bm25"), translator=translate, high=["de"], **QUIET
    )
    assert sorted(asked) == sorted(GERMAN + SOMALI)


def test_codes_of_a_tokenizer_without_any():
    assert language_codes(Markers([])) == {}
