"""Making a small picture four times as large, trained by pixels or by features: chapter 12."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.devices import best_device
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.experiments.seeing import single_toys
from d2lhelpers.features import PerceptualDistance
from d2lhelpers.models import average_pooling, backbone, vgg_features
from d2lhelpers.one_cycle import one_cycle

__all__ = [
    "ENLARGING", "FACTOR", "LOSSES", "Enlarger", "enlarge", "feature_loss", "fine_detail", "judge", "measure",
    "pixel_loss", "reduced", "train_enlarger",
]  # fmt: skip

FACTOR = 4
WIDTH, DEPTH = 48, 5  # channels and convolutions at the small size
STEPS, BATCH, CROP, RATE = 300, 16, 48, 3e-3
LAYERS, PIXEL_WEIGHT = ("relu1_2", "relu2_2", "relu3_3"), 20.0
JUDGE, JUDGED = "s32", ("1", "2", "3")


class Enlarger(nn.Module):
    """Bilinear interpolation, and a small network for what it leaves out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (3, *(WIDTH,) * (DEPTH - 2)):
            layers += [nn.Conv2d(channels, WIDTH, 3, padding=1), nn.ReLU()]
        layers += [
            nn.Conv2d(WIDTH, 8 * FACTOR**2, 3, padding=1),
            nn.PixelShuffle(FACTOR),
            nn.ReLU(),
        ]
        last = nn.Conv2d(8, 3, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.detail = nn.Sequential(*layers, last)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) float in [0, 1] -> (B, 3, 4 h, 4 w), about in [0, 1]."""
        return enlarge(images, "bilinear") + self.detail(images)


def reduced(images: Tensor) -> Tensor:
    """(B, 3, h, w) float -> a quarter of the height and the width, as a camera with larger pixels would see it."""
    return F.interpolate(images, scale_factor=1 / FACTOR, mode="bilinear", antialias=True)


def enlarge(images: Tensor, how: str) -> Tensor:
    """Four times as large by interpolation, "bilinear" or "bicubic"."""
    return F.interpolate(images, scale_factor=FACTOR, mode=how)


def pixel_loss(device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean squared error."""
    return F.mse_loss


def feature_loss(device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The perceptual distance, and a part of the squared error, which keeps the colours where they are.

    Average pooling in place of maxima, which pass a gradient to one pixel in four and print a grid.
    """
    distance = PerceptualDistance(average_pooling(vgg_features()).to(device), LAYERS)
    return lambda made, true: distance(made, true).mean() + PIXEL_WEIGHT * F.mse_loss(made, true)


LOSSES = {"pixels": pixel_loss, "features": feature_loss}


def train_enlarger(loss: str, seed: int, images: Tensor, steps: int = STEPS) -> Enlarger:
    """Train on random crops.

    Args:
        loss: of LOSSES.
        images: (N, 3, height, width) float in [0, 1], at least `CROP` pixels high and wide.
        steps: batches.
    Returns:
        The network, in evaluation mode, on `best_device()`.
    """
    torch.manual_seed(seed)
    device = best_device()
    net, distance = Enlarger().to(device), LOSSES[loss](device)
    optimizer, scheduler = one_cycle(net, RATE, steps)
    height, width = images.shape[2:]
    for _ in range(steps):
        chosen = torch.randint(len(images), (BATCH,))
        top, left = (int(torch.randint(size - CROP + 1, ())) for size in (height, width))
        true = images[chosen, :, top : top + CROP, left : left + CROP].to(device)
        value = distance(net(reduced(true)), true)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        scheduler.step()
    return net.eval().requires_grad_(False)


def fine_detail(images: Tensor) -> Tensor:
    """(B,), the mean square of what an average over 2 x 2 pixels takes away."""
    smooth = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")
    return (images - smooth).square().mean(dim=(1, 2, 3))


def judge() -> PerceptualDistance:
    """A distance by a network that no loss here has used."""
    return PerceptualDistance(backbone(JUDGE).features.to(best_device()), JUDGED)


@torch.no_grad()
def measure(net: Callable[[Tensor], Tensor], images: Tensor) -> Row:
    """How good the enlarged pictures are: the fidelity of pixels, a judge, and how much detail there is.

    Args:
        net: from reduced pictures to large ones.
        images: (N, 3, height, width) float in [0, 1], the true ones.
    Returns:
        "psnr" in decibels, "judge" the mean distance, "detail" as a fraction of the true pictures'.
    """
    distance, psnr, judged, detail, true_detail = judge(), [], [], 0.0, 0.0
    for true in images.to(best_device()).split(100):
        made = net(reduced(true)).clamp(0, 1)
        psnr.append(-10 * (made - true).square().mean(dim=(1, 2, 3)).log10())
        judged.append(distance(made, true))
        detail += fine_detail(made).sum().item()
        true_detail += fine_detail(true).sum().item()
    return {
        "psnr": torch.cat(psnr).mean().item(),
        "judge": torch.cat(judged).mean().item(),
        "detail": detail / true_detail,
    }


def _variant(loss: str) -> Callable[[int], Row]:
    def variant(seed: int) -> Row:
        net = train_enlarger(loss, seed, single_toys("train").images / 255)
        return measure(net, single_toys("test").images / 255)

    return variant


ENLARGING = Experiment(
    name="enlarging",
    question="What changes when a network that enlarges pictures is trained by features in place of pixels?",
    settings={
        "network": (WIDTH, DEPTH, FACTOR),
        "training": (STEPS, BATCH, CROP, RATE),
        "features": (LAYERS, PIXEL_WEIGHT, "vgg, average pooling"),
        "judge": (JUDGE, JUDGED),
        "data": "single_toys",
    },
    variants={loss: _variant(loss) for loss in LOSSES},
)
