"""Which submissions are alike: code as a sequence of tokens, without names, numbers, comments and layout.

Runs of tokens, not whole answers: two who worked together often moved a line. Runs that were handed out, or that many
submissions share, say nothing. The number is a reason to look, never a verdict: short functions are alike.
"""

import hashlib
import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from nbformat import NotebookNode

RUN = 12  # tokens in a run
COMMON = 0.3  # of the submissions; a run that more of them have says nothing
MIN_RUNS = 15  # of a submission's own, to say anything about it


@dataclass(frozen=True)
class Pair:
    """Two submissions.

    Attributes:
        likeness: the part of the shorter one's runs that the other has too, 0 to 1; 0 where that says nothing.
        same_file: whether the files handed in beside the notebooks hold the same numbers.
    """

    one: str
    two: str
    likeness: float
    same_file: bool = False


def similar(
    submissions: Mapping[str, NotebookNode], handed_out: NotebookNode, least: float = 0.6
) -> list[Pair]:
    """Pairs of submissions that share at least a part `least` of their own runs of tokens, most alike first."""
    given = runs(handed_out)
    found = {student: runs(nb) - given for student, nb in submissions.items()}
    counts = Counter(run for own in found.values() for run in own)
    limit = max(2, COMMON * len(found))
    own = {student: {run for run in found[student] if counts[run] <= limit} for student in found}
    own = {student: kept for student, kept in own.items() if len(kept) >= MIN_RUNS}
    pairs = [
        Pair(one, two, len(own[one] & own[two]) / min(len(own[one]), len(own[two])))
        for one, two in combinations(sorted(own), 2)
    ]
    return sorted(
        (pair for pair in pairs if pair.likeness >= least), key=lambda pair: -pair.likeness
    )


def with_same_files(pairs: Sequence[Pair], files: Mapping[str, bytes]) -> list[Pair]:
    """The pairs, and those whose files are the same, these first; what a file says about itself does not count."""
    owners: dict[str, list[str]] = {}
    for student, content in sorted(files.items()):
        # eight bytes of length, then so many of keys and remarks, then the numbers
        start = 8 + int.from_bytes(content[:8], "little")
        numbers = content[start:] or content
        if numbers:
            owners.setdefault(hashlib.sha256(numbers).hexdigest(), []).append(student)
    same = [two for students in owners.values() for two in combinations(students, 2)]
    likeness = {(pair.one, pair.two): pair.likeness for pair in pairs}
    found = [Pair(one, two, likeness.get((one, two), 0.0), same_file=True) for one, two in same]
    return found + [pair for pair in pairs if (pair.one, pair.two) not in same]


def runs(nb: NotebookNode) -> set[tuple[str, ...]]:
    """The runs of normalised tokens in a notebook's code; none goes from one cell into the next."""
    found: set[tuple[str, ...]] = set()
    for cell in nb.cells:
        if cell.cell_type == "code":
            tokens = normalised(cell.source)
            found.update(tuple(tokens[i : i + RUN]) for i in range(len(tokens) - RUN + 1))
    return found


def normalised(source: str) -> list[str]:
    """Tokens of Python, with every name as `n`, number as `0` and text as `s`; as far as it can be read."""
    tokens: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                tokens.append(token.string if keyword.iskeyword(token.string) else "n")
            elif token.type == tokenize.NUMBER:
                tokens.append("0")
            elif token.type == tokenize.STRING:
                tokens.append("s")
            elif token.type == tokenize.OP:
                tokens.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass
    return tokens
