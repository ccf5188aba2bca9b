"""Every argument of transformers.TrainingArguments has a place: it works, it is refused when the arguments are made, or it has no
meaning for a student. One that a new transformers brings fails here until it is placed."""

from dataclasses import fields

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from transformers import TrainingArguments

from optical_hf.training import OTDistillationTrainer

# Works, and where: "here" is the run at the end of this file, else a file of the tests, or what it needs that no test has.
WORKS = {
    "output_dir": "here", "per_device_train_batch_size": "test_scaling", "num_train_epochs": "test_batching", "max_steps": "here",
    "learning_rate": "test_resuming", "lr_scheduler_type": "test_resuming", "lr_scheduler_kwargs": "test_trainer",
    "warmup_steps": "test_resuming", "optim": "here", "optim_args": "here", "weight_decay": "here", "adam_beta1": "here",
    "adam_beta2": "here", "adam_epsilon": "here", "optim_target_modules": "GaLore", "gradient_accumulation_steps": "test_scaling",
    "average_tokens_across_devices": "test_processes", "max_grad_norm": "test_guards", "bf16": "test_throughput",
    "fp16": "an accelerator", "tf32": "an accelerator", "activation_checkpointing": "test_throughput",
    "activation_checkpointing_kwargs": "test_throughput", "gradient_checkpointing": "test_throughput",
    "gradient_checkpointing_kwargs": "test_throughput", "torch_compile": "test_throughput",
    "torch_compile_backend": "test_throughput",
    "torch_compile_mode": "test_throughput", "torch_empty_cache_steps": "here", "auto_find_batch_size": "test_batching",
    "logging_strategy": "here", "logging_steps": "here", "logging_first_step": "here", "logging_dir": "test_callbacks",
    "log_on_each_node": "several nodes", "logging_nan_inf_filter": "test_guards", "log_level": "here", "log_level_replica": "here",
    "disable_tqdm": "here", "report_to": "test_callbacks", "run_name": "a tracker", "project": "a tracker",
    "trackio_space_id": "a tracker", "trackio_bucket_id": "a tracker", "trackio_static_space_id": "a tracker",
    "eval_strategy": "here", "eval_steps": "here", "eval_delay": "here", "per_device_eval_batch_size": "here",
    "eval_on_start": "here", "eval_use_gather_object": "several processes", "eval_accumulation_steps": "here",
    "save_only_model": "test_resuming", "save_strategy": "test_resuming", "save_steps": "test_resuming",
    "save_on_each_node": "here",
    "save_total_limit": "here", "enable_jit_checkpoint": "test_callbacks", "push_to_hub": "test_stumbling_hub",
    "hub_token": "test_stumbling_hub", "hub_private_repo": "test_hub_end_to_end", "hub_model_id": "test_stumbling_hub",
    "hub_strategy": "test_hub_end_to_end", "hub_always_push": "test_hub_end_to_end", "hub_revision": "a hub",
    "load_best_model_at_end": "test_trainer", "metric_for_best_model": "test_trainer", "greater_is_better": "here",
    "ignore_data_skip": "here", "restore_callback_states_from_checkpoint": "here", "full_determinism": "here", "seed": "here",
    "data_seed": "here", "use_cpu": "here", "accelerator_config": "here", "dataloader_drop_last": "test_scaling",
    "dataloader_num_workers": "test_batching", "dataloader_pin_memory": "here", "dataloader_persistent_workers": "here",
    "dataloader_prefetch_factor": "here", "dataloader_multiprocessing_context": "here", "dataloader_in_order": "here",
    "train_sampling_strategy": "test_batching", "length_column_name": "test_batching",
    "ddp_find_unused_parameters": "several processes", "ddp_bucket_cap_mb": "several processes",
    "ddp_broadcast_buffers": "several processes", "ddp_static_graph": "several processes", "ddp_backend": "several processes",
    "ddp_timeout": "several processes", "fsdp": "test_fsdp", "fsdp_config": "test_fsdp", "deepspeed": "test_accelerate_configs",
    "skip_memory_metrics": "here", "warmup_ratio": "here",
}  # fmt: skip

