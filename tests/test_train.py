import copy
import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from d2lhelpers.history import History, Progress
from d2lhelpers.launch import launch
from d2lhelpers.train import evaluate_accuracy, train

# `from d2lhelpers import train` would be the module too, but reads as the function
TRAIN = importlib.import_module("d2lhelpers.train")


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """The same numbers on every device; what bfloat16 does is tested by itself."""
    monkeypatch.setattr(TRAIN, "pays_in_bfloat16", lambda device: False)


def examples(number=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(number, 3, 8, 8, generator=generator)
    return TensorDataset(images, (images.mean(dim=(1, 2, 3)) > 0).long())


def small_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )


def without_batch_norm():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def fit(net, epochs=2, *, data=None, loss=None, rate=0.1, shuffle=True, **options):
    data = data or examples()
    return train(
        net,
        DataLoader(data, 16, shuffle=shuffle),
        DataLoader(data, 16),
        loss or nn.CrossEntropyLoss(),
        torch.optim.SGD(net.parameters(), rate, momentum=0.9),
        epochs,
        show=False,
        **options,
    )


def void_loss(outputs, targets):
    """Of targets that are classes; 255 in a byte is one only where there are so many."""
    unknown = 255 if outputs.shape[1] <= 255 else -100
    losses = nn.functional.cross_entropy(
        outputs, targets.long(), ignore_index=unknown, reduction="none"
    )
    return losses.mean()


def on_cpu(net):
    return {name: value.cpu() for name, value in net.state_dict().items()}


def assert_same_weights(one, other, **tolerance):
    torch.testing.assert_close(on_cpu(one), on_cpu(other), **(tolerance or {"rtol": 0, "atol": 0}))


