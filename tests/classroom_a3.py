"""Submissions of assignment a3: what each known mistake loses."""

NAME = "a3"
POINTS = {
    "size_": 12,
    "paint_": 24,
    "matrix_": 20,
    "weights_": 14,
    "hunt_": 10,
    "fast_": 10,
    "words": 10,
}
SECRETS = (
    "a3.hidden",
    "right=[patient",
    "torch.stack(lines)",
    "canvas[",
    "Rubric",
    "tuned to it",
)

SIZE = {"size_stride", "size_padding", "size_output"}
PAINT = {"paint_one", "paint_tiles", "paint_overlap", "paint_shape"}
MATRIX = {"matrix_line", "matrix_window", "matrix_forward", "matrix_back"}
PICTURES = {"matrix_forward", "matrix_back"}
WEIGHTS = {"weights_one", "weights_constant"}
FAST = {"fast_tiles", "fast_dense", "fast_strides"}

# Of each task: the exercise whose known mistakes these are, the function's name, and the tests that each must fail.
LOST = {
    "size": ("transposed_size", "my_transposed_size", {
        "padding_adds": {"size_padding"},
        "padding_once": {"size_padding"},
        "one_step_too_many": SIZE,
        "kernel_less_one": SIZE,
        "multiple": SIZE,
        "convolution": SIZE,
        "no_output_padding": {"size_output"},
    }),
    "paint": ("trans_conv", "my_trans_conv", {
        "overwritten": {"paint_overlap"},
        "flipped": {"paint_one", "paint_tiles", "paint_overlap"},
        "no_stride": {"paint_tiles", "paint_overlap", "paint_shape"},
        "too_large": PAINT,
        "averaged": {"paint_overlap"},
    }),
    "matrix": ("kernel2matrix", "my_kernel2matrix", {
        "transposed": MATRIX,
        "flipped": MATRIX,
        "no_gap": PICTURES,
        "shifted_by_one": PICTURES,
        "column_by_column": PICTURES,
        "kernel_exchanged": PICTURES | {"matrix_window"},
    }),
    "weights": ("bilinear_weights", "my_bilinear_weights", {
        "channels_mixed": {"weights_channels"},
        "off_centre": {"weights_one"},
        "to_the_edge": WEIGHTS,
        "too_flat": WEIGHTS,
        "normalised": WEIGHTS,
        "added": WEIGHTS,
    }),
    "fast": ("as_convolution", "my_fast_trans_conv", {
        "not_turned": FAST,
        "one_direction": FAST,
        "transposed": FAST,
        "border_too_wide": FAST,
        "not_stretched": {"fast_tiles", "fast_strides"},
        "strided": {"fast_tiles", "fast_strides"},
        "repeated": {"fast_tiles", "fast_strides"},
    }),
}  # fmt: skip

# Tests for the bug hunt that do not tell the bug from what is right.
HUNT = "def test_trans_conv(trans_conv):"
PAIR = "torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]])"
WEAK_TESTS = {
    "asserts nothing": f"trans_conv({PAIR}, 1)",
    "asserts what is never true": "assert False",
    "has no overlap": f"assert trans_conv({PAIR}, 2).tolist() == [[1.0, 1.0, 2.0, 2.0]]",
    "has one pixel": "assert trans_conv(torch.ones(1, 1), torch.ones(1, 2), 1).tolist() == [[1.0, 1.0]]",
    "holds the bug for right": f"assert trans_conv({PAIR}, 1).tolist() == [[1.0, 2.0, 2.0]]",
    "fails on the bug by a crash": f"[0][int(trans_conv({PAIR}, 1)[0, 1] != 3)]",
    "looks at the shape": f"assert trans_conv({PAIR}, 1).shape == (1, 3)",
}