# Refused when the arguments are made; the value that is.
REFUSED = {
    "label_smoothing_factor": 0.1,
    "neftune_noise_alpha": 5.0,
    "use_liger_kernel": True,
    "include_num_input_tokens_seen": "all",
    "bf16_full_eval": True,
    "fp16_full_eval": True,
    "remove_unused_columns": True,
    "parallelism_config": object(),
    "include_for_metrics": ["inputs"],
    "batch_eval_metrics": True,
    "debug": "underflow_overflow",
}

# Has no meaning for a student, and why.
NO_MEANING = {
    "liger_kernel_config": "belongs to use_liger_kernel",
    "use_cache": "an encoder generates nothing",
    "prediction_loss_only": "a student has no logits: its loss is all there is",
    "eval_do_concat_batches": "a student has no logits to concatenate",
    "label_names": "a student has no labels",
    "do_train": "for scripts that read it; the trainer does not",
    "do_eval": "for scripts that read it; the trainer does not",
    "do_predict": "for scripts that read it; the trainer does not",
    "resume_from_checkpoint": "for scripts that read it, as optical-hf train does; train() takes it",
    "local_rank": "the launcher says it",
}


def test_every_argument_of_transformers_has_one_place():
    names = [field.name for field in fields(TrainingArguments)]
    places = [WORKS, REFUSED, NO_MEANING]
    assert {name: sum(name in place for place in places) for name in names} == dict.fromkeys(names, 1)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_when_the_arguments_are_made(tmp_path, name):
    with pytest.raises(ValueError, match=rf"{name} is .*: .*(leave it|train with|use DDP)"):
        arguments(tmp_path, **{name: REFUSED[name]})


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"optim": "galore_adamw_layerwise", "optim_target_modules": "all-linear"}, "moves the weights during the backward pass"),
        ({"hub_strategy": "checkpoint"}, "only the student is pushed"),
        ({"accelerator_config": {"split_batches": True}}, "split_batches=True: expected False"),
        ({"accelerator_config": {"dispatch_batches": True}}, "dispatch_batches=True: expected False"),
        ({"accelerator_config": {"use_seedable_sampler": False}}, "use_seedable_sampler=False: expected True"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_work_is_refused(tmp_path, kwargs, told):
    with pytest.raises(ValueError, match=told):
        arguments(tmp_path, **kwargs)


@pytest.mark.slow
def test_many_at_once_train_evaluate_and_save(tmp_path):
    options = {
        "optim": "adamw_torch", "weight_decay": 0.1, "adam_beta1": 0.8, "adam_beta2": 0.99, "adam_epsilon": 1e-7,
        "torch_empty_cache_steps": 1, "logging_first_step": True, "log_level": "error", "log_level_replica": "error",
        "eval_strategy": "steps", "eval_steps": 2, "eval_delay": 0, "eval_on_start": True, "per_device_eval_batch_size": 4,
        "eval_accumulation_steps": 1, "save_strategy": "steps", "save_steps": 1, "save_total_limit": 2, "max_steps": 4,
        "greater_is_better": False, "metric_for_best_model": "loss", "data_seed": 7, "dataloader_num_workers": 1,
        "dataloader_pin_memory": False, "dataloader_persistent_workers": True, "dataloader_prefetch_factor": 3,
        "restore_callback_states_from_checkpoint": True, "full_determinism": True,
        "accelerator_config": {"non_blocking": True}, "save_on_each_node": True,
    }  # fmt: skip
    newer = {"dataloader_in_order": True, "dataloader_multiprocessing_context": "fork"}
    there = {field.name for field in fields(TrainingArguments)}
    args = arguments(tmp_path, **options, **{name: value for name, value in newer.items() if name in there})
    student, teacher = tiny_pairs.pair()
    rows = tiny_pairs.bitext()
    run = OTDistillationTrainer(student, teacher, args, rows, eval_dataset=rows.select(range(8)))
    try:
        run.train()
    finally:
        torch.use_deterministic_algorithms(False)  # full_determinism leaves it on
    assert len(losses(run)) == 4
    assert [e["step"] for e in run.state.log_history if "eval_loss" in e] == [0, 2, 4]
    group = run.optimizer.param_groups[0]
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.8, 0.99), 1e-7, 0.1)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]