class TestLoop:
    def test_is_the_loop_that_everybody_writes(self):
        net, plain = small_net(), small_net()
        fit(net, epochs=2, shuffle=False)
        optimizer = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9)
        for _ in range(2):
            for images, labels in DataLoader(examples(), 16):
                optimizer.zero_grad()
                nn.functional.cross_entropy(plain(images), labels).backward()
                optimizer.step()
        assert_same_weights(net, plain, rtol=1e-4, atol=1e-5)

    def test_a_loss_for_each_example_is_averaged_not_summed(self):
        net, other = small_net(), small_net()
        fit(net, loss=nn.CrossEntropyLoss(reduction="none"))
        fit(other, loss=nn.CrossEntropyLoss())
        assert_same_weights(net, other)

    def test_every_example_weighs_the_same_though_the_last_batch_is_short(self):
        net = without_batch_norm()
        data = examples(50)  # batches of 16, 16, 16 and 2
        history = fit(net, 1, data=data, rate=0.0)
        net = net.cpu()
        expected = nn.functional.cross_entropy(net(data.tensors[0]), data.tensors[1]).item()
        assert history.train_loss == pytest.approx([expected], rel=1e-4)
        assert history.test_loss == pytest.approx([expected], rel=1e-4)
        assert history.train_accuracy == history.test_accuracy
        assert history.examples == [50]

    @pytest.mark.parametrize("number", [1, 3, 16, 17])
    def test_one_batch_or_a_short_last_one_is_enough(self, number):
        assert fit(without_batch_norm(), 1, data=examples(number)).epochs == 1

    def test_learns_and_measures_on_the_test_set(self):
        net, data = small_net(), examples(200)
        history = fit(net, 8, data=data)
        assert history.epochs == 8
        assert history.train_loss[-1] < 0.7 * history.train_loss[0]
        assert history.test_accuracy[-1] == pytest.approx(
            evaluate_accuracy(net, DataLoader(data, 7))
        )
        assert not net.training

    def test_targets_may_be_maps(self):
        torch.manual_seed(0)
        images, maps = torch.randn(6, 3, 5, 7), torch.randint(0, 4, (6, 5, 7))
        net = nn.Conv2d(3, 4, 1)
        history = fit(net, 1, data=TensorDataset(images, maps), rate=0.0)
        right = (net.cpu()(images).argmax(1) == maps).float().mean()
        assert history.test_accuracy == pytest.approx([right.item()])

    def test_what_is_no_class_counts_neither_as_right_nor_as_wrong(self):
        torch.manual_seed(0)
        images, maps = torch.randn(7, 3, 5, 7), torch.randint(0, 4, (7, 5, 7), dtype=torch.uint8)
        maps[torch.rand(maps.shape) < 0.3] = 255
        maps[1], maps[4] = 255, 255  # a batch of them alone, and one of which the rest is known
        net = nn.Conv2d(3, 4, 1)
        history = train(
            net, *[DataLoader(TensorDataset(images, maps), 3 - k) for k in (0, 2)], void_loss,
            torch.optim.SGD(net.parameters(), 0.0), 1, show=False,
        )  # fmt: skip
        known = maps != 255
        right = (net.cpu()(images).argmax(1) == maps)[known].float().mean().item()
        assert history.train_accuracy == pytest.approx([right])
        assert history.test_accuracy == pytest.approx([right])
        assert history.examples == [7]

    def test_with_nothing_known_there_is_no_accuracy(self):
        maps = torch.full((4, 5, 7), 255)
        data = TensorDataset(torch.randn(4, 3, 5, 7), maps)
        history = fit(nn.Conv2d(3, 4, 1), 1, data=data, loss=void_loss)
        assert history.train_accuracy == []
        assert history.train_loss == [0]

    def test_more_classes_than_a_byte_can_tell(self):
        torch.manual_seed(0)
        # 255 is a class here, one of 300
        images, labels = torch.randn(8, 3), torch.full((8,), 255)
        net = nn.Linear(3, 300)
        nn.init.constant_(net.bias[255:256].data, 100.0)
        history = fit(net, 1, data=TensorDataset(images, labels), rate=0.0)
        assert history.test_accuracy == [1]
        history = fit(net, 1, data=TensorDataset(images, labels.byte()), loss=void_loss, rate=0.0)
        assert history.test_accuracy == [1]

    def test_mixed_labels_count_for_their_largest_part(self):
        data = examples(20)
        shares = nn.functional.one_hot(data.tensors[1], 2) * 0.6 + 0.2
        net = without_batch_norm()
        mixed = fit(net, 1, data=TensorDataset(data.tensors[0], shares), rate=0.0)
        assert mixed.test_accuracy == fit(net, 1, data=data, rate=0.0).test_accuracy

    def test_the_seed_decides_the_order_of_the_batches(self):
        nets = [small_net() for _ in range(3)]
        for net, seed in zip(nets, (1, 1, 2), strict=True):
            fit(net, seed=seed)
        assert_same_weights(nets[0], nets[1])
        assert not torch.equal(nets[0][0].weight, nets[2][0].weight)

    def test_the_scheduler_steps_after_each_batch(self):
        net = small_net()
        optimizer = torch.optim.SGD(net.parameters(), 1.0)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        batches = DataLoader(examples(50), 16)
        train(
            net, batches, batches, nn.CrossEntropyLoss(), optimizer, 2, scheduler=scheduler, show=False
        )  # fmt: skip
        assert optimizer.param_groups[0]["lr"] == 0.5**8

    def test_without_a_test_set_nothing_is_tested(self):
        net = small_net()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        history = train(
            net, DataLoader(examples(), 16), None, nn.CrossEntropyLoss(), optimizer, 2, show=False
        )
        assert (history.epochs, history.test_loss, history.test_accuracy) == (2, [], [])
        assert "test" not in str(history)
        assert "train accuracy" in history.in_words()
        assert [len(ax.lines) for ax in history.plot().axes] == [1, 1]

    def test_frozen_batch_norm_keeps_its_statistics(self):
        net = small_net()
        net[1].requires_grad_(False)
        before = copy.deepcopy(net[1].state_dict())
        fit(net)
        torch.testing.assert_close(
            {k: v.cpu() for k, v in net[1].state_dict().items()}, before, rtol=0, atol=0
        )
        assert not torch.equal(net[0].weight.cpu(), small_net()[0].weight)

    def test_bfloat16_computes_less_exactly_and_keeps_weights_in_float32(self, monkeypatch):
        net, other = small_net(), small_net()
        fit(net)
        monkeypatch.setattr(TRAIN, "pays_in_bfloat16", lambda device: True)
        history = fit(other)
        assert history.device.endswith("bfloat16")
        assert {v.dtype for v in other.parameters()} == {torch.float32}
        assert not torch.equal(net[0].weight, other[0].weight)
        assert_same_weights(net, other, rtol=0.1, atol=0.05)
        # the network comes back without a wrapper that would go on rounding
        assert "forward" not in vars(other)

    @pytest.mark.parametrize(
        ("epochs", "number", "message"),
        [(0, 4, "epochs must be at least 1"), (1, 0, "train_loader has no batches")],
    )
    def test_refuses_what_cannot_be_trained(self, epochs, number, message):
        with pytest.raises(ValueError, match=message):
            train(
                small_net(), DataLoader(examples(number)), DataLoader(examples(4)),
                nn.CrossEntropyLoss(), torch.optim.SGD(small_net().parameters(), 0.1), epochs,
            )  # fmt: skip

    def test_no_accuracy_over_nothing(self):
        with pytest.raises(ValueError, match="loader has no batches"):
            evaluate_accuracy(small_net(), DataLoader(examples(0)))


