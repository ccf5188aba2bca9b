"""Negatives near the target: what they gain in a crowded index, and where they come from: vectors that nobody reads."""

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from test_contrastive_map import ridge
from test_index_documents import texts, with_vectors
from torch.nn.functional import normalize

from optical_hf.models import fit_alignment
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive, info_nce
from optical_hf.models.alignment.hard_negatives import nearest_others
from optical_hf.models.alignment.map_descent import ContrastiveMap, ContrastiveSettings


def test_copies_of_a_target_come_last():
    pool_MK = normalize(torch.tensor([[1.0, 0], [1, 0], [1, 1], [0, 1], [-1, 0]]), dim=1)
    assert nearest_others(pool_MK[:1], pool_MK, 3).tolist() == [[2, 3, 4]]
    assert set(nearest_others(pool_MK[:1], pool_MK, 9)[0, 3:].tolist()) == {0, 1}


def test_they_are_negatives_of_their_own_row_and_no_copy_of_its_target():
    one = torch.eye(3)
    near_BHK = torch.stack([one[2:], one[1:2]])  # of the first row; and the second row's own target
    loss = info_nce(one[:2], one[:2], one[2:], 1.0, near_BHK)
    wanted = torch.log(1 + torch.tensor([3.0, 2.0]) / torch.e).mean()
    assert torch.allclose(loss, wanted)


def test_in_a_crowded_index_near_negatives_retrieve_more_than_random_ones():
    """Six hundred groups of four near targets: chance seldom draws another of the own group."""
    generator = torch.Generator().manual_seed(0)
    group_NK = torch.randn(600, 16, generator=generator).repeat_interleave(4, 0)
    own_NK = 0.2 * torch.randn(2400, 16, generator=generator)
    noises = [scale * torch.randn(2400, 16, generator=generator) for scale in (0.5, 0.1)]
    source_ND, target_NK = torch.cat([group_NK + noises[0], own_NK + noises[1]], 1), normalize(group_NK + own_NK, dim=1)
    fitted, new, found = slice(0, None, 2), slice(1, None, 2), {}
    for hard in (0, 4):
        settings = ContrastiveSettings(0.05, 150, 64, negatives=16, hard_negatives=hard, learning_rate=3e-3)
        rows = [ContrastiveRows(source_ND[fitted], target_NK[fitted])]
        weight_KD, bias_K, _ = fit_contrastive(rows, target_NK, ridge(source_ND[fitted], target_NK[fitted]), settings)
        score_NM = normalize(source_ND[new] @ weight_KD.T + bias_K, dim=1) @ target_NK.T
        found[hard] = float((score_NM.argmax(1) == torch.arange(2400)[new]).float().mean())
    assert found[4] > found[0] + 0.04


def test_vectors_of_documents_that_nobody_reads_are_negatives(monkeypatch):
    seen = {}

    def no_fit(rows, negatives, start, settings, *, progress):
        seen.update(negatives=negatives, hard=settings.hard_negatives)
        return ContrastiveMap(start[0].detach(), start[1], [0.0])

    monkeypatch.setattr("optical_hf.models.alignment.fit_alignment.fit_contrastive", no_fit)
    student, teacher = tiny_pairs.pair()
    documents = with_vectors(teacher, texts())
    report = fit_alignment(student, teacher, documents=documents, max_documents=20, regularisation=1e-3, progress=False)
    assert report.documents == 20
    assert len(seen["negatives"]) == len(texts())
    assert seen["hard"] == 8
    given = torch.tensor(documents["vector"][:], dtype=torch.float32)
    assert torch.equal(seen["negatives"].unique(dim=0), given.unique(dim=0))
    fit_alignment(student, teacher, documents=texts(), max_documents=20, regularisation=1e-3, progress=False)
    assert (len(seen["negatives"]), seen["hard"]) == (20, 0)  # texts without vectors
    few = {"max_documents": 20, "hard_negatives": 2, "regularisation": 1e-3, "progress": False}
    fit_alignment(student, teacher, documents=documents, **few)
    assert seen["hard"] == 2


def test_vectors_that_nobody_reads_are_checked():
    documents = Dataset.from_dict({"text": ["a", "b", "c"], "vector": [[1.0, 0.0]] * 3})
    assert ChosenDocuments.of(documents, 1, 0, 2).unread_vectors(2).shape == (2, 2)
    assert ChosenDocuments.of(documents, 3, 0, 2).unread_vectors(2).shape == (0, 2)
    assert ChosenDocuments.of(["a", "b", "c"], 1, 0, 2).unread_vectors(2).shape == (0, 2)
    with pytest.raises(ValueError, match="documents: their vectors are 2 wide, the teacher's 3"):
        ChosenDocuments.of(documents, 1, 0, 2).unread_vectors(3)
    zero = Dataset.from_dict({"text": ["a", "b"], "vector": [[0.0, 0.0]] * 2})
    with pytest.raises(ValueError, match="documents: 1 of 1 vectors are NaN, infinite or zero"):
        ChosenDocuments.of(zero, 1, 0, 2).unread_vectors(2)


def test_negatives_near_one_vector_are_not_for_tokens():
    student, teacher = tiny_pairs.pair(kind="late_interaction")
    with pytest.raises(ValueError, match="hard_negatives are near the one vector of a text"):
        fit_alignment(student, teacher, documents=texts(), hard_negatives=4, progress=False)
