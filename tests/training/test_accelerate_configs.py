"""The configurations in examples/accelerate load with accelerate's own classes and say what their names say."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from optical_hf.training import OTDistillationArguments
from optical_hf.training.checkpoints.sharded import check_deepspeed

FOLDER = Path(__file__).parents[2] / "examples" / "accelerate"


def launched(name: str) -> argparse.Namespace:
    """What `accelerate launch` makes of a configuration, short of starting anything."""
    arguments = launch_command_parser().parse_args(["--config_file", str(FOLDER / name), "train.py"])
    merged, _, _ = _validate_launch_command(arguments)
    merged.deepspeed_fields_from_accelerate_config = ""  # what launch_command sets next
    return merged


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_every_configuration_loads(file):
    config = load_config_from_file(str(file))
    assert isinstance(config, ClusterConfig)
    assert config.num_processes == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cpu.yaml", DistributedType.MULTI_GPU),
        ("multi_gpu.yaml", DistributedType.MULTI_GPU),
        ("fsdp2.yaml", DistributedType.FSDP),
        ("deepspeed_zero2.yaml", DistributedType.DEEPSPEED),
    ],
)
def test_the_kind_is_that_of_the_name(name, kind):
    assert load_config_from_file(str(FOLDER / name)).distributed_type == kind


def test_fsdp2_shards_and_saves_whole(monkeypatch):
    for key, value in prepare_multi_gpu_env(launched("fsdp2.yaml")).items():
        monkeypatch.setenv(key, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"


def test_deepspeed_is_stage_two(monkeypatch):
    _, environment = prepare_deepspeed_cmd_env(launched("deepspeed_zero2.yaml"))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    plugin = DeepSpeedPlugin()
    assert plugin.zero_stage == 2
    assert plugin.deepspeed_config["zero_optimization"]["stage"] == 2
    assert plugin.deepspeed_config["gradient_accumulation_steps"] == "auto"


def test_weights_shared_out_by_deepspeed_are_refused(tmp_path):
    args = OTDistillationArguments(str(tmp_path), use_cpu=True)
    check_deepspeed(args)
    args.deepspeed_plugin = SimpleNamespace(zero_stage=3)
    with pytest.raises(ValueError, match="ZeRO stage 3"):
        check_deepspeed(args)