KILLED = """
import os, signal, sys, pathlib
import test_train as t
epochs, folder, epoch_to_die_in = int(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
t.TRAIN.pays_in_bfloat16 = lambda device: False
real = t.TRAIN._Run.train_epoch
def dying(self, loader, epoch, progress):
    if epoch == epoch_to_die_in:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, loader, epoch, progress)
t.TRAIN._Run.train_epoch = dying
t.fit(t.small_net(), epochs, checkpoint=folder)
"""


class TestCheckpoint:
    def test_a_killed_training_goes_on_as_if_nothing_had_been(self, tmp_path):
        here = os.path.dirname(__file__)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, "4", str(tmp_path / "run"), "2"],
            capture_output=True, text=True, timeout=120, cwd=here,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["epoch-0002"]
        resumed, whole = small_net(), small_net()
        history = fit(resumed, 4, checkpoint=tmp_path / "run")
        expected = fit(whole, 4)
        assert_same_weights(resumed, whole)
        assert history.train_loss == expected.train_loss
        assert history.test_accuracy == expected.test_accuracy

    def test_what_a_killed_writing_left_is_cleared_away(self, tmp_path):
        (tmp_path / ".partial").mkdir()
        (tmp_path / ".partial" / "model.safetensors").write_bytes(b"half")
        fit(small_net(), 2, checkpoint=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["epoch-0002"]

    def test_a_finished_training_is_read_and_not_repeated(self, tmp_path):
        first, again = small_net(), small_net(seed=1)
        expected = fit(first, 2, checkpoint=tmp_path)
        start = time.perf_counter()
        history = fit(again, 2, checkpoint=tmp_path)
        assert history == expected
        assert_same_weights(first, again)
        assert time.perf_counter() - start < 5

    def test_a_checkpoint_of_another_network_is_refused_and_stays(self, tmp_path):
        fit(small_net(), 1, checkpoint=tmp_path)
        with pytest.raises(ValueError, match="is of another training: name another folder"):
            fit(without_batch_norm(), 2, checkpoint=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001"]


def in_each_process(number, rate=0.1):
    net = without_batch_norm()
    history = fit(net, 2, data=examples(number), rate=rate)
    return [on_cpu(net), history.state_dict()]


def fail():
    raise ZeroDivisionError("on purpose")


@pytest.mark.skipif(torch.cuda.is_available(), reason="processes on the CPU are for CPU machines")
class TestSeveralProcesses:
    def test_two_find_the_weights_of_one(self):
        alone, alone_history = in_each_process(96)
        weights, history = launch(in_each_process, 96, num_processes=2)
        # sums in another order: float32 keeps some 7 digits
        torch.testing.assert_close(weights, alone, rtol=1e-4, atol=1e-6)
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert history[name] == pytest.approx(alone_history[name], rel=1e-4)
        assert history["examples"] == [96, 96]

    def test_each_test_example_counts_once_though_they_do_not_divide(self):
        _, alone = in_each_process(51, 0.0)
        _, history = launch(in_each_process, 51, 0.0, num_processes=2)
        assert history["test_accuracy"] == pytest.approx(alone["test_accuracy"])
        assert history["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-5)

    def test_a_failure_in_a_process_is_a_failure_here(self):
        with pytest.raises(Exception, match="_call FAILED"):
            launch(fail, num_processes=2)

    def test_a_launcher_from_outside_works_too(self, tmp_path):
        script = tmp_path / "chapter.py"
        script.write_text(
            "import os, pathlib, test_train as t\n"
            "t.TRAIN.pays_in_bfloat16 = lambda device: False\n"
            "weights, history = t.launch(t.in_each_process, 96)\n"
            "pathlib.Path(os.environ['RANK']).write_text(repr(history['train_loss']))\n"
        )
        subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", script],
            capture_output=True, text=True, timeout=120, cwd=tmp_path, check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), os.environ["PYTHONPATH"]])},
        )  # fmt: skip
        _, alone = in_each_process(96)
        for rank in "01":
            losses = json.loads((tmp_path / rank).read_text())
            assert losses == pytest.approx(alone["train_loss"], rel=1e-4)


