"""Weights are loaded in float32 and looked at: half precision and NaN are named before anything is fitted, trained or saved."""

import pytest
import tiny_pairs
import torch
from sentence_transformers import SentenceTransformer

from optical_hf.cli import main
from optical_hf.models import build_student, fit_alignment, iter_token_sets, load_student, load_teacher
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

HALF = [torch.float16, torch.bfloat16]


def types(model):
    return {weight.dtype for weight in model.parameters()}


@pytest.fixture(params=HALF, ids=str)
def half_folders(request, tmp_path):
    """A teacher, a backbone and a student with its projection, stored in half precision."""
    student, teacher = tiny_pairs.pair()
    for name, model in (("teacher", teacher), ("backbone", tiny_pairs.backbone()), ("student", student)):
        model.to(request.param).save_pretrained(str(tmp_path / name))
    assert types(SentenceTransformer(str(tmp_path / "backbone"), device="cpu")) == {request.param}
    return tmp_path


@pytest.mark.slow
def test_half_precision_checkpoints_are_loaded_in_full_and_fitted(half_folders):
    teacher = load_teacher(half_folders / "teacher", device="cpu")
    for name in ("backbone", "student"):
        student = load_student(half_folders / name, teacher)
        assert types(teacher) == types(student) == {torch.float32}
        fit_alignment(student, teacher, tiny_pairs.bitext(48), method="transport", rounds=1, progress=False)


@pytest.mark.slow
def test_half_precision_checkpoints_are_trained_by_default(half_folders, tmp_path):
    teacher = load_teacher(half_folders / "teacher", device="cpu")
    student = load_student(half_folders / "backbone", teacher)
    args = OTDistillationArguments(
        str(tmp_path / "run"), max_steps=1, report_to="none", use_cpu=True, disable_tqdm=True
    )
    OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext(48)).train()
    assert types(student) == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_a_teacher_may_be_in_half_precision(dtype, tmp_path):
    tiny_pairs.teacher().save_pretrained(str(tmp_path))
    teacher = load_teacher(tmp_path, device="cpu", dtype=dtype)
    assert types(teacher) == {dtype}
    [tokens] = iter_token_sets(teacher, ["a dog"])
    assert tokens.tokens_BND.dtype == tokens.vector_BD.dtype == torch.float32
    student = build_student(tiny_pairs.backbone(), teacher)
    report = fit_alignment(
        student, teacher, tiny_pairs.bitext(48), method="transport", rounds=1, held_out=5, progress=False
    )
    assert report.after.pairs >= 5


def test_a_student_in_half_precision_is_refused_with_the_remedy(tmp_path):
    student, teacher = tiny_pairs.pair()
    student.to(torch.bfloat16)
    args = OTDistillationArguments(str(tmp_path), alignment="none", report_to="none", use_cpu=True)
    told = r"half precision \(torch.bfloat16\).*load_student, or make it full with student.float\(\)"
    with pytest.raises(ValueError, match=told):
        fit_alignment(student, teacher, tiny_pairs.bitext(48), method="transport", progress=False)
    with pytest.raises(ValueError, match=told):
        OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext(48))
    with pytest.raises(ValueError, match=told):
        build_student(tiny_pairs.backbone().to(torch.bfloat16), teacher)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named_when_loaded(value, tmp_path):
    student, teacher = tiny_pairs.pair()
    for name, model in (("student", student), ("teacher", teacher)):
        with torch.no_grad():
            list(model.parameters())[3].view(-1)[0] = value
        model.save_pretrained(str(tmp_path / name))
    told = r"the {} '.*' has weights with NaN or infinity: 0.model.*\(1 of \d+ tensors\)"
    with pytest.raises(ValueError, match=told.format("teacher")):
        load_teacher(tmp_path / "teacher")
    with pytest.raises(ValueError, match=told.format("student")):
        load_student(tmp_path / "student", tiny_pairs.teacher())


@pytest.mark.parametrize("method", ["ridge", "transport"])
@pytest.mark.parametrize("whose", ["student's backbone", "teacher"])
def test_vectors_that_are_not_finite_are_not_fitted(method, whose):
    student, teacher = tiny_pairs.pair()
    before = student[1].linear.weight.clone()
    with torch.no_grad():
        (teacher if whose == "teacher" else student)[0].model.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=f"vectors of the {whose} are NaN or infinite, and nothing was fitted"):
        fit_alignment(student, teacher, tiny_pairs.bitext(48), method=method, regularisation=1e-3, progress=False)
    assert torch.equal(student[1].linear.weight, before)


def test_a_solution_that_is_not_finite_leaves_the_student_as_it_was():
    student, teacher = tiny_pairs.pair()
    before = student[1].linear.weight.clone()
    with torch.no_grad():
        for name, weight in student[0].model.named_parameters():
            if name.endswith("layer.1.output.LayerNorm.weight"):
                weight.fill_(1e30)  # finite vectors, whose products are not
    with pytest.raises(ValueError, match="the fitted projection is not finite, and the student keeps the one it had"):
        fit_alignment(student, teacher, tiny_pairs.bitext(48), method="ridge", regularisation=1e-3, progress=False)
    assert torch.equal(student[1].linear.weight, before)


@pytest.mark.parametrize("method", ["ridge", "transport"])
def test_align_writes_nothing_where_weights_are_not_finite(method, tmp_path, monkeypatch, capsys):
    backbone, rows = tiny_pairs.backbone(), tiny_pairs.bitext(48)
    with torch.no_grad():
        backbone[0].model.get_input_embeddings().weight[5] = torch.nan
    backbone.save_pretrained(str(tmp_path / "backbone"))
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    lines = [f"{row['target']}\t{row['source']}\n" for row in rows]
    (tmp_path / "so.tsv").write_text("".join(lines), encoding="utf-8")
    words = ["align", "--teacher", tmp_path / "teacher", "--student", tmp_path / "backbone", "--method", method]
    words += ["--bitext", f"so={tmp_path / 'so.tsv'}", "--output", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main())
    assert end.value.code
    assert "has weights with NaN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rounds": 0}, "rounds is 0: expected a whole number from 1 up"),
        ({"rounds": -1}, "rounds is -1"),
        ({"rounds": 1.5}, "rounds is 1.5"),
        ({"epsilon": 0}, "epsilon is 0: expected a number above 0"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"regularisation": -1}, "regularisation is -1: expected a number above 0, or held_out_pairs"),
        ({"regularisation": True}, "regularisation is True"),
        ({"pooled_weight": -1}, "pooled_weight is -1: expected a number from 0 up"),
        ({"held_out": -1}, "held_out is -1: expected a whole number from 0 up"),
        ({"batch_size": 0}, "batch_size is 0: expected a whole number from 1 up"),
        ({"memory_budget": -1}, "memory_budget is -1: expected a whole number of bytes"),
    ],
)
def test_numbers_out_of_their_range_are_refused(given, told):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match=told):
        fit_alignment(student, teacher, tiny_pairs.bitext(48), progress=False, **given)
