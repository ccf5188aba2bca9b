"""English queries and the documents that answer them: which vectors they have, their share of a step, what is refused."""

import json

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.models import fit_alignment, load_student
from optical_hf.models.alignment import fit_alignment as fitting
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.alignment.relevance_pairs import read_pairs, sample_pairs
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.views import as_backbone

QUICK = {"regularisation": 1e-3, "steps": 5, "progress": False}


def pairs(count: int = 6, **columns) -> Dataset:
    texts = sorted(set(tiny_pairs.bitext()["source"][:]))[:count]
    return Dataset.from_dict({"query": [f"who sees {text}" for text in texts], "document": texts} | columns)


def test_the_query_is_read_by_the_student_and_the_document_by_the_teacher():
    student, teacher = tiny_pairs.pair()
    set_prompts(teacher, query="two ", document="a red ")
    reads = [PooledTexts(EncoderTeacher(model), "mean", "model") for model in (as_backbone(student), teacher)]
    found = read_pairs(pairs(), *reads)
    assert torch.equal(found.source_ND, reads[0](pairs()["query"][:]))
    assert torch.equal(found.target_NK, reads[1](pairs()["document"][:], task="document"))
    assert not torch.allclose(found.target_NK, reads[1](pairs()["document"][:]))
    given = read_pairs(pairs(vector=torch.eye(6, 32).tolist()), *reads)
    assert torch.equal(given.target_NK, torch.eye(6, 32))


def test_at_most_so_many_are_read():
    assert len(sample_pairs(pairs(), 4, 0, 32)) == 4
    assert set(sample_pairs(pairs(), 100, 0, 32)["query"]) == set(pairs()["query"])


def test_they_share_the_queries_part_of_a_step(monkeypatch):
    seen = []
    fit = fitting.fit_contrastive
    monkeypatch.setattr(
        fitting, "fit_contrastive", lambda rows, *rest, **more: seen.append(rows) or fit(rows, *rest, **more)
    )
    student, teacher = tiny_pairs.pair()
    given = {"documents": pairs()["document"][:], "relevance_pairs": pairs(), "query_share": 0.2}
    fit_alignment(student, teacher, tiny_pairs.bitext(), **given, **QUICK)
    fit_alignment(student, teacher, tiny_pairs.bitext(), query_texts=["who?", "what?"], **given, **QUICK)
    assert [kind.share for kind in seen[0]] == pytest.approx([0.4, 0.4, 0.2])
    assert [kind.share for kind in seen[1]] == pytest.approx([0.4, 0.4, 0.1, 0.1])
    assert all(kind.shift_PD is None for kind in seen[1][2:])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"relevance_pairs": ["who?"]}, "expected a Dataset with columns 'query' and 'document', got list"),
        ({"relevance_pairs": Dataset.from_dict({"query": ["who?"]})}, "document"),
        ({"relevance_pairs": pairs().select([])}, "there are none"),
        ({"relevance_pairs": pairs(1, query=[" "])}, "1 of 1 texts in 'query' are empty"),
        ({"relevance_pairs": pairs(1, vector=[[1.0, 2.0]])}, "are 2 wide, the teacher's 32"),
        ({"relevance_pairs": pairs(1, vector=[[float("nan")] * 32])}, "1 of 1 vectors are NaN"),
        ({"relevance_pairs": pairs(), "method": "ridge"}, "for method='contrastive' alone"),
        ({"relevance_pairs": pairs(), "start": "transport"}, "are for students of one vector and fits without plans"),
    ],
)
def test_what_is_no_pair_is_refused(given, told):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match=told):
        fit_alignment(student, teacher, tiny_pairs.bitext(), **QUICK | given)
    late, teacher = tiny_pairs.pair(kind="late_interaction")
    with pytest.raises(ValueError, match="for students of one vector"):
        fit_alignment(late, teacher, tiny_pairs.bitext(), relevance_pairs=pairs(), **QUICK)


@pytest.mark.slow
def test_align_reads_them_from_files(tmp_path):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    rows = pairs(40)
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pairs.tsv").write_text("".join(f"{row['query']}\t{row['document']}\n" for row in rows))
    (tmp_path / "docs.txt").write_text("\n".join(rows["document"][:]))
    for given in ("pairs.jsonl", "pairs.tsv:1,2"):
        command = [
            "align", "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--output", tmp_path / "out",
            "--documents", tmp_path / "docs.txt", "--relevance", tmp_path / given, "--regularisation", "1e-3", "--steps", "5",
            "--held-out", "0",
        ]  # fmt: skip
        done = CliRunner().invoke(app, list(map(str, command)))
        assert done.exit_code == 0, done.output
        assert load_student(str(tmp_path / "out"), tiny_pairs.teacher()) is not None
