"""Which device to compute on, in which precision, and that all is on one."""

from __future__ import annotations

import os

import torch
from torch import Tensor

__all__ = ["autocast", "best_device", "pays_in_bfloat16"]


def best_device() -> torch.device:
    """The GPU when there is one, else the CPU.

    Raises:
        RuntimeError: there is no GPU and the environment variable D2LHELPERS_REQUIRE_GPU is 1, as on the machine
            that proves that the course runs on a GPU; a silent run on the CPU would prove nothing.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if os.environ.get("D2LHELPERS_REQUIRE_GPU") == "1":
        raise RuntimeError(
            "D2LHELPERS_REQUIRE_GPU is 1, but torch.cuda.is_available() is False; check the driver"
        )
    return torch.device("cpu")


def pays_in_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies 16-bit numbers faster than 32-bit ones.

    bfloat16 keeps float32's range, so that a training needs no scaling of its loss. A processor without instructions
    for it converts back and forth, and loses time.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: torch.device) -> torch.autocast:
    """A context in which networks compute in bfloat16 where that pays, as `train` has them compute."""
    return torch.autocast(device.type, torch.bfloat16, enabled=pays_in_bfloat16(device))


def require_same_device(**tensors: Tensor) -> None:
    """Raise the ValueError that names every argument and its device unless all devices are the same."""
    if len({tensor.device for tensor in tensors.values()}) > 1:
        places = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(
            f"all arguments must be on one device, got {places}; move them with .to(device)"
        )
