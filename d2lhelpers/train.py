"""One training loop for a CPU, a GPU, several of them, and several hosts, on Hugging Face Accelerate."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, set_seed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from d2lhelpers.devices import best_device, pays_in_bfloat16
from d2lhelpers.history import History, Means, Progress

__all__ = ["evaluate_accuracy", "train"]

Loss = Callable[[Tensor, Tensor], Tensor]


def train(
    net: nn.Module,
    train_loader: DataLoader,
    test_loader: DataLoader | None,
    loss: Loss | None,
    optimizer: Optimizer,
    epochs: int,
    *,
    scheduler: LRScheduler | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    show: bool = True,
) -> History:
    """Train a network and measure it on the test set after each epoch. In place of d2l's `train_ch13`.

    Runs on what it finds: the CPU, a GPU, or all the processes that `launch`, `accelerate launch` or
    `torch.distributed.run` started. A batch is shared out among them, so that its size, and with it the meaning of the
    learning rate, stays the same. Two things differ with several processes: batch normalisation sees one process's
    share, and a last short batch is filled up with examples from the epoch's beginning.
    Computes in bfloat16 where the device is faster in it; the weights stay in float32.

    Args:
        net: outputs (B, classes) or (B, classes, ...) logits, or without `loss` the loss itself; trained in place, left
            on the device in evaluation mode.
        train_loader, test_loader: batches (inputs, targets), the last may be short; targets (B,) or (B, ...) int64,
            or (B, classes) float where labels are mixed: the largest part counts as right. What is no class, as 255
            for void, counts neither as right nor as wrong. None to test on leaves the history without tests.
        loss: (outputs, targets) -> a value for each example or their mean; it is the mean that is minimised. None where
            the network works it out from a whole batch, `net(inputs, targets, ...)`, as detectors do; then there is no
            accuracy and nothing to test on.
        optimizer: of the parameters to be trained.
        epochs: in all, those of a checkpoint included.
        scheduler: stepped after each batch.
        seed: decides the order of the batches and everything drawn while training.
        checkpoint: a folder to keep the state in after each epoch, and to go on from where one is there: an
            interrupted training loses at most the epoch it was in.
        show: curves or a bar while it runs.
    Raises:
        ValueError: no batches to train or to test on, no epochs, a test without a loss, or a checkpoint of another
            training.
    Taught in chapters 01 and 02.
    """
    if loss is None and test_loader is not None:
        raise ValueError(
            "test_loader must be None where loss is: such a network has a score of its own"
        )
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, not {epochs}")
    for name, loader in (("train_loader", train_loader), ("test_loader", test_loader)):
        if loader is not None and len(loader) == 0:
            raise ValueError(
                f"{name} has no batches: is its dataset empty, or smaller than a batch?"
            )
    device = best_device()
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        dataloader_config=DataLoaderConfiguration(
            split_batches=True,  # a batch is one batch, on however many devices
            use_seedable_sampler=True,  # and in the same order
        ),
    )
    set_seed(seed)
    # channels last: the faster layout for convolutions on most devices
    run = _Run(
        accelerator,
        *accelerator.prepare(net.to(memory_format=torch.channels_last), optimizer, scheduler),
        loss,
        pays_in_bfloat16(device),
    )
    train_loader, test_loader = accelerator.prepare(train_loader, test_loader)
    history = History(device=f"{device.type} in {'bfloat16' if run.in_bfloat16 else 'float32'}")
    accelerator.register_for_checkpointing(history)
    if checkpoint is not None:
        _resume(accelerator, checkpoint)
    total = epochs * len(train_loader)
    progress = Progress(history, total, show and accelerator.is_main_process)
    try:
        while history.epochs < epochs:
            train_loader.set_epoch(
                history.epochs
            )  # which decides the order, also after a new start
            start = time.perf_counter()
            trained = run.train_epoch(train_loader, history.epochs, progress)
            seconds = time.perf_counter() - start
            tested = None if test_loader is None else run.evaluate(test_loader)
            history.append(trained, tested, seconds)
            if checkpoint is not None:
                _keep(accelerator, checkpoint / f"epoch-{history.epochs:04d}")
            progress.epoch()
    finally:
        progress.close()
        net.eval()
    return history


def evaluate_accuracy(net: nn.Module, loader: DataLoader) -> float:
    """The fraction of the loader's examples that the network gets right, on the network's own device.

    Args:
        net: outputs (B, classes) logits; left in evaluation mode.
        loader: batches (inputs, targets), targets (B,) int64.
    Raises:
        ValueError: the loader has no batches.
    """
    device = next(net.parameters()).device
    net.eval()
    right = total = 0
    with torch.inference_mode():
        for inputs, targets in loader:
            predicted = net(inputs.to(device)).argmax(dim=1)
            right += (predicted == targets.to(device)).sum()
            total += targets.numel()
    if total == 0:
        raise ValueError("loader has no batches: is its dataset empty?")
    return float(right) / total


@dataclass
class _Run:
    """A network in training, with all that its epochs share."""

    accelerator: Accelerator
    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    loss: Loss | None
    in_bfloat16: bool

    def train_epoch(self, loader: DataLoader, epoch: int, progress: Progress) -> Means:
        self.model.train()
        for layer in self.model.modules():
            # frozen weights were trained with the statistics that they came with
            if isinstance(layer, _BatchNorm) and not layer.weight.requires_grad:
                layer.eval()
        sums = torch.zeros(4, device=self.accelerator.device)
        for step, batch in enumerate(loader, start=1):
            value, seen = self._step(*batch)
            self.optimizer.zero_grad()
            self.accelerator.backward(value)
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
            sums += seen
            progress.batch(epoch * len(loader) + step)
        # one transfer for the epoch: asking for a number after each batch would make a GPU wait for it
        return _means(self.accelerator.reduce(sums))

    def evaluate(self, loader: DataLoader) -> Means:
        self.model.eval()
        sums = torch.zeros(4, device=self.accelerator.device)
        with torch.inference_mode():
            for inputs, targets in loader:
                outputs = self._outputs(inputs)
                # where examples do not divide among processes some come twice; this leaves them out
                outputs, targets = self.accelerator.gather_for_metrics((outputs, targets))
                sums += _sums(self.loss(outputs, targets).mean(), outputs, targets)
        return _means(sums)

    def _step(self, inputs: Tensor, targets: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and what it adds to an epoch's sums."""
        if self.loss is None:
            value = self._outputs(inputs, targets, *more)
            number = value.new_tensor(len(inputs))
            return value, torch.stack([value.detach() * number, number * nan, number, number])
        outputs = self._outputs(inputs)
        value = self.loss(outputs, targets).mean()
        return value, _sums(value, outputs, targets)

    def _outputs(self, inputs: Tensor, *more: Tensor) -> Tensor:
        if inputs.ndim == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            outputs = self.model(inputs, *more)
        # a loss is a small number that many digits went into
        return outputs.float()


