"""What a training came to, epoch by epoch, and how it is shown while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isnan
from typing import NamedTuple

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from tqdm import tqdm

from d2lhelpers import plot

__all__ = ["History", "Means", "Progress"]


class Means(NamedTuple):
    """One pass over a set of examples; the accuracy is NaN where the network tells nothing but its loss."""

    loss: float
    accuracy: float
    examples: int

    @classmethod
    def of(cls, sums: Tensor) -> Means:
        """(3,): losses added up, right answers, examples."""
        loss, right, examples = sums.tolist()
        return cls(loss / examples, right / examples, round(examples))


@dataclass
class History:
    """One entry for each epoch that is done.

    Attributes:
        train_loss, train_accuracy: means over the epoch's examples, measured while the weights were moving. The
            accuracy is empty for a network that tells nothing but its loss.
        test_loss, test_accuracy: over the test set, after the epoch; empty where there was none.
        seconds: spent in training; the evaluation is not counted.
        examples: that the epoch trained on.
        device: where, and in which precision.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    device: str = ""

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.train_loss)

    @property
    def images_per_second(self) -> float:
        """Over all epochs; 0 before the first is done."""
        return sum(self.examples) / sum(self.seconds) if self.epochs else 0.0

    def append(self, trained: Means, tested: Means | None, seconds: float) -> None:
        """Another epoch is done."""
        self.train_loss.append(trained.loss)
        if not isnan(trained.accuracy):
            self.train_accuracy.append(trained.accuracy)
        if tested is not None:
            self.test_loss.append(tested.loss)
            self.test_accuracy.append(tested.accuracy)
        self.seconds.append(seconds)
        self.examples.append(trained.examples)

    def state_dict(self) -> dict:
        """For a checkpoint."""
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        """Take over what `state_dict` gave."""
        vars(self).update(state)

    def __str__(self) -> str:
        if not self.epochs:
            return "no epoch is done yet"
        trained = (
            f", accuracy {self.train_accuracy[-1]:.3f} in training" if self.train_accuracy else ""
        )
        tested = f" and {self.test_accuracy[-1]:.3f} on the test set" if self.test_accuracy else ""
        return (
            f"epoch {self.epochs}: loss {self.train_loss[-1]:.3f}{trained}{tested}; "
            f"{self.images_per_second:,.0f} images/s on {self.device}"
        )

    def plot(self) -> Figure:
        """Loss on the left and, where it was measured, accuracy on the right, over the epochs."""
        quantities = ("loss", "accuracy") if self.train_accuracy else ("loss",)
        size = (4 * len(quantities), 2.8)
        figure, axes = plt.subplots(
            1, len(quantities), figsize=size, squeeze=False, layout="constrained"
        )
        epochs = range(1, self.epochs + 1)
        for ax, quantity in zip(axes[0], quantities, strict=True):
            for split, style in (("train", "o--"), ("test", "o-")):
                if values := getattr(self, f"{split}_{quantity}"):
                    ax.plot(epochs, values, style, markersize=3, label=split)
            ax.set(xlabel="epoch", ylabel=quantity)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0, -1].legend(loc="lower right" if self.train_accuracy else "upper right")
        return figure

    def in_words(self) -> str:
        """What `plot` shows, for those who cannot see it."""
        if not self.train_accuracy:
            return f"Training loss over {self.epochs} epochs. It ends at {self.train_loss[-1]:.2f}."
        split = "test" if self.test_accuracy else "train"
        accuracy = getattr(self, f"{split}_accuracy")[-1]
        return (
            f"Loss and accuracy over {self.epochs} epochs. Training loss ends at {self.train_loss[-1]:.2f}, "
            f"{split} accuracy at {accuracy:.2f}."
        )


class Progress:
    """Show a training as it runs: curves that grow in a notebook, a bar in a terminal.

    The curves are one figure, redrawn in place, so that what stays on the page is the last of them and holds no
    timings. Outside both, and where `show` is false, nothing appears.
    """

    def __init__(self, history: History, total: int, show: bool) -> None:
        self.history = history
        shell = get_ipython()
        self.in_notebook = show and shell is not None and hasattr(shell, "kernel")
        self.figure = None  # the handle by which the page's figure is redrawn
        # disable=None: no bar where the output is a file
        hidden = None if show and not self.in_notebook else True
        self.bar = tqdm(total=total, unit="batch", disable=hidden)

    def batch(self, done: int) -> None:
        """So many batches are done, over all epochs."""
        self.bar.update(done - self.bar.n)

    def epoch(self) -> None:
        """Another epoch is in the history."""
        self.bar.set_postfix_str(str(self.history))
        if not self.in_notebook:
            return
        data, metadata = plot.bundle(self.history.plot(), self.history.in_words())
        if self.figure is None:
            self.figure = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.figure.update(data, metadata=metadata, raw=True)

    def close(self) -> None:
        """The training is over, one way or another."""
        self.bar.close()
