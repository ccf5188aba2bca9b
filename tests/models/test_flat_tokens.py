"""Texts that flash attention reads end to end, without padding, give the token sets of a padded batch."""

import tiny_pairs
import torch
from sentence_transformers.util import batch_to_device

from optical_hf.models.tokens import preprocess_queries, token_set


def test_end_to_end_is_padded_again():
    model = tiny_pairs.backbone().eval()
    features = batch_to_device(preprocess_queries(model, ["Ein Hund.", "Drei Jungen schlafen!", "गाढव"]), model.device)
    with torch.no_grad():
        output = model(dict(features), task="query")
    padded = token_set(model, features, output)

    mask = features["attention_mask"].bool()
    lengths = mask.sum(1)
    flat = {
        "token_embeddings": output["token_embeddings"][mask].unsqueeze(0),
        "input_ids": features["input_ids"][mask].unsqueeze(0),
        "cu_seq_lens_q": torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]),
        "sentence_embedding": output["sentence_embedding"],
    }
    found = token_set(model, {"input_ids": flat["input_ids"]}, flat)
    assert torch.equal(found.mask_BN, padded.mask_BN)
    assert torch.equal(found.content_BN, padded.content_BN)
    assert torch.equal(found.tokens_BND[mask], padded.tokens_BND[mask])
    assert torch.equal(found.vector_BD, padded.vector_BD)
    assert flat["token_embeddings"].shape[0] == 1  # what the model returned is left as it was
