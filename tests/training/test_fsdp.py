"""FSDP2 with two processes on the CPU: the loss curve of one process, resume, the best student, files that load anywhere."""

import json

import fsdp_run
import numpy as np
import pytest
import tiny_pairs
from accelerate.utils.launch import prepare_multi_gpu_env
from forked import forked
from sentence_transformers import SentenceTransformer
from test_accelerate_configs import launched
from test_trainer import arguments, losses

from optical_hf.training import OTDistillationTrainer

TEXTS = ["Drei Jungen schlafen.", "गाढव"]


@pytest.mark.slow
def test_two_shards_learn_what_one_process_learns_and_save_it_whole(tmp_path):
    settings = prepare_multi_gpu_env(launched("fsdp2.yaml")) | {"ACCELERATE_MIXED_PRECISION": "no"}
    codes, told = forked(tmp_path / "log.txt", fsdp_run.run_as_rank, tmp_path, processes=2, environment=settings)
    assert codes == [0, 0], told[-3000:]

    student, teacher = tiny_pairs.pair(layers=[1, 2])
    one = OTDistillationTrainer(
        student,
        teacher,
        arguments(
            tmp_path,
            max_steps=4,
            per_device_train_batch_size=16,
            alignment="ridge",
            losses="transport(tolerance=1e-6)=1.0,pooled_cosine=0.5",
        ),
        tiny_pairs.bitext(),
    )
    one.train()
    whole, rest = json.loads((tmp_path / "losses.json").read_text())
    assert whole == pytest.approx(losses(one), rel=1e-4)
    assert rest == pytest.approx(whole, rel=1e-4)

    end = SentenceTransformer(str(tmp_path / "whole" / "checkpoint-4")).encode(TEXTS)
    assert np.abs(end - one.model.encode(TEXTS)).max() < 1e-3
    again = SentenceTransformer(str(tmp_path / "rest" / "checkpoint-4")).encode(TEXTS)
    assert np.abs(again - end).max() < 1e-5
    best = SentenceTransformer(str(tmp_path / "best")).encode(TEXTS)
    assert np.abs(best - SentenceTransformer(str(tmp_path / "whole" / "checkpoint-2")).encode(TEXTS)).max() < 1e-6
    assert np.abs(best - end).max() > 1e-4
