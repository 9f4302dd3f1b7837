"""`d2lhelpers.uses` reads code without running it; `d2lhelpers.freshness` tells by it which chapters are stale."""

import ast
import inspect
import shutil
import textwrap

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import d2lhelpers
from d2lhelpers import freshness, lesson
from d2lhelpers.files import ROOT
from d2lhelpers.notebooks import find_chapters
from d2lhelpers.uses import Package, as_shown, imports

FILES = {
    "__init__.py": """
        import lazy_loader

        __getattr__, __dir__, __all__ = lazy_loader.attach(
            __name__, submod_attrs={"boxes": ["area"], "nms": ["nms"]}
        )
        """,
    "boxes.py": '''
        """Boxes."""

        __all__ = ["area", "iou"]

        EPS = 1e-6
        SIDES = [name for name in ("left", "right")]


        def area(box):
            """Of one.

            More.
            """
            return box[0] * box[1] + EPS


        def iou(a, b):
            return area(a) / area(b)


        def unused():
            return 0
        ''',
    "nms.py": """
        from d2lhelpers import boxes


        @boxes.unused
        def nms(all_boxes):
            from d2lhelpers.deep import engine as motor

            return motor.Engine(boxes.iou).weights("s32")
        """,
    "deep/__init__.py": "from d2lhelpers.deep.engine import Engine\n",
    "deep/engine.py": """
        REGISTRY = {}
        REGISTRY["x"] = 1


        class Engine:
            def weights(self, name):
                return helper(name)


        def helper(name):
            return name
        """,
}


@pytest.fixture
def clone(tmp_path):
    """A clone of a small course."""
    for name, text in FILES.items():
        path = tmp_path / "d2lhelpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    for name in (
        "data/results/fcn.json",
        "data/results/chapters.json",
        "data/weights/s32.safetensors",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path


def used(clone, code):
    tree = ast.parse(textwrap.dedent(code))
    package = Package(clone)
    return {
        ".".join(one).removeprefix("d2lhelpers.") for one in package.used_by(tree, imports(tree))
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import d2lhelpers\nd2lhelpers.area(b)", {"boxes.area"}),
        ("import d2lhelpers\nd2lhelpers.boxes.iou(a, b).sum()", {"boxes.iou"}),
        ("import d2lhelpers.boxes as b\nb.iou", {"boxes.iou"}),
        (
            "from d2lhelpers import boxes, area as size\nsize(1); boxes.EPS",
            {"boxes.area", "boxes.EPS"},
        ),
        ("from d2lhelpers.deep import Engine\nEngine()", {"deep.engine.Engine"}),
        ("from d2lhelpers import nms\nnms([])", {"nms.nms"}),
        ("from d2lhelpers import area\nimport torch\ntorch.area()", set()),
        ("from d2lhelpers.missing import x\nx()", set()),
        ("area(1)", set()),
    ],
)
def test_names_are_followed_to_their_definitions(clone, code, expected):
    assert used(clone, code) == expected


def test_a_module_handed_on_as_a_whole_counts_with_all_that_is_in_it(clone):
    found = used(clone, "from d2lhelpers import boxes\ndraw(boxes)")
    assert found == {
        "boxes.",
        *(f"boxes.{name}" for name in ("EPS", "SIDES", "area", "iou", "unused")),
    }


def test_what_is_reached_goes_through_decorators_inner_imports_and_registries(clone):
    found = Package(clone).reached({("d2lhelpers.nms", "nms")})
    names = {".".join(one).removeprefix("d2lhelpers.") for one in found}
    assert names == {
        "nms.nms", "boxes.unused", "boxes.iou", "boxes.area", "boxes.EPS", "deep.engine.Engine",
        "deep.engine.helper", "deep.engine.", "deep.engine.REGISTRY",
    }  # fmt: skip


def test_a_name_that_imports_itself_in_a_circle_ends(clone):
    (clone / "d2lhelpers" / "deep" / "__init__.py").write_text("from d2lhelpers.deep import loop\n")
    assert used(clone, "from d2lhelpers.deep import loop\nloop()") == set()


@pytest.mark.parametrize("thing", [lesson.play, lesson.claim, freshness.changes, Package])
def test_a_definition_is_shown_as_in_a_chapter(thing):
    module = thing.__module__
    shown = Package(ROOT).shown((module, thing.__name__))
    assert shown == as_shown(inspect.getsource(thing))
    assert f'"""{thing.__doc__.splitlines()[0]}"""' in shown
    compile(shown, "shown", "exec")


def test_the_package_itself_can_be_read():
    package = Package(ROOT)
    for name in ("nms", "box_iou", "trans_conv", "VOCSegDataset"):
        (definition,) = package.resolve(("d2lhelpers", name))
        assert getattr(d2lhelpers, name).__module__ == definition[0]
        assert package.is_code(definition)


