"""Training from the token cache: the loss curve of the online teacher, without the teacher."""

import pytest
import tiny_pairs
from test_trainer import arguments, losses

from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import OTDistillationTrainer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("alignment", ["none", "transport"])
def test_the_cache_gives_the_loss_curve_of_the_online_teacher(tmp_path, alignment):
    _, teacher = tiny_pairs.pair()
    cache = TeacherCache.build(teacher, tiny_pairs.bitext(), tmp_path / "cache", progress=False)
    curves = []
    for source in (teacher, cache):
        learner, _ = tiny_pairs.pair()
        args = arguments(
            tmp_path / "run", max_steps=6, alignment=alignment, losses="transport(tolerance=1e-5)=1.0,pooled_cosine=0.5"
        )
        run = OTDistillationTrainer(learner, source, args, tiny_pairs.bitext())
        run.train()
        curves.append(losses(run))
    assert curves[1] == pytest.approx(curves[0], rel=5e-3)


def test_a_cache_of_another_width_is_refused(tmp_path):
    student, _ = tiny_pairs.pair()
    cache = TeacherCache.build(tiny_pairs.teacher(width=48), ["a dog"], tmp_path / "cache", progress=False)
    with pytest.raises(ValueError, match="narrower"):
        OTDistillationTrainer(student, cache, arguments(tmp_path), tiny_pairs.bitext())
