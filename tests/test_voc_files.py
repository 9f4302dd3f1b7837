import io

import d2l.torch as d2l
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F
from voc_folder import SIZES, write_voc_folder

from d2lhelpers import (
    VOC_CLASSES,
    VOC_COLORMAP,
    read_voc_images,
    voc_colormap2label,
    voc_label_indices,
)
from d2lhelpers.datasets.voc import VOID, voc_palette
from d2lhelpers.datasets.voc_files import (
    decode_image,
    decode_labels,
    read_voc_names,
    voc_classes,
    voc_paths,
)

PALETTE = torch.from_numpy(voc_palette())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_voc_folder(tmp_path_factory.mktemp("voc"))


def coloured(labels):
    """(h, w) classes -> (3, h, w) uint8."""
    return PALETTE[labels.long()].movedim(-1, 0)


def encoded(pixels, mode=None, suffix="png"):
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, format=suffix)
    return buffer.getvalue()


def test_the_colours_are_d2ls():
    assert VOC_COLORMAP == d2l.VOC_COLORMAP
    assert len(VOC_CLASSES) == 21


# torchvision says that its reading of files is to go; d2l still uses it
@pytest.mark.filterwarnings("ignore:The image decoding")
@pytest.mark.parametrize("is_train", [True, False])
def test_reads_what_d2l_reads(place, is_train):
    ours, theirs = read_voc_images(place, is_train), d2l.read_voc_images(place, is_train)
    for own, their in zip(ours, theirs, strict=True):
        assert [tuple(one.shape[1:]) for one in own] == SIZES["train" if is_train else "val"]
        assert all(torch.equal(a, b) for a, b in zip(own, their, strict=True))
        assert {one.dtype for one in own} == {torch.uint8}
        assert all(one.is_contiguous() for one in own)


def test_the_table_is_small_and_tells_all_classes_apart():
    table = voc_colormap2label()
    assert table.nbytes == 64
    assert sorted(table.unique().tolist()) == [*range(21), VOID]
    assert [table[16 * 2], table[4 * 2], table[2]] == [1, 2, 4]  # dark red, green, blue
    labels = torch.tensor([[*range(21), VOID]], dtype=torch.uint8)
    found = voc_label_indices(coloured(labels), table)
    assert torch.equal(found, labels)
    assert found.dtype == torch.uint8


def test_indices_are_d2ls_but_for_void_which_d2l_takes_for_background(place):
    theirs_table, ours_table = d2l.voc_colormap2label(), voc_colormap2label()
    for colours in read_voc_images(place)[1]:
        ours = voc_label_indices(colours, ours_table)
        theirs = d2l.voc_label_indices(colours, theirs_table)
        void = (colours == PALETTE[VOID][:, None, None]).all(0)
        assert void.any()
        assert torch.equal(ours[~void].long(), theirs[~void])
        assert (ours[void] == VOID).all()
        assert (theirs[void] == 0).all()


@pytest.mark.parametrize("is_train", [True, False])
def test_the_number_in_the_file_is_what_its_colour_means(place, is_train):
    table = voc_colormap2label()
    _, colours = read_voc_images(place, is_train)
    for name, colour in zip(read_voc_names(place, is_train), colours, strict=True):
        read = decode_labels(voc_paths(place, name)[1].read_bytes())
        assert torch.equal(read, voc_label_indices(colour, table))
        assert read.dtype == torch.uint8


def test_labels_may_also_stand_in_a_grey_or_a_coloured_file():
    labels = torch.tensor([[0, 5], [20, VOID], [1, 2]], dtype=torch.uint8)
    in_colours = coloured(labels).movedim(0, -1).numpy()
    for content in (encoded(labels.numpy()), encoded(in_colours)):
        assert torch.equal(decode_labels(content), labels)


def test_pictures_are_decoded_as_colours():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    decoded = decode_image(encoded(grey))
    assert decoded.shape == (3, 3, 4)
    assert torch.equal(decoded, torch.from_numpy(grey).expand(3, 3, 4))


@pytest.mark.parametrize("colour", [[0, 0, 1], [64, 0, 128 - 1], [255, 255, 255], [0, 64, 192]])
def test_a_colour_of_no_class_is_refused_where_d2l_takes_it_for_background(colour):
    picture = coloured(torch.zeros(4, 6))
    picture[:, 2, 3] = torch.tensor(colour, dtype=torch.uint8)
    assert not d2l.voc_label_indices(picture, d2l.voc_colormap2label()).any()
    message = rf"\[{', '.join(map(str, colour))}\] at row 2, column 3.*NEAREST"
    with pytest.raises(ValueError, match=message):
        voc_label_indices(picture, voc_colormap2label())


def test_scaling_with_interpolation_makes_colours_of_no_class():
    labels = torch.zeros(20, 20)
    labels[5:15, 5:15] = 8
    blurred = F.resize(coloured(labels), [13, 13])
    with pytest.raises(ValueError, match="none of VOC's"):
        voc_label_indices(blurred, voc_colormap2label())
    nearest = F.resize(coloured(labels), [13, 13], interpolation=F.InterpolationMode.NEAREST)
    assert set(voc_label_indices(nearest, voc_colormap2label()).unique().tolist()) == {0, 8}


def test_classes_are_vocs_unless_the_folder_has_its_own(tmp_path):
    assert voc_classes(tmp_path) == VOC_CLASSES
    (tmp_path / "classes.txt").write_text("apple\nstar\n")
    assert voc_classes(tmp_path) == ("background", "apple", "star")


@pytest.mark.parametrize(
    ("colormap", "table", "named"),
    [
        (torch.zeros(2, 2), voc_colormap2label(), r"colormap must be .* got \(2, 2\)"),
        (torch.zeros(3, 2, 2), voc_colormap2label(), r"colormap must be .*float32"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(9), "colormap2label must be"),
    ],
)
def test_bad_input_is_named(colormap, table, named):
    with pytest.raises(ValueError, match=named):
        voc_label_indices(colormap, table)


def test_a_folder_that_is_not_vocs_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.txt.*datasets\.folder\(\"voc2012\"\)"):
        read_voc_images(tmp_path)