# ------------------------------------------------------------------------------------------------ freshness


def chapter(code="from d2lhelpers import nms\nnms([])", prose="# T"):
    return new_notebook(cells=[new_markdown_cell(prose), new_code_cell(code)])


def fresh(clone, **kwargs):
    nb = chapter(**kwargs)
    nb.metadata[freshness.KEY] = freshness.made_from(nb, Package(clone), "04_x")
    assert freshness.changes(nb, Package(clone), "04_x") == []
    return nb


def edit(clone, name, old, new):
    path = clone / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "stale"),
    [
        ("d2lhelpers/boxes.py", "1e-6", "1e-7", ["d2lhelpers.boxes"]),
        ("d2lhelpers/boxes.py", "box[0] * box[1]", "box[1] * box[0]", ["d2lhelpers.boxes"]),
        ("d2lhelpers/deep/engine.py", "return name", "return 1", ["d2lhelpers.deep"]),
        ("d2lhelpers/deep/engine.py", '["x"] = 1', '["x"] = 2', ["d2lhelpers.deep"]),
        ("data/weights/s32.safetensors", "1", "2", ["data/weights/s32.safetensors"]),
        # what the chapter does not use, or shows nobody
        ("d2lhelpers/boxes.py", '("left", "right")', '("left",)', []),
        ("d2lhelpers/boxes.py", "More.", "Much more.", []),
        ("d2lhelpers/boxes.py", '"""Boxes."""', '"""All boxes."""', []),
        ("data/results/fcn.json", "1", "2", []),
        ("data/results/chapters.json", "1", "2", []),
    ],
)
def test_an_edit_makes_stale_what_depends_on_it_and_nothing_else(clone, name, old, new, stale):
    nb = fresh(clone)
    edit(clone, name, old, new)
    assert freshness.changes(nb, Package(clone), "04_x") == stale


def test_results_that_the_code_names_count(clone):
    nb = fresh(clone, code="read('fcn')")
    edit(clone, "data/results/fcn.json", "1", "2")
    assert freshness.changes(nb, Package(clone), "04_x") == ["data/results/fcn.json"]


def test_the_notebooks_code_counts_and_its_prose_does_not(clone):
    nb = fresh(clone)
    nb.cells[0].source = "# Another title"
    assert freshness.changes(nb, Package(clone), "04_x") == []
    nb.cells[1].source += "\nprint(1)"
    assert freshness.changes(nb, Package(clone), "04_x") == [freshness.CELLS]


def test_outputs_and_stills_that_are_not_those_of_the_run_are_a_change(clone):
    nb = fresh(clone)
    nb.cells[1].outputs = [new_output("stream", text="1")]
    assert freshness.changes(nb, Package(clone), "04_x") == [freshness.OUTPUTS]
    nb = fresh(clone)
    (clone / "data" / "stills").mkdir()
    (clone / "data" / "stills" / "04_x-1.webp").write_bytes(b"of another chapter")
    assert freshness.changes(nb, Package(clone), "04_x") == [freshness.STILLS]


def test_a_use_that_is_gone_is_a_change(clone):
    nb = fresh(clone)
    nb.cells[1].source = "1"
    assert "d2lhelpers.nms" in freshness.changes(nb, Package(clone), "04_x")


def test_a_notebook_without_a_note_is_stale(clone):
    assert freshness.changes(chapter(), Package(clone), "04_x") != []


def test_an_edit_of_the_real_package_is_told_of_the_chapters_that_use_it(tmp_path):
    shutil.copytree(ROOT / "d2lhelpers", tmp_path / "d2lhelpers")
    before, after = Package(ROOT), Package(tmp_path)
    path = tmp_path / "d2lhelpers" / "anchors.py"
    lines = path.read_text().replace(
        "def multibox_prior(", "def multibox_prior(  # edited\n    ", 1
    )
    path.write_text(lines)
    stale = []
    for chapter in find_chapters():
        nb = nbformat.read(chapter, as_version=4)
        # without data beside it: the same files are missing in the copy
        first, second = (
            {
                k: v
                for k, v in freshness.made_from(nb, p, "04_x").items()
                if not k.startswith("data/")
            }
            for p in (before, after)
        )
        if first != second:
            stale.append(chapter.stem[:2])
    assert {"04", "06"} <= set(stale)
    assert not {"01", "02", "08", "09"} & set(stale)


def test_a_name_that_is_not_understood_counts_as_all_of_its_module(clone):
    found = used(clone, "from d2lhelpers.boxes import made_by_exec\nmade_by_exec()")
    assert found == used(clone, "from d2lhelpers import boxes\ndraw(boxes)")
