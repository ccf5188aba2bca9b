"""Costs against plain formulas, and what padding, zero vectors and half precision do to them."""

import pytest
import torch

from optical_hf.ot import cosine_cost


def tokens() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    source_mask = torch.arange(5) < torch.tensor([5, 2, 0])[:, None]
    target_mask = torch.arange(4) < torch.tensor([3, 4, 1])[:, None]
    return (
        torch.randn(3, 5, 8, generator=generator),
        torch.randn(3, 4, 8, generator=generator),
        source_mask,
        target_mask,
    )


def test_cosine_is_one_minus_the_similarity() -> None:
    source, target, _, _ = tokens()
    expected = 1 - torch.nn.functional.cosine_similarity(source[:, :, None], target[:, None], dim=-1)
    torch.testing.assert_close(cosine_cost(source, target), expected)


@pytest.mark.parametrize("fill", [torch.nan, torch.inf, 1e30])
def test_padding_reaches_neither_cost_nor_gradient(fill: float) -> None:
    source, target, source_mask, target_mask = tokens()
    clean = cosine_cost(source, target, source_mask, target_mask)
    source[~source_mask], target[~target_mask] = fill, fill
    source.requires_grad_()
    dirty = cosine_cost(source, target, source_mask, target_mask)
    assert torch.equal(dirty, clean)
    assert (dirty[~(source_mask[:, :, None] & target_mask[:, None, :])] == 0).all()
    dirty.sum().backward()
    assert source.grad is not None
    assert source.grad.isfinite().all()
    assert (source.grad[~source_mask] == 0).all()


def test_half_precision_is_computed_in_float32() -> None:
    source, target, source_mask, target_mask = tokens()
    source, target = source.bfloat16(), target.bfloat16()
    half = cosine_cost(source, target, source_mask, target_mask)
    assert half.dtype == torch.float32
    assert torch.equal(half, cosine_cost(source.float(), target.float(), source_mask, target_mask))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(half, cosine_cost(source.float(), target.float(), source_mask, target_mask))
    assert cosine_cost(source.double(), target.double()).dtype == torch.float64


def test_cosine_of_tiny_huge_and_zero_vectors() -> None:
    source, target, _, _ = tokens()
    plain = cosine_cost(source, target)
    for scale in (1e-30, 1e30):
        torch.testing.assert_close(cosine_cost(source * scale, target), plain)
    zero = torch.zeros(3, 5, 8, requires_grad=True)
    cost = cosine_cost(zero, target)
    assert (cost == 1).all()
    cost.sum().backward()
    assert zero.grad is not None
    assert (zero.grad == 0).all()


def test_cosine_gradient_is_the_gradient_of_the_formula() -> None:
    source, target, _, _ = tokens()
    source = source.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: cosine_cost(s, target.double()), source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(2, 3), torch.ones(2, 4, 3)), r"source tokens: expected.*\(2, 3\).*pooled"),
        ((torch.ones(2, 3, 4), torch.ones(2, 4, 4).long()), "target tokens: expected a float tensor.*int64"),
        ((torch.ones(2, 3, 4), torch.ones(2, 3, 5)), "must agree in batch and width.*project"),
        (
            (torch.ones(2, 3, 4), torch.ones(2, 5, 4), torch.ones(2, 5)),
            r"source_mask: expected shape \(2, 3\).*\(2, 5\)",
        ),
    ],
)
def test_wrong_input_is_named_with_its_fix(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cosine_cost(*arguments)
