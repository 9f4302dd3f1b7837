import pytest
import torch

from d2lhelpers.datasets import MarkedPictures, load_marked, loader, marked
from d2lhelpers.scenes import scene_set


@pytest.fixture(autouse=True)
def a_small_one(monkeypatch, tmp_path):
    """Few pictures, in a cache of their own."""
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(marked, "NUM", {"train": 13, "test": 7})


def pictures(num=3, side=8, **changes):
    parts = {
        "images": torch.zeros(num, 3, side, side, dtype=torch.uint8),
        "labels": torch.arange(num),
        "classes": ("a", "b", "c"),
        "masks": torch.zeros(num, side, side, dtype=torch.bool),
    }
    return MarkedPictures(**parts | changes)


@pytest.mark.parametrize("name", marked.SEEDS)
def test_pictures_of_each_task(name):
    train, test = (load_marked(name, part) for part in ("train", "test"))
    assert (len(train), len(test)) == (13, 7)
    assert train.images.shape == (13, 3, 96, 96)
    assert train.labels.tolist() == [k % 6 for k in range(13)]
    assert len(train.classes) == 6
    assert train.masks.any(dim=(1, 2)).all()
    assert not (train.images[:7] == test.images).flatten(1).all(dim=1).any()


def test_the_mask_is_the_object_of_the_label(monkeypatch):
    asked = []

    def remembered(*arguments):
        found = scene_set(*arguments)
        asked.append((arguments[3], found))
        return found

    monkeypatch.setattr(marked, "scene_set", remembered)
    for name in ("needle", "crowd"):
        made = load_marked(name, "train")
        things, found = asked.pop()
        for index, of_scene in enumerate(things):
            wanted = "duck" if name == "crowd" else made.classes[made.labels[index]]
            numbers = [k for k, thing in enumerate(of_scene, 1) if thing.class_name == wanted]
            expected = torch.isin(torch.from_numpy(found.instances[index]), torch.tensor(numbers))
            torch.testing.assert_close(made.masks[index], expected)
            clutter = [thing.class_name for thing in of_scene if thing.class_name != wanted]
            assert set(clutter) <= set(marked.CLUTTER)
            if name == "crowd":
                assert len(of_scene) == 8
                assert len(numbers) == made.labels[index] + 1
                assert made.classes[made.labels[index]] == marked.NUMBERS[len(numbers) - 1]
            else:
                assert len(numbers) == 1
                assert 6 <= len(clutter) <= 9


def test_a_needle_is_small_and_a_portrait_is_not():
    needle, portrait = (
        load_marked(name, "test").masks.float().mean() for name in ("needle", "portrait")
    )
    assert needle < 0.06
    assert portrait > 0.1


def test_the_same_again_and_other_backgrounds_in_the_test():
    first, again = load_marked("needle", "test"), load_marked("needle", "test")
    torch.testing.assert_close(first.images, again.images)
    torch.testing.assert_close(first.masks, again.masks)


def test_batches_are_of_pictures_and_labels():
    batch = next(iter(loader(load_marked("portrait", "test"), 4, shuffle=False)))
    assert len(batch) == 2
    assert batch[0].shape == (4, 3, 96, 96)


def test_a_subset_keeps_masks_beside_their_pictures():
    whole = load_marked("portrait", "test")
    part = whole.subset([4, 0])
    assert part.labels.tolist() == [4, 0]
    torch.testing.assert_close(part.masks, whole.masks[[4, 0]])
    torch.testing.assert_close(part.images, whole.images[[4, 0]])
    assert len(whole.few(1, seed=0)) == 6


def test_unknown_names():
    with pytest.raises(
        ValueError, match="name must be one of needle, portrait, crowd, not 'haystack'"
    ):
        load_marked("haystack", "train")
    with pytest.raises(ValueError, match="part must be one of train, test, not 'val'"):
        load_marked("needle", "val")


@pytest.mark.parametrize(
    "masks",
    [
        None,
        torch.zeros(3, 8, 8),
        torch.zeros(2, 8, 8, dtype=torch.bool),
        torch.zeros(3, 4, 4, dtype=torch.bool),
    ],
)
def test_masks_must_fit(masks):
    with pytest.raises(ValueError, match=r"masks must be \(3, 8, 8\) bool"):
        pictures(masks=masks)


def test_what_pictures_refuse_is_refused():
    with pytest.raises(ValueError, match="labels"):
        pictures(labels=torch.tensor([0, 1, 3]))