def _sums(value: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """(4,): the batch's losses added up, its right answers, those whose target is a class, its examples."""
    number = len(targets)
    targets = targets.argmax(dim=1) if targets.is_floating_point() else targets.long()
    known = (targets >= 0) & (targets < outputs.shape[1])
    # a map counts as one answer: float32 adds up some thousand ones exactly, but not an epoch's pixels
    share = number / max(1, targets.numel())
    total, right = value.detach() * number, (outputs.argmax(dim=1) == targets).sum() * share
    return torch.stack([total, right, known.sum() * share, torch.full_like(total, number)])


def _means(sums: Tensor) -> Means:
    loss, right, known, number = sums
    return Means.of(torch.stack([loss, right / known * number, number]))


def _keep(accelerator: Accelerator, path: Path) -> None:
    """Write the state of all processes to a folder, in one piece, then drop the one before."""
    partial = path.parent / ".partial"
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        partial.rename(path)
        for old in _kept(path.parent)[:-1]:
            shutil.rmtree(old)


def _kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*"))


def _resume(accelerator: Accelerator, folder: Path) -> None:
    kept = _kept(folder)
    if not kept:
        return
    try:
        accelerator.load_state(str(kept[-1]))
    except (KeyError, RuntimeError, ValueError) as problem:
        raise ValueError(
            f"checkpoint {folder} is of another training: name another folder, or remove this one"
        ) from problem
