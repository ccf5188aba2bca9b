"""Token sets: which tokens carry content, and what becomes of texts that have none."""

import tiny_pairs
import torch
from transformers import BertTokenizer

from optical_hf.models.tokens import empty_ids, iter_token_sets
from optical_hf.models.views import as_backbone, as_late_interaction


def tokenizer(tmp_path):
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "##s", ".", "##!", "7"])
    )
    return BertTokenizer(str(tmp_path / "vocab.txt"))


def test_special_tokens_and_punctuation_carry_nothing_but_the_unknown_word_does(tmp_path):
    words = tokenizer(tmp_path)
    kept = set(range(len(words))) - set(empty_ids(words, len(words)))
    assert kept == set(words.convert_tokens_to_ids(["[UNK]", "dog", "##s", "7"]))


def test_a_tokenizer_that_grew_is_read_again(tmp_path):
    words = tokenizer(tmp_path)
    before = empty_ids(words, len(words))
    words.add_tokens(["!?"])
    assert set(empty_ids(words, len(words))) == {*before, words.convert_tokens_to_ids("!?")}


def test_a_text_without_content_keeps_its_tokens():
    model = tiny_pairs.backbone()
    [tokens] = iter_token_sets(model, ["Ein Hund.", "", "..."])
    assert torch.equal(tokens.content_BN[1], tokens.mask_BN[1])
    assert tokens.content_BN[0].sum() < tokens.mask_BN[0].sum()
    assert not (tokens.content_BN & ~tokens.mask_BN).any()


def test_reading_tokens_leaves_the_model_in_its_mode():
    model = tiny_pairs.backbone().train()
    list(iter_token_sets(model, ["Ein Hund."]))
    assert model.training


def test_tokens_have_unit_length_where_tokens_are_searched_and_any_length_where_they_are_pooled():
    model = tiny_pairs.backbone()
    [pooled] = iter_token_sets(model, ["Ein Hund.", "Zwei Hunde laufen."])
    [searched] = iter_token_sets(as_late_interaction(model), ["Ein Hund.", "Zwei Hunde laufen."])
    length = pooled.tokens_BND.norm(dim=-1)[pooled.mask_BN]
    one = torch.ones_like(length)
    assert (length - one).abs().min() > 0.01
    torch.testing.assert_close(searched.tokens_BND.norm(dim=-1)[searched.mask_BN], one)
    torch.testing.assert_close(pooled.vector_BD.norm(dim=-1), one[:2])
    assert (searched.vector_BD.norm(dim=-1) < 1).all()
    [raw] = iter_token_sets(as_backbone(as_late_interaction(model)), ["Ein Hund.", "Zwei Hunde laufen."])
    torch.testing.assert_close(raw.tokens_BND, pooled.tokens_BND)
