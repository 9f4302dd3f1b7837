import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers.remedies import (
    RandomBackgrounds,
    RandomChannels,
    RandomMixtures,
    Scramble,
    fill_holes,
    mix_channels,
    permute_channels,
    scramble,
    swap_backgrounds,
)


def some(seed=0, num=3, height=6, width=8, dtype=torch.uint8):
    """Pictures and masks, each thing a rectangle of its own."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (num, 3, height, width), generator=generator)
    masks = torch.zeros(num, height, width, dtype=torch.bool)
    for k in range(num):
        masks[k, k % height : k % height + 2, k : k + 3] = True
    return images.to(dtype), masks


# --- holes ---


def test_holes_take_the_mirrored_picture():
    images = torch.arange(8.0).view(1, 1, 1, 8)
    masks = torch.zeros(1, 1, 8, dtype=torch.bool)
    masks[..., :2] = True
    expected = torch.tensor([7.0, 6, 2, 3, 4, 5, 6, 7]).view(1, 1, 1, 8)
    torch.testing.assert_close(fill_holes(images, masks), expected)


def test_holes_on_both_sides_take_the_mean_of_the_rest():
    images = torch.tensor([90, 10, 20, 91], dtype=torch.uint8).view(1, 1, 1, 4)
    masks = torch.tensor([True, False, False, True]).view(1, 1, 4)
    assert fill_holes(images, masks).flatten().tolist() == [15, 10, 20, 15]


def test_the_rest_of_the_scene_stays_and_nothing_of_the_thing_does():
    images, masks = some()
    changed = torch.where(masks[:, None], images + 1, images)
    torch.testing.assert_close(fill_holes(changed, masks), fill_holes(images, masks))
    kept = (~masks)[:, None].expand_as(images)
    torch.testing.assert_close(fill_holes(images, masks)[kept], images[kept])


def test_a_thing_that_covers_all_leaves_black():
    images, masks = some()
    assert (fill_holes(images, torch.ones_like(masks)) == 0).all()


# --- backgrounds ---


def test_things_stay_and_scenes_go():
    images, masks = some()
    donors = torch.tensor([1, 2, 0])
    swapped = swap_backgrounds(images, masks, donors)
    assert swapped.dtype == images.dtype
    scenes = fill_holes(images, masks)
    for k in range(3):
        torch.testing.assert_close(swapped[k][:, masks[k]], images[k][:, masks[k]])
        torch.testing.assert_close(swapped[k][:, ~masks[k]], scenes[donors[k]][:, ~masks[k]])


def test_ones_own_scene_changes_nothing():
    images, masks = some(dtype=torch.float32)
    torch.testing.assert_close(swap_backgrounds(images, masks, torch.arange(3)), images)


def test_the_donors_thing_does_not_come_along():
    images, masks = some()
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    images = torch.where(masks[:, None], red, images.clamp(max=200))
    swapped = swap_backgrounds(images, masks, torch.tensor([1, 2, 0]))
    is_red = (swapped == red).all(dim=1)
    torch.testing.assert_close(is_red, masks)


# --- channels ---


def test_channels_by_hand():
    images = torch.arange(6).view(2, 3, 1, 1)
    made = permute_channels(images, torch.tensor([[2, 0, 1], [0, 2, 1]]))
    assert made.flatten().tolist() == [2, 0, 1, 3, 5, 4]


def test_channels_back_again():
    images, _ = some()
    orders = torch.tensor([[2, 0, 1], [1, 0, 2], [1, 2, 0]])
    torch.testing.assert_close(
        permute_channels(permute_channels(images, orders), orders.argsort(1)), images
    )


def test_mixtures_by_hand():
    images = torch.tensor([10, 20, 40], dtype=torch.uint8).view(1, 3, 1, 1)
    weights = torch.tensor([[[0.5, 0.5, 0], [0, 0, 1], [0.2, 0.4, 0.4]]])
    assert mix_channels(images, weights).flatten().tolist() == [15, 40, 26]


def test_an_exchange_is_a_mixture():
    images, _ = some()
    orders = torch.tensor([[2, 0, 1], [1, 0, 2], [1, 2, 0]])
    weights = torch.nn.functional.one_hot(orders, 3).float()
    torch.testing.assert_close(mix_channels(images, weights), permute_channels(images, orders))


def test_greys_stay_and_nothing_leaves_the_range():
    images, masks = some(num=16, height=20, width=20)
    grey = images[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(RandomMixtures()(grey, masks), grey)
    low, high = images.amin(dim=1), images.amax(dim=1)
    mixed = RandomMixtures()(images, masks)
    assert ((mixed >= low[:, None]) & (mixed <= high[:, None])).all()


# --- pieces ---


def test_pieces_by_hand():
    images = torch.arange(16).view(1, 1, 4, 4)
    made = scramble(images, torch.tensor([[3, 2, 1, 0]]), 2)
    expected = [[10, 11, 8, 9], [14, 15, 12, 13], [2, 3, 0, 1], [6, 7, 4, 5]]
    assert made[0, 0].tolist() == expected


@given(pieces=st.sampled_from([1, 2, 3, 6]), seed=st.integers(0, 100))
def test_pieces_keep_every_pixel_and_go_back(pieces, seed):
    images, _ = some(seed, height=6, width=12)
    orders = torch.rand(3, pieces**2, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    made = scramble(images, orders, pieces)
    torch.testing.assert_close(made.flatten(2).sort().values, images.flatten(2).sort().values)
    torch.testing.assert_close(scramble(made, orders.argsort(dim=1), pieces), images)


def test_pieces_are_whole():
    images, _ = some(height=8, width=8)
    made = scramble(images, torch.tensor([[1, 0, 2, 3]] * 3), 2)
    torch.testing.assert_close(made[:, :, :4, :4], images[:, :, :4, 4:])
    torch.testing.assert_close(made[:, :, 4:], images[:, :, 4:])


# --- at random ---


@pytest.mark.parametrize(
    "remedy", [RandomBackgrounds(), RandomChannels(), RandomMixtures(), Scramble(2)]
)
def test_at_random_by_the_global_seed(remedy):
    images, masks = some(num=16, height=20, width=20)
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(remedy(images, masks))
    torch.testing.assert_close(made[0], made[1])
    assert (made[0] != made[2]).any()
    assert (made[0].shape, made[0].dtype) == (images.shape, images.dtype)


def test_each_scene_is_used_once():
    images, masks = some(num=9, height=8, width=8)
    images[:] = torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1)
    torch.manual_seed(0)
    corners = RandomBackgrounds()(images, masks & False)[:, 0, -1, -1]
    assert sorted(corners.tolist()) == list(range(9))
    assert (corners != torch.arange(9)).any()


# --- what is refused ---


def test_what_does_not_fit_is_refused():
    images, masks = some()
    with pytest.raises(ValueError, match=r"masks must be \(3, 6, 8\) bool"):
        swap_backgrounds(images, masks.float(), torch.arange(3))
    with pytest.raises(ValueError, match=r"masks must be \(3, 6, 8\) bool"):
        fill_holes(images, masks[:2])
    with pytest.raises(ValueError, match=r"donors must be \(3,\)"):
        swap_backgrounds(images, masks, torch.arange(2))
    with pytest.raises(ValueError, match=r"orders must be \(3, 3\)"):
        permute_channels(images, torch.arange(3))
    with pytest.raises(ValueError, match=r"weights must be \(3, 3, 3\)"):
        mix_channels(images, torch.ones(3, 3))
    with pytest.raises(ValueError, match="pieces must divide 6 and 8, got 4"):
        scramble(images, torch.zeros(3, 16, dtype=torch.int64), 4)
    with pytest.raises(ValueError, match=r"orders must be \(3, 4\)"):
        scramble(images, torch.zeros(3, 16, dtype=torch.int64), 2)
