"""Submissions of assignment a5: what each known mistake loses."""

NAME = "a5"
POINTS = {
    "gram_": 18, "tv_": 18, "field_": 16, "precision_": 16, "hunt_": 10, "cam_": 12, "words": 10,
}  # fmt: skip
SECRETS = (
    "channels.transpose",
    ".abs().mean()",
    "a5.hidden",
    "patient_grad_cam]",
    "Rubric",
    "as a shortcut, since",
)

TV = {"tv_down", "tv_across", "tv_wide"}
PRECISION = {"precision_share"}

LOST = {
    "gram": ("gram_matrix", "my_gram_matrix", {
        "not_normalised": {"gram_pairs", "gram_size"},
        "by_places": {"gram_pairs"},
        "by_batch": {"gram_batch"},
        "centred": {"gram_pairs"},
        "mixed": {"gram_batch"},
    }),
    "tv": ("tv_loss", "my_tv_loss", {
        "no_half": TV,
        "sum": TV,
        "squared": TV,
        "signed": TV,
        "only_across": TV,
        "only_down": TV,
        "whole_mean": {"tv_wide"},
    }),
    "field": ("receptive_field", "my_receptive_field", {
        "no_strides": {"field_strides"},
        "own_stride": {"field_strides", "field_edges"},
        "whole_kernel": {"field_plain", "field_strides", "field_edges"},
        "product": {"field_plain", "field_strides"},
        "from_the_top": {"field_strides"},
        "last_step": {"field_strides"},
    }),
    "precision": ("precision_at_k", "my_precision_at_k", {
        "recall": {"precision_share", "precision_first"},
        "any_right": PRECISION,
        "first_only": PRECISION,
        "majority": PRECISION,
        "added_up": PRECISION,
        "indices_as_labels": {"precision_share", "precision_first", "precision_none"},
    }),
    "cam": ("grad_cam", "my_grad_cam", {
        "no_relu": {"cam_against"},
        "not_averaged": {"cam_weight", "cam_uneven", "cam_against"},
        "over_channels": {"cam_weight", "cam_uneven", "cam_against"},
        "over_batch": {"cam_batch"},
        "sum": {"cam_weight", "cam_uneven", "cam_against"},
        "relu_of_weights": {"cam_against"},
        "relu_of_gradients": {"cam_uneven", "cam_against"},
        "relu_too_early": {"cam_against"},
    }),
}  # fmt: skip

HUNT = "def test_grad_cam(grad_cam):"
FOR = "torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)"
AGAINST = "torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)"
# Tests for the bug hunt that do not tell the bug from what is right.
WEAK_TESTS = {
    "asserts nothing": f"grad_cam({FOR}, {AGAINST})",
    "asserts what is never true": "assert False",
    "looks at the shape": f"assert grad_cam({FOR}, {AGAINST}).shape == (1, 1, 1)",
    "has one channel only": f"assert grad_cam({FOR}[:, :1], {AGAINST}[:, 1:]).item() == 0",
    "has nothing against the class": f"assert_close(grad_cam({FOR}, {FOR}), torch.full((1, 1, 1), 5.0), **close)",
    "holds the bug for right": f"assert grad_cam({FOR}, {AGAINST}).item() == 2",
    "crashes on all": f"assert grad_cam({FOR}, {AGAINST}).meen() == 1",
    "fails on the bug by a crash": f"[0, 1][int(grad_cam({FOR}, {AGAINST}).item())]",
}
