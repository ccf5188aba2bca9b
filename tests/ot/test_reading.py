"""Reading a plan: barycentres, word alignment, a picture."""

import sys

import pytest
import torch

from optical_hf.ot import alignment_heatmap, barycentric_map, cosine_cost, hard_alignment, solve


def test_barycentres_are_weighted_means_and_ignore_padding() -> None:
    plan = torch.tensor([[[0.1, 0.3, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    target = torch.tensor([[[1.0, 0.0], [5.0, 2.0], [torch.nan, torch.inf]]])
    image = barycentric_map(plan, target)
    torch.testing.assert_close(image, torch.tensor([[[4.0, 1.5], [1.0, 0.0], [0.0, 0.0]]]))


def test_a_shuffled_sentence_is_aligned_word_by_word() -> None:
    words = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plan = solve(cosine_cost(words, words[:, order])).plan
    links = hard_alignment(plan)
    assert [tuple(link) for link in links[0].nonzero().tolist()] == [
        (int(word), i) for i, word in sorted(enumerate(order), key=lambda x: int(x[1]))
    ]
    torch.testing.assert_close(barycentric_map(plan, words[:, order]), words, atol=1e-3, rtol=0)


def test_methods_differ_as_their_names_say() -> None:
    plan = torch.tensor([[[0.4, 0.1, 0.0], [0.3, 0.2, 0.0], [0.0, 0.0, 0.0]]])
    found = {m: hard_alignment(plan, m)[0].nonzero().tolist() for m in ("intersection", "union", "source", "target")}
    assert found == {
        "intersection": [[0, 0]],
        "union": [[0, 0], [1, 0], [1, 1]],
        "source": [[0, 0], [1, 0]],
        "target": [[0, 0], [1, 1]],
    }
    with pytest.raises(ValueError, match=r"method: expected one of .*got 'grow-diag'"):
        hard_alignment(plan, "grow-diag")  # type: ignore[arg-type]


def test_heatmap_shows_shares_of_real_tokens(tmp_path: object) -> None:
    pytest.importorskip("matplotlib")
    plan = torch.tensor([[0.25, 0.25, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    ax = alignment_heatmap(plan, ["ein", "Hund"], ["a", "dog"])
    assert ax.images[0].get_array().tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "dog"]
    ax.figure.savefig(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").stat().st_size > 1000
    assert alignment_heatmap(plan, ["ein"], ["a"], ax=ax) is ax
    with pytest.raises(ValueError, match=r"plan_NM: expected .* To fix this"):
        alignment_heatmap(plan[None], ["ein"], ["a"])


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install \"optical-hf\[viz\]\""):
        alignment_heatmap(torch.eye(2), ["a"], ["b"])
