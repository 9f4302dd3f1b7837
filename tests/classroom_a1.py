"""Submissions of assignment a1: what each known mistake loses."""

NAME = "a1"
POINTS = {
    "flip_": 15,
    "cutmix_": 20,
    "rates_": 15,
    "head_": 16,
    "hunt_": 10,
    "bn_": 14,
    "words": 10,
}
SECRETS = (
    "startswith(",
    ".roll(1, dims=0)[",
    "a1.hidden",
    "patient_batchnorm]",
    "Rubric",
    "nearly symmetric",
)

RATES = {"rates_head", "rates_names", "rates_edges"}
BN = {"bn_normal", "bn_affine", "bn_frozen"}

LOST = {
    "flip": ("flip_boxes", "my_flip_boxes", {
        "not_exchanged": {"flip_place", "flip_width"},
        "minus_one": {"flip_place"},
        "upside_down": {"flip_place", "flip_height"},
        "unchanged": {"flip_place"},
        "shifted_not_mirrored": {"flip_place"},
    }),
    "cutmix": ("cutmix", "my_cutmix", {
        "labels_unchanged": {"cutmix_labels", "cutmix_edges"},
        "swapped": {"cutmix_labels", "cutmix_edges"},
        "sides": {"cutmix_labels"},
        "after": {"cutmix_pixels", "cutmix_labels"},
        "rows_for_columns": {"cutmix_pixels", "cutmix_edges"},
        "mixup": {"cutmix_pixels"},
    }),
    "rates": ("learning_rates", "my_learning_rates", {
        "exchanged": RATES,
        "divided": {"rates_head", "rates_names"},
        "weight_only": {"rates_head", "rates_names"},
        "anywhere": {"rates_names"},
        "last_module": {"rates_names"},
        "one_rate": {"rates_head", "rates_names"},
        "last_two": {"rates_edges"},
    }),
    "head": ("transplant_head", "my_transplant_head", {
        "negative_index": {"head_new"},
        "zeros": {"head_new"},
        "no_bias": {"head_shared", "head_new"},
        "off_by_one": {"head_shared"},
        "sum": {"head_new"},
        "mean_of_others": {"head_new"},
        "one_number": {"head_new"},
        "wrong_axis": {"head_new"},
    }),
    "bn": ("frozen_batchnorm", "my_frozen_batchnorm", {
        "batch_statistics": BN,
        "picture_statistics": {"bn_normal", "bn_affine"},
        "no_root": {"bn_normal"},
        "no_affine": {"bn_affine"},
        "no_bias": {"bn_affine"},
        "bias_first": {"bn_affine"},
        "mean_only": BN,
    }),
}  # fmt: skip

HUNT = "def test_batchnorm(batchnorm):"
LAYER = "*torch.tensor([[2.0], [4.0], [1.0], [0.0]])"
X = "torch.tensor([1.0, 3.0, 5.0, 7.0]).view(2, 1, 1, 2)"
# Tests for the bug hunt that do not tell the bug from what is right.
WEAK_TESTS = {
    "asserts nothing": f"batchnorm({X}, {LAYER})",
    "asserts what is never true": "assert False",
    "looks at the shape": f"assert batchnorm({X}, {LAYER}).shape == (2, 1, 1, 2)",
    "has a batch whose statistics are the layer's": (
        f"assert_close(batchnorm({X}, *torch.tensor([[4.0], [5.0], [1.0], [0.0]])).mean(), torch.tensor(0.0), **close)"
    ),
    "holds the bug for right": f"assert abs(batchnorm({X}, {LAYER}).mean().item()) < 0.01",
    "crashes on all": f"assert batchnorm({X}, {LAYER}).meen() > 0.5",
    "fails on the bug by a crash": f"assert batchnorm({X}[:1, :, :, :1], {LAYER}).item() < 0",
}
