"""Writing generated pages into the source folder, so that an unchanged one keeps its time and is not read again."""

from __future__ import annotations

from pathlib import Path


class Stage:
    """Files to be written below a folder; what an earlier build left and this one does not write is removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[Path] = set()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        content = content.encode() if isinstance(content, str) else content
        self.written.add(path)
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def prune(self, *folders: str) -> None:
        """Remove from these folders all that was not written."""
        for folder in folders:
            for path in (self.folder / folder).rglob("*"):
                if path.is_file() and path not in self.written:
                    path.unlink()
