"""The settings of a fit: in one object or by name, decided by student and teacher, and refused before a model runs."""

import pytest
import tiny_pairs
import torch

from optical_hf.models import AlignmentSettings, fit_alignment, token_projection
from optical_hf.models.teachers.teacher import as_teacher


def test_one_object_is_as_good_as_names_which_go_before_it():
    maps = []
    settings = AlignmentSettings(method="ridge", regularisation=1e-2, progress=False)
    for given in ({"settings": settings}, {"settings": settings, "regularisation": 1e-3}, {**vars(settings)}):
        student, teacher = tiny_pairs.pair()
        report = fit_alignment(student, teacher, tiny_pairs.bitext(), **given)
        maps.append((report.regularisation, token_projection(student).linear.weight))
    assert [penalty for penalty, _ in maps] == [1e-2, 1e-3, 1e-2]
    assert torch.equal(maps[0][1], maps[2][1])


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"regularization": 1.0}, TypeError, "fit_alignment got an unexpected keyword argument 'regularization'; did you mean"),
        ({"document": []}, TypeError, "did you mean 'documents'"),
        ({"steps": 0}, ValueError, "steps is 0: expected a whole number from 1 up"),
        ({"temperature": -1.0}, ValueError, "temperature is -1.0: expected a number above 0"),
        ({"method": "magic"}, ValueError, "unknown method 'magic'"),
    ],
)  # fmt: skip
def test_what_is_no_setting_is_refused(given, error, told):
    with pytest.raises(error, match=told):
        fit_alignment(None, None, **given)


def test_the_start_and_the_descent_follow_the_kind_of_student():
    teacher = as_teacher(tiny_pairs.teacher())
    settings = AlignmentSettings()
    assert settings.started(teacher, by_tokens=False).start == "ridge"
    assert settings.started(teacher, by_tokens=True).start == "relay"
    assert AlignmentSettings(also_english=False).started(teacher, by_tokens=True).start == "transport"
    assert AlignmentSettings(start="student").started(teacher, by_tokens=True).start == "student"
    assert (settings.descent(True).steps, settings.descent(False).steps) == (300, 600)
    assert AlignmentSettings(steps=7, seed=3).descent(True).seed == 3
    assert settings.pooled_weights == (2.0, 8.0, 32.0, 128.0)
    assert AlignmentSettings(regularisation=1.0).pooled_weights == (2.0,)
