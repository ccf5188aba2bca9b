"""What makes a step cheaper changes no result: half precision, compiled, recomputed, frozen, by sdpa."""

import pytest
import tiny_pairs
import torch
import torch._dynamo
from test_trainer import arguments, losses

from optical_hf.models import backbone
from optical_hf.training import OTDistillationTrainer

pytestmark = pytest.mark.slow


def trained(folder, attention: str | None = None, **kwargs):
    student, teacher = tiny_pairs.pair()
    if attention is not None:
        backbone(student).model.set_attn_implementation(attention)
    run = OTDistillationTrainer(student, teacher, arguments(folder, **kwargs), tiny_pairs.bitext())
    run.train()
    return run


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> list[float]:
    return losses(trained(tmp_path_factory.mktemp("plain")))


def test_bf16_is_near_and_keeps_float32_weights(tmp_path, plain):
    run = trained(tmp_path, bf16=True)
    assert losses(run) == pytest.approx(plain, rel=2e-2)
    assert losses(run) != plain
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


def test_the_teacher_runs_in_half_precision_too(tmp_path):
    student, teacher = tiny_pairs.pair()
    run = OTDistillationTrainer(student, teacher, arguments(tmp_path, bf16=True, max_steps=1), tiny_pairs.bitext())
    seen = []
    backbone(teacher).model.encoder.layer[0].attention.self.query.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    run.train()
    assert torch.bfloat16 in seen
    assert {p.dtype for p in teacher.parameters()} == {torch.float32}


def test_gradient_checkpointing_gives_the_same_losses(tmp_path, plain):
    run = trained(tmp_path, gradient_checkpointing=True)
    assert backbone(run.model).model.is_gradient_checkpointing
    assert losses(run) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("traced", [False, pytest.param(True, marks=pytest.mark.full)])
def test_compiled_gives_the_same_losses_and_saves_a_student(tmp_path, plain, traced):
    # aot_eager traces forward and backward as inductor does, and needs no C compiler; else the wrapper around the student alone
    with torch._dynamo.config.patch(disable=not traced):
        run = trained(tmp_path, torch_compile=True, torch_compile_backend="aot_eager")
    assert losses(run) == pytest.approx(plain, rel=1e-4)
    run.save_model(str(tmp_path / "student"))
    assert (tmp_path / "student" / "modules.json").exists()


def test_attention_by_sdpa_and_eager_agree(tmp_path, plain):
    assert losses(trained(tmp_path, attention="eager")) == pytest.approx(plain, rel=1e-4)
    assert losses(trained(tmp_path, attention="sdpa")) == plain


def test_frozen_embeddings_stay_and_the_rest_moves(tmp_path):
    student, _ = tiny_pairs.pair()
    before = {name: p.clone() for name, p in student.named_parameters()}
    run = trained(tmp_path, freeze_embeddings=True, bf16=False)
    still = {name for name, p in run.model.named_parameters() if torch.equal(p, before[name])}
    assert {name for name in still if "pooler" not in name} == {"0.model.embeddings.word_embeddings.weight"}
    assert all(id(p) != id(backbone(run.model).model.get_input_embeddings().weight)
               for group in run.optimizer.param_groups for p in group["params"])  # fmt: skip
