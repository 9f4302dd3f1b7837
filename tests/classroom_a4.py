"""Submissions of assignment a4: what each known mistake loses."""

NAME = "a4"
POINTS = {
    "colours_": 15,
    "confusion_": 18,
    "iou_": 16,
    "loss_": 18,
    "hunt_": 10,
    "resize_": 13,
    "words": 10,
}
SECRETS = ("a4.hidden", "patient_resize(", "torch.bincount", ".gather(1", "Rubric", "Road and sky")

COLOURS = {"colours_known", "colours_order"}
VOID = {"confusion_void", "confusion_edges"}
IOU = {"iou_right", "iou_wrong", "iou_absent", "iou_invented"}
LOSS = {"loss_pixels", "loss_void"}
RESIZE = {"resize_larger", "resize_void", "resize_other"}

# Of each task: the exercise whose known mistakes these are, the function's name, and the tests that each must fail.
LOST = {
    "colours": ("colours_to_classes", "my_colours_to_classes", {
        "void_is_background": {"colours_void"},
        "void_is_a_class": {"colours_void"},
        "any_channel": COLOURS,
        "red_alone": {"colours_known"},
        "blue_first": COLOURS,
    }),
    "confusion": ("confusion_matrix", "my_confusion_matrix", {
        "transposed": {"confusion_rows"},
        "void_is_background": VOID,
        "void_is_last": VOID,
        "shares": VOID | {"confusion_rows"},
        "only_right": {"confusion_rows"},
    }),
    "iou": ("mean_iou", "my_mean_iou", {
        "absent_is_zero": {"iou_absent"},
        "union_is_sum": IOU,
        "recall": {"iou_wrong", "iou_invented"},
        "precision": {"iou_wrong", "iou_invented"},
        "accuracy": {"iou_wrong", "iou_invented"},
        "pooled": {"iou_wrong", "iou_invented"},
        "only_true_classes": {"iou_invented"},
    }),
    "loss": ("void_loss", "my_void_loss", {
        "void_as_background": {"loss_void", "loss_nothing"},
        "over_all_pixels": {"loss_void"},
        "mean_of_pictures": {"loss_void"},
        "along_the_row": LOSS,
        "summed": LOSS,
        "only_objects": LOSS,
        "nan_for_nothing": {"loss_nothing"},
    }),
    "resize": ("resize_labels", "my_resize_labels", {
        "interpolated_and_rounded": RESIZE,
        "interpolated_and_cut": RESIZE,
        "corner_of_the_pixel": {"resize_other"},
        "exchanged": RESIZE,
        "repeated": RESIZE,
    }),
}  # fmt: skip

# Tests for the bug hunt that do not tell the bug from what is right.
HUNT = "def test_resize(resize):"
ROW = "torch.tensor([[1, 2, 3]])"
WEAK_TESTS = {
    "asserts nothing": f"resize({ROW}, 1, 1)",
    "asserts what is never true": "assert False",
    "makes it larger": f"assert resize({ROW}, 1, 6).tolist() == [[1, 1, 2, 2, 3, 3]]",
    "keeps the size": f"assert resize({ROW}, 1, 3).tolist() == [[1, 2, 3]]",
    "holds the bug for right": f"assert resize({ROW}, 1, 1).tolist() == [[1]]",
    "fails on the bug by a crash": f"[0][resize({ROW}, 1, 1).item() - 2 and 1]",
    "looks at the shape": f"assert resize({ROW}, 2, 2).shape == (2, 2)",
}