class TestLaunch:
    def test_one_process_is_this_one(self):
        assert launch(os.getpid, num_processes=1) == os.getpid()

    def test_refuses_no_process(self):
        with pytest.raises(ValueError, match="num_processes must be at least 1, not 0"):
            launch(os.getpid, num_processes=0)


class Fits(nn.Module):
    """Works out its own loss from images, targets and whatever else there is, as a detector does."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, images, labels, *more):
        self.seen.append((len(images), len(labels), *map(len, more)))
        return (self.level - labels.float().mean()).square()


class TestWithoutALoss:
    def run(self, *more, **options):
        net, data = Fits(), examples()
        data = TensorDataset(*data.tensors, *more)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        return net, train(
            net, DataLoader(data, 16), None, None, optimizer, 3, show=False, **options
        )

    def test_the_network_gets_the_whole_batch_and_its_value_is_minimised(self):
        net, history = self.run(torch.zeros(50, 2))
        assert net.seen == [(16, 16, 16), (16, 16, 16), (16, 16, 16), (2, 2, 2)] * 3
        assert history.train_loss[-1] < history.train_loss[0]
        assert history.examples == [50, 50, 50]
        assert not net.training

    def test_there_is_no_accuracy_to_tell_or_to_draw(self):
        _, history = self.run()
        assert history.train_accuracy == history.test_accuracy == []
        assert "accuracy" not in str(history)
        assert [ax.get_ylabel() for ax in history.plot().axes] == ["loss"]
        assert history.in_words().startswith("Training loss over 3 epochs. It ends at")

    def test_an_interrupted_one_goes_on(self, tmp_path):
        whole, _ = self.run()
        half, data = Fits(), examples()
        for epochs in (2, 3):
            optimizer = torch.optim.SGD(half.parameters(), 0.1)
            history = train(
                half, DataLoader(data, 16), None, None, optimizer, epochs, checkpoint=tmp_path, show=False
            )  # fmt: skip
        assert_same_weights(half, whole)
        assert history.epochs == 3

    def test_a_test_needs_a_loss(self):
        net = Fits()
        with pytest.raises(ValueError, match="test_loader must be None"):
            train(
                net, DataLoader(examples(), 16), DataLoader(examples(), 16), None,
                torch.optim.SGD(net.parameters(), 0.1), 1,
            )  # fmt: skip


class TestHistory:
    history = History(
        [1.0, 0.5], [0.5, 0.75], [1.1, 0.9], [0.4, 0.7], [2.0, 2.0], [100, 100], "cpu"
    )

    def test_speed_is_over_all_epochs(self):
        assert self.history.images_per_second == 50
        assert "0.700 on the test set; 50 images/s on cpu" in str(self.history)

    def test_an_empty_one_can_be_shown(self):
        assert str(History()) == "no epoch is done yet"
        assert History().images_per_second == 0

    def test_plots_both_quantities_of_both_splits(self):
        figure = self.history.plot()
        assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy"]
        assert [list(line.get_ydata()) for ax in figure.axes for line in ax.lines] == [
            [1.0, 0.5], [1.1, 0.9], [0.5, 0.75], [0.4, 0.7],
        ]  # fmt: skip


class FakeShell:
    kernel = object()


class Handle:
    def __init__(self):
        self.updates = []

    def update(self, data, **options):
        self.updates.append(data)


class TestProgress:
    def test_a_notebook_keeps_one_figure_without_timings(self, monkeypatch):
        shown, handle = [], Handle()
        monkeypatch.setattr("d2lhelpers.history.get_ipython", FakeShell)
        monkeypatch.setattr(
            "d2lhelpers.history.display", lambda data, **options: (shown.append(data), handle)[1]
        )
        progress = Progress(TestHistory.history, 4, show=True)
        for done in (1, 2, 3):
            progress.batch(done)
            progress.epoch()
        progress.close()
        assert len(shown) == 1
        assert len(handle.updates) == 2
        assert "test accuracy at 0.70" in handle.updates[-1]["text/plain"]
        assert "images/s" not in handle.updates[-1]["text/plain"]

    def test_a_terminal_gets_a_bar(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        progress = Progress(TestHistory.history, 4, show=True)
        progress.batch(4)
        progress.epoch()
        progress.close()
        captured = capsys.readouterr()
        assert "4/4" in captured.err
        assert captured.out == ""

    def test_silence_when_asked_for_and_in_a_file(self, capsys):
        for show in (False, True):
            progress = Progress(TestHistory.history, 4, show=show)
            progress.batch(4)
            progress.epoch()
            progress.close()
        captured = capsys.readouterr()
        assert captured.err == captured.out == ""
