"""Draws README's picture, `data/banner.jpg`:  uv run python data/banner.py"""

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import skimage
import torch
from PIL import Image
from skimage.transform import resize

import d2lhelpers
from d2lhelpers import plot

HEIGHT, WIDTH = 561, 728
TRUTH = torch.tensor([[0.04, 0.03, 0.72, 1.00], [0.68, 0.00, 0.90, 0.72]])
NAMES, COLOURS = ["astronaut", "shuttle"], [plot.SKY, plot.YELLOW]
SCALE = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])


def outline(axes: plt.Axes, boxes: torch.Tensor, colour: str, width: float, alpha: float) -> None:
    for box in boxes * SCALE:
        rectangle = axes.add_patch(d2lhelpers.bbox_to_rect(box, colour))
        rectangle.set(linewidth=width, alpha=alpha)


def main() -> None:
    photo = resize(skimage.data.astronaut()[:395], (HEIGHT, WIDTH), anti_aliasing=True)
    grid = torch.zeros(1, 1, 9, 12)
    tall = d2lhelpers.multibox_prior(grid, [0.45, 0.6], [0.4, 1])[0]
    large = d2lhelpers.multibox_prior(grid, [0.9, 0.2], [0.9])[0]
    anchors = torch.cat((tall, large))
    assigned = d2lhelpers.assign_anchor_to_bbox(TRUTH, anchors)
    iou = d2lhelpers.box_iou(anchors, TRUTH).amax(dim=1)

    plot.course_style()
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.35))
    titles = (
        f"{len(anchors)} anchors cover the picture",
        "the ones that fit are matched",
        "the best one is kept and moved",
    )
    for axes, title in zip(panels, titles, strict=True):
        plot.show_image(axes, photo, title)
        axes.title.set_fontsize(17)
        axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    outline(panels[0], anchors[::5], "white", 1.0, 0.6)
    for box, colour in enumerate(COLOURS):
        outline(panels[1], anchors[assigned == box], colour, 1.6, 0.9)
        best = torch.where(assigned == box, iou, 0).argmax()
        offsets = d2lhelpers.offset_boxes(anchors[best, None], TRUTH[box, None])
        decoded = d2lhelpers.offset_inverse(anchors[best, None], offsets)
        plot.show_bboxes(panels[2], decoded * SCALE, NAMES[box], colour)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    Image.open(buffer).convert("RGB").save(
        Path(__file__).with_name("banner.jpg"), quality=85, optimize=True
    )


if __name__ == "__main__":
    main()
