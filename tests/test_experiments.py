import json

import pytest
import torch
from torch import nn

from d2lhelpers.datasets.boxed import BoxedPictures
from d2lhelpers.detection import Detector
from d2lhelpers.experiments import EXPERIMENTS, Experiment, read, run
from d2lhelpers.experiments.detectors import milliseconds_an_image, train_and_score
from d2lhelpers.experiments.runner import mean


class Ways:
    """An experiment of two ways that notes what it was asked for, and fails when told to."""

    def __init__(self, steps=1, fail_at=None):
        self.asked, self.fail_at = [], fail_at
        self.experiment = Experiment(
            "ways", "Which?", {"steps": steps}, {name: self.way(name) for name in ("up", "down")}
        )

    def way(self, name):
        def measure(seed):
            if (name, seed) == self.fail_at:
                raise KeyboardInterrupt
            self.asked.append((name, seed))
            return {"ap": seed + 0.123456}

        return measure


def test_all_variants_and_seeds_are_measured_and_kept(tmp_path):
    ways, said = Ways(), []
    run(ways.experiment, root=tmp_path, report=said.append)
    assert sorted(ways.asked) == [(name, seed) for name in ("down", "up") for seed in (0, 1, 2)]
    rows = read("ways", tmp_path)
    assert list(rows) == ["up", "down"]
    assert rows["up"] == [{"ap": 0.1235}, {"ap": 1.1235}, {"ap": 2.1235}]
    assert mean(rows["up"], "ap") == pytest.approx(1.1235)
    assert len(said) == 6
    kept = json.loads((tmp_path / "data" / "results" / "ways.json").read_text())
    assert kept["settings"] == {"steps": 1}
    assert {"cpu_count", "threads", "python", "torch"} <= kept["machine"].keys()


def test_a_run_that_was_stopped_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Ways(fail_at=("up", 1)).experiment, root=tmp_path, report=str)
    assert read("ways", tmp_path) == {"up": [{"ap": 0.1235}], "down": [{"ap": 0.1235}]}
    ways = Ways()
    run(ways.experiment, root=tmp_path, report=str)
    assert ways.asked == [("up", 1), ("down", 1), ("up", 2), ("down", 2)]


def test_results_of_other_settings_are_not_mixed_in(tmp_path):
    run(Ways(steps=1).experiment, root=tmp_path, report=str)
    ways = Ways(steps=2)
    run(ways.experiment, ["down"], root=tmp_path, report=str)
    assert ways.asked == [("down", 0), ("down", 1), ("down", 2)]
    assert list(read("ways", tmp_path)) == ["down"]


def test_an_unknown_variant_and_no_results(tmp_path):
    with pytest.raises(ValueError, match="one of up, down, not 'left'"):
        run(Ways().experiment, ["left"], root=tmp_path)
    with pytest.raises(FileNotFoundError, match="experiment ways"):
        read("ways", tmp_path)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_shipped_is_of_the_experiment_as_it_is(name):
    experiment, rows = EXPERIMENTS[name], read(name)
    assert set(rows) <= set(experiment.variants)
    assert all(len(of_variant) == 3 for of_variant in rows.values())
    from d2lhelpers.files import ROOT

    kept = json.loads((ROOT / "data" / "results" / f"{name}.json").read_text())
    assert kept["fingerprint"] == experiment.fingerprint


class Middle(Detector):
    """Says that there is a ball in the middle of each picture, as surely as it has learnt to."""

    def __init__(self, num_classes):
        super().__init__()
        self.sure = nn.Parameter(torch.full((num_classes,), -1.0))

    def losses(self, images, labels):
        return {"sure": -nn.functional.logsigmoid(self.sure[:1]).mean()}

    def candidates(self, images):
        box = torch.tensor([[8.0, 8, 24, 24]])
        return [(box, self.sure.sigmoid()[None])] * len(images)


def test_train_and_score_trains_and_scores():
    pictures = BoxedPictures(
        torch.zeros(30, 3, 32, 32, dtype=torch.uint8),
        torch.tensor([[[0, 0.25, 0.25, 0.75, 0.75]]]).expand(30, -1, -1).clone(),
        ("ball", "car"),
    )
    detector, row = train_and_score(Middle, 0, pictures, pictures, epochs=2)
    assert row["ap50"] == row["ap"] == pytest.approx(1)
    assert row["ms"] > 0
    assert row["minutes"] > 0
    assert detector.sure[0] > -1
    assert milliseconds_an_image(Middle(2), pictures.images) > 0
