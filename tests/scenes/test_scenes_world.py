"""The synthetic world: determinism, distinctness, splits, and scenes that make sense."""

from collections import Counter

import pytest

from optical_hf.scenes import Entity, Scene, generate_scenes
from optical_hf.scenes import world as world_module
from optical_hf.scenes.world import CAN_BE_ON, CAN_BE_UNDER, PEOPLE, THINGS, TRANSITIVE


def test_the_same_seed_gives_the_same_scenes_and_fewer_are_a_prefix():
    assert generate_scenes(50, seed=3) == generate_scenes(80, seed=3)[:50]
    assert generate_scenes(50, seed=3) != generate_scenes(50, seed=4)


def test_known_scene_of_seed_zero():
    """Pins the stream of scenes: a change here changes every corpus that was ever made from a seed."""
    assert generate_scenes(1)[0].key == (
        "jump behind subject=3.-.-.boy garment=3.-.red.shirt landmark=1.-.red.boat place=1.-.-.street"
    )


def test_scenes_are_distinct():
    scenes = generate_scenes(5_000)
    assert len({scene.key for scene in scenes}) == len(scenes)


def test_splits_do_not_overlap_whatever_the_seeds():
    train = {scene.key for seed in range(4) for scene in generate_scenes(100, seed, "train")}
    test = {scene.key for seed in range(4) for scene in generate_scenes(100, seed, "test")}
    validation = {scene.key for seed in range(4) for scene in generate_scenes(100, seed, "validation")}
    assert not train & test
    assert not train & validation
    assert not test & validation


def test_splits_have_about_the_announced_sizes():
    counts = Counter(scene.split for scene in generate_scenes(4_000, seed=2))
    assert counts["train"] == pytest.approx(3_200, rel=0.05)
    assert counts["test"] == pytest.approx(400, rel=0.15)
    assert counts["validation"] == pytest.approx(400, rel=0.15)


def test_entity_ids_do_not_make_a_scene_another_one():
    one = Scene(Entity(1, "dog"), "run", place=Entity(2, "beach"))
    other = Scene(Entity(7, "dog"), "run", place=Entity(9, "beach"))
    assert one.key == other.key
    assert one.split == other.split


def test_scenes_make_sense():
    for scene in generate_scenes(2_000, seed=5):
        ids = [entity.id for entity in scene.entities]
        assert len(ids) == len(set(ids))
        assert (scene.object is not None) == (scene.action in TRANSITIVE)
        assert (scene.relation is None) == (scene.landmark is None)
        assert (scene.action == "lie") == (scene.subject.noun in THINGS)
        if scene.garment:
            assert scene.subject.noun in PEOPLE
            assert scene.garment.count == scene.subject.count
            assert scene.garment.colour
        if scene.action == "hold":
            assert scene.subject.noun in PEOPLE
        if scene.relation == "on":
            assert scene.landmark.noun in CAN_BE_ON
        if scene.relation == "under":
            assert scene.landmark.noun in CAN_BE_UNDER


def test_a_world_that_is_used_up_says_so(monkeypatch):
    only = generate_scenes(1)[0]
    monkeypatch.setattr(world_module, "_draw", lambda rng: only)
    assert generate_scenes(1) == [only]
    with pytest.raises(ValueError, match="gave 1 distinct scenes"):
        generate_scenes(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"count": -1}, "count must be 0 or more"), ({"count": 1, "split": "dev"}, "split must be one of train")],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate_scenes(**arguments)
