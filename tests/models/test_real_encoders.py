"""The main job on the pretrained encoders and real bitext, small enough for every run."""

import pytest

from optical_hf.data import load_bitext
from optical_hf.models import fit_alignment, load_student, load_teacher


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("vector", "contrastive"),
        ("vector", "transport"),
        pytest.param("late_interaction", "transport", marks=pytest.mark.full),
    ],
)
def test_a_real_student_finds_real_translations_after_the_fit(shared_data, real_models, kind, method):
    teacher = load_teacher(real_models / "all-MiniLM-L6-v2", kind=kind)
    student = load_student(real_models / "multilingual-e5-small", teacher, max_seq_length=32)
    german = load_bitext(str(shared_data / "multi30k" / "val.de.gz")).select(range(250))
    report = fit_alignment(student, teacher, german, method=method, held_out=100, progress=False)
    assert report.before.vector < 0.2
    assert report.after.vector > 0.6
    assert report.after.maxsim > 0.6
    falling = report.transport_cost if method == "transport" else report.loss
    assert falling[-1] < falling[0]
