"""Reciprocal rank fusion: the formula, ties, documents that one search alone found, and many queries."""

import pytest
import torch

from optical_hf.stores import rank_fusion
from optical_hf.stores.rank_fusion import fuse_ranks
from optical_hf.stores.search_engine import SearchResult


def result(rows):
    positions = torch.tensor(rows)
    return SearchResult(torch.zeros(positions.shape), positions)


def by_hand(lists, constant):
    scores = {}
    for number, rows in enumerate(lists):
        for rank, row in enumerate(rows, start=1):
            if row >= 0:
                scores[row] = scores.get(row, 0) + (1 if number else 1 + rank_fusion.FIRST) / (constant + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


@pytest.mark.parametrize("constant", [1, 60])
def test_the_formula_for_many_queries(constant, monkeypatch):
    monkeypatch.setattr(rank_fusion, "AT_ONCE", 3)
    generator = torch.Generator().manual_seed(0)
    lists = [torch.stack([torch.randperm(30, generator=generator)[:9] for _ in range(8)]) for _ in range(2)]
    lists[1][2, 4:] = -1
    found = fuse_ranks([result(rows.tolist()) for rows in lists], 12, constant)
    for query in range(8):
        wanted = by_hand([rows[query].tolist() for rows in lists], constant)[:12]
        assert found.positions[query, : len(wanted)].tolist() == [row for row, _ in wanted]
        assert found.scores[query, : len(wanted)].tolist() == pytest.approx([score for _, score in wanted])


def test_a_tie_is_decided_by_the_first_search():
    assert fuse_ranks([result([[9]]), result([[2]])], 2).positions.tolist() == [[9, 2]]


def test_nothing_found_stays_nothing():
    found = fuse_ranks([result([[-1, -1]]), result([[-1]])], 3)
    assert found.positions.tolist() == [[-1, -1, -1]]
    assert torch.isneginf(found.scores).all()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="results to fuse"):
        fuse_ranks([], 3)
    with pytest.raises(ValueError, match="-1"):
        fuse_ranks([result([[1]])], 3, constant=-1)
