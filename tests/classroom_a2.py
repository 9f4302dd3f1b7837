"""Assignment a2 for the gate: its points, what each known mistake loses, and tests that expose no bug."""

NAME = "a2"
POINTS = {"iou_": 24, "encode_": 18, "decode_": 18, "hunt_": 10, "nms_": 20, "words": 10}
SECRETS = ("clamp(min=0)", "argsort", "a2.hidden", "patient_nms]", "Rubric", "Soft-NMS")

IOU = {"iou_overlap", "iou_table", "iou_apart", "iou_edges"}
DECODE = {"decode_centre", "decode_size", "decode_outside"}
NMS = {"nms_order", "nms_doubles", "nms_chain", "nms_edges"}

# Of each task: the exercise whose known mistakes these are, the function's name, and the tests that each must fail.
LOST = {
    "iou": ("box_iou", "my_box_iou", {
        "union_is_sum": {"iou_overlap", "iou_table"},
        "no_clamp": {"iou_apart"},
        "clamp_product": {"iou_apart"},
        "plus_one": {"iou_overlap", "iou_table", "iou_edges"},
        "no_guard": {"iou_edges"},
        "transposed": {"iou_table", "iou_edges"},
        "elementwise": IOU,
    }),
    "encode": ("offset_boxes", "my_offset_boxes", {
        "precedence": {"encode_centre"},
        "no_scales": {"encode_centre", "encode_size"},
        "no_log": {"encode_size"},
        "inverted_log": {"encode_size"},
        "reversed": {"encode_centre"},
        "box_size": {"encode_centre"},
        "top_left": {"encode_centre"},
    }),
    "decode": ("offset_inverse", "my_offset_inverse", {
        "no_exp": {"decode_size", "decode_outside"},
        "swapped_scales": DECODE,
        "clamped": {"decode_outside"},
        "centre_format": DECODE,
        "whole_size": {"decode_size", "decode_outside"},
        "from_centre": {"decode_centre", "decode_outside"},
        "not_times_size": {"decode_centre", "decode_outside"},
    }),
    "nms": ("nms", "my_nms", {
        "not_sorted": {"nms_order", "nms_doubles"},
        "suppressed_suppress": {"nms_chain"},
        "threshold_inclusive": {"nms_edges"},
        "score_threshold": {"nms_order", "nms_doubles", "nms_chain"},
        "empty_float": {"nms_edges"},
        "sorted_positions": {"nms_order", "nms_doubles"},
        "best_only": NMS,
    }),
}  # fmt: skip

HUNT = "def test_nms(nms):"
# Tests for the bug hunt that do not tell the bug from what is right.
PAIR = "torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 0.0, 5.0, 4.0]]), torch.tensor([0.9, 0.7]), 0.5"
CHAIN = (
    "torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [4.0, 0.0, 8.0, 4.0]]), "
    "torch.tensor([0.9, 0.8, 0.7]), 0.2"
)
WEAK_TESTS = {
    "asserts nothing": f"nms({CHAIN})",
    "asserts what is never true": "assert False",
    "has no chain": f"assert nms({PAIR}).tolist() == [0]",
    "holds the bug for right": f"assert nms({CHAIN}).tolist() == [0]",
    "crashes on all": f"assert nms({CHAIN}).tolis() == [0, 2]",
    "fails on the bug by a crash": f"nms({CHAIN}).tolist()[1]",
    "takes any two rows": f"assert len(nms({CHAIN})) <= 2",
}
