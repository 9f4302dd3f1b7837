"""Scoring a file of weights that came with a submission: behind walls, in a process that ran nothing of the student's.

The pictures go in and detections come out; the truth about the pictures stays with the grader.
"""

import json

import torch

from d2lhelpers.classroom.detectors import MAX_BYTES, MAX_PASSES, NUM_PICTURES, scores_of
from d2lhelpers.classroom.execution import CALL, NotKnown
from d2lhelpers.classroom.jail import Limits
from d2lhelpers.classroom.kernel import StudentKernel
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.remote import MIME, Remote
from d2lhelpers.datasets import BoxedPictures
from d2lhelpers.detection import Detection, Scores


class Judge:
    """What `handed_in` is in the grader: scores a file on pictures, each set of them once.

    Args:
        name: of the file, for the flags.
        content: None where nothing was handed in.
        masked: what the process must not see.

    Attributes:
        ap50: on the largest set of pictures so far; None before, or where the file is none.
        flags: what a person should know.
    """

    def __init__(
        self,
        name: str,
        content: bytes | None,
        nursery: Nursery,
        limits: Limits,
        masked: tuple[str, ...] = (),
    ) -> None:
        self.name, self.content, self.nursery = name, content, nursery
        self.limits, self.masked = limits, masked
        self.ap50: float | None = None
        self.flags: list[str] = []
        self._known: dict[int, tuple[BoxedPictures, Scores]] = {}
        self._refused: Exception | None = None
        self._most = 0

    def __call__(self, pictures: BoxedPictures) -> Scores:
        """Score the file.

        Raises:
            ValueError: the file cannot be used; the message says why.
            NotKnown: it could not be told in the time and memory that there is.
        """
        if self._refused:
            raise self._refused
        if id(pictures) not in self._known:
            try:
                self._known[id(pictures)] = pictures, self._score(pictures)
            except (ValueError, NotKnown) as problem:
                self._refused = problem
                self._flag(f"{self.name}: {problem}")
                raise
        return self._known[id(pictures)][1]

    def _score(self, pictures: BoxedPictures) -> Scores:
        if self.content is None:
            raise ValueError("there is no such file beside the notebook")
        if not self.content:
            raise ValueError("the file is empty")
        if len(self.content) > MAX_BYTES:
            raise ValueError(f"the file has more than {MAX_BYTES:,} bytes")
        scores = scores_of(self._detections(pictures), pictures)
        if len(pictures) > self._most:
            self._most, self.ap50 = len(pictures), scores.ap50
        return scores

    def _detections(self, pictures: BoxedPictures) -> list[Detection]:
        content = torch.frombuffer(bytearray(self.content), dtype=torch.uint8)
        detections: list[Detection] = []
        with StudentKernel(self.nursery, self.limits, self.masked) as kernel:
            begin = kernel.run("from d2lhelpers.classroom.detectors import detect", self.limits.artefact)  # fmt: skip
            self._require(begin.trouble)

            def send(name: str, packed: str) -> str:
                code = CALL.format(mime=MIME, name=name, packed=packed)
                result = kernel.run(code, self.limits.artefact)
                self._require(result.trouble)
                if not isinstance(result.answer, str):
                    raise NotKnown("the detector brought no answer")
                if json.loads(result.answer).get("error", {}).get("kind") == "MemoryError":
                    raise NotKnown("the detector took too much memory")
                return result.answer

            detect = Remote("detect", send)
            for images in pictures.images.split(NUM_PICTURES):
                passes, found = detect(content, images)
                detections += [
                    Detection(boxes=boxes, labels=labels, scores=scores)
                    for boxes, labels, scores in found
                ]
        self._look_at(passes)
        return detections

    def _require(self, trouble: str) -> None:
        if trouble:
            raise NotKnown(f"the detector {trouble}")

    def _look_at(self, passes: int | None) -> None:
        if passes is None:
            self._flag(f"{self.name} does not declare its training")
        elif passes > MAX_PASSES:
            self._flag(f"{self.name} declares {passes} passes, more than the {MAX_PASSES} allowed")

    def _flag(self, text: str) -> None:
        if text not in self.flags:
            self.flags.append(text)
