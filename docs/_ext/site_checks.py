"""What a finished page must be: not empty, not heavy, with no link that leads nowhere and nothing from another host."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

MAX_BYTES = 2_000_000  # of a page with all that it loads
FEWEST_WORDS = 20  # in its article: side bar and footer are on each
WITHOUT_WORDS = ("search.html",)  # filled by the browser
# What a browser fetches by itself; a link is only followed when somebody clicks on it.
LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
NOT_LOADED = ("canonical", "next", "prev", "index", "search", "author")


class Page(HTMLParser):
    """A page of HTML: what it loads, what it links to, which places it has, and how many words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.places: set[str] = {""}
        self.words = 0
        self.without_words: list[str] = []
        self._inside: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.places |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag in ("script", "style", "article"):
            self._inside.append(tag)
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        elif given.get(LOADED.get(tag, ""), "") and given.get("rel") not in NOT_LOADED:
            self.loaded.add(given[LOADED[tag]])
        alt = (given.get("alt") or "").strip()
        # docutils takes the address where there are no words
        if tag == "img" and (not alt or alt == given.get("src")):
            self.without_words.append(given.get("src", ""))

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside == ["article"]:
            self.words += len(data.split())


def problems(site: Path) -> list[str]:
    """What is wrong with a site, a line each."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        if page.words < FEWEST_WORDS and name not in WITHOUT_WORDS:
            found.append(f"{name} is empty: {page.words} words")
        found += [f"{name} shows {src[:60]} without words" for src in page.without_words]
        size = path.stat().st_size
        for address in sorted(page.loaded):
            if address.startswith("data:"):
                continue
            target = _target(address, path, site)
            if target is None:
                found.append(f"{name} loads {address} from another host")
            elif not target.is_file():
                found.append(f"{name} loads {address}, which is not there")
            else:
                size += target.stat().st_size
        if size > MAX_BYTES:
            found.append(f"{name} is {size / 1e6:.2f} MB with all that it loads")
        found += _broken(page, name, site, pages)
    return found


def _broken(page: Page, name: str, site: Path, pages: dict[Path, Page]) -> list[str]:
    found = []
    for address in sorted(page.links):
        target = _target(address, page.path, site)
        if target is None:
            continue  # of another host: nothing is loaded from there
        place = unquote(urlsplit(address).fragment)
        if not target.is_file():
            found.append(f"{name} links to {address}, which is not there")
        elif target in pages and place not in pages[target].places:
            found.append(f"{name} links to {address}, and there is no such place")
    return found


def _target(address: str, page: Path, site: Path) -> Path | None:
    """The file that an address on a page stands for; None when it is of another host."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    if not parts.path:
        return page
    base = site if parts.path.startswith("/") else page.parent
    target = (base / unquote(parts.path).lstrip("/")).resolve()
    return target / "index.html" if target.is_dir() else target


def check(app: Sphinx, exception: Exception | None) -> None:
    """Fail the build of a site that has problems.

    Raises:
        ExtensionError: lists them.
    """
    if exception is not None or app.builder.name != "html":
        return
    if found := problems(Path(app.outdir).resolve()):
        raise ExtensionError("the site is not in order:\n  " + "\n  ".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", check, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
