"""The fingerprint of an encoder: the same after saving and loading, another for whatever moves its vectors."""

from copy import deepcopy
from itertools import combinations

import pytest
import torch
from peft import LoraConfig
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, normalizers
from tokenizers.models import WordLevel
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from optical_hf.evaluation.encode.encoding import fingerprint
from optical_hf.models.fingerprint import encoder_fingerprint
from optical_hf.models.tiny import tiny_encoder, tiny_tokenizer

TEXTS = ["a red ball", "two dogs run", "a man on the boat"]


MADE: dict[int, SentenceTransformer] = {}


def tiny(vocabulary_size: int = 40) -> SentenceTransformer:
    if vocabulary_size not in MADE:
        MADE[vocabulary_size] = tiny_encoder(TEXTS, width=16, vocabulary_size=vocabulary_size)
    return deepcopy(MADE[vocabulary_size])


def lora(alpha: int):
    def change(model):
        torch.manual_seed(0)
        model.add_adapter(LoraConfig(r=2, lora_alpha=alpha, target_modules=["query"], init_lora_weights=False))

    return change


def one_weight(model):
    with torch.no_grad():
        next(model.parameters()).view(-1)[7] += 1e-3


def asymmetric(model):
    other = tiny()
    one_weight(other)
    return SentenceTransformer(
        modules=[Router.for_query_document(query_modules=list(model), document_modules=list(other))], device="cpu"
    )


def asymmetric_pooling(model):
    found = asymmetric(model)
    found[0].sub_modules["document"][1].pooling_mode = "max"
    return found


CHANGES = {
    "truncate_dim": lambda model: setattr(model, "truncate_dim", 8),
    "prompt": lambda model: setattr(model, "prompts", {"query": "query: "}),
    "default prompt": lambda model: setattr(model, "default_prompt_name", "query"),
    "length": lambda model: setattr(model, "max_seq_length", 5),
    "weight": one_weight,
    "half precision": lambda model: model.half(),
    "backbone": lambda model: setattr(model[0].model.config, "layer_norm_eps", 1e-3),
    "pooling": lambda model: setattr(model[1], "pooling_mode", "cls"),
    "module": lambda model: model.pop(2),
    "normaliser": lambda model: setattr(model.tokenizer.backend_tokenizer, "normalizer", normalizers.NFC()),
    "vocabulary": lambda model: tiny(39),
    "adapter": lora(4),
    "scale of the adapter": lora(8),
    "two routes": asymmetric,
    "pooling of a route": asymmetric_pooling,
}


def test_whatever_moves_vectors_changes_the_fingerprint():
    found = {"as it is": encoder_fingerprint(tiny())}
    for name, change in CHANGES.items():
        model = tiny()
        changed = change(model)
        found[name] = encoder_fingerprint(changed if isinstance(changed, SentenceTransformer) else model)
    same = [(one, other) for one, other in combinations(found, 2) if found[one] == found[other]]
    assert not same


def test_saving_and_loading_and_reading_keep_it(tmp_path):
    tiny().save_pretrained(str(tmp_path / "here"))
    loaded = SentenceTransformer(str(tmp_path / "here"), device="cpu")
    before = encoder_fingerprint(loaded)
    loaded.encode(TEXTS)
    assert encoder_fingerprint(loaded) == before
    loaded.save_pretrained(str(tmp_path / "there"))
    assert encoder_fingerprint(SentenceTransformer(str(tmp_path / "there"), device="cpu")) == before


def test_a_static_embedding_is_known_by_its_tokenizer():
    def static(lower: bool) -> SentenceTransformer:
        tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
        if lower:
            tokenizer.normalizer = normalizers.Lowercase()
        embedding = StaticEmbedding(tokenizer, embedding_weights=torch.eye(2).numpy())
        return SentenceTransformer(modules=[embedding], device="cpu")

    assert encoder_fingerprint(static(True)) == encoder_fingerprint(static(True)) != encoder_fingerprint(static(False))


def test_an_image_encoder_is_known_by_its_image_processor(tmp_path):
    tokenizer = tiny_tokenizer(TEXTS, 60, 16)
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 16, **small},
        vision_config={"image_size": 16, "patch_size": 8, **small},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(tmp_path)
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(tmp_path)
    model = SentenceTransformer(str(tmp_path), device="cpu")
    before = encoder_fingerprint(model)
    assert before == encoder_fingerprint(SentenceTransformer(str(tmp_path), device="cpu"))
    model[0].processor.image_processor.image_mean = [0.1, 0.1, 0.1]
    assert encoder_fingerprint(model) != before


def test_an_image_is_known_by_its_shape_and_mode_too():
    pixels = bytes(range(12))
    images = [
        *(Image.frombytes("L", size, pixels) for size in ((12, 1), (1, 12), (4, 3))),
        Image.frombytes("RGB", (4, 1), pixels),
        Image.frombytes("RGB", (4, 1), bytes(12)),
        pixels.decode(),
    ]
    found = {fingerprint(tiny(), [item], ("document",)) for item in images}
    assert len(found) == len(images)


@pytest.mark.parametrize("setting", [("query",), ("document",), ("document", 1)])
def test_settings_and_the_order_of_items_count(setting):
    model = tiny()
    assert fingerprint(model, TEXTS, setting) == fingerprint(model, TEXTS, setting)
    assert fingerprint(model, TEXTS, setting) != fingerprint(model, TEXTS[::-1], setting)
    assert fingerprint(model, TEXTS, setting) != fingerprint(model, TEXTS, (*setting, None))
