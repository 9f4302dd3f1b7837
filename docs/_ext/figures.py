"""Alternative text: what `plot.show` notes beside each figure of a notebook becomes the words of its picture."""

from __future__ import annotations

import base64
import io

import nbformat
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Give each picture of a chapter the words of the output that it was made from, and its room on the page.

    Raises:
        ExtensionError: pictures and outputs do not match, or one has no words.
    """
    docname = app.env.docname
    if not docname.startswith("chapters/"):
        return
    nb = nbformat.read(app.env.doc2path(docname), as_version=4)
    figures = [
        (output.data[mime], output.metadata.get(mime, {}).get("alt", ""))
        for cell in nb.cells
        for output in cell.get("outputs", [])
        for mime in output.get("data", {})
        if mime.startswith("image/")
    ]
    pictures = [
        picture
        for box in doctree.findall(nodes.container)
        if box.get("mime_type", "").startswith("image/")
        for picture in box.findall(nodes.image)
    ]
    words = [alt for _, alt in figures]
    if len(words) != len(pictures) or not all(words):
        raise ExtensionError(f"{docname}: {len(pictures)} figures with the words {words}")
    for picture, (content, alt) in zip(pictures, figures, strict=True):
        width, height = Image.open(io.BytesIO(base64.b64decode(content))).size
        picture["alt"] = alt
        # room is kept for what is loaded only when it comes into sight, so that the text does not jump
        picture["loading"] = "lazy"
        picture["height"] = str(round(int(picture["width"]) * height / width))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
