"""Draw `core`'s rooms and arrows into ARCHITECTURE.md, as the contract and the imports have them: python -m tools.rooms."""

import ast
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- rooms: written by python -m tools.rooms -->\n", "<!-- /rooms -->\n"


def layers() -> list[list[str]]:
    """Return the rooms of each floor, the upper first, as the contract has them."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [c for c in config["tool"]["importlinter"]["contracts"] if c.get("containers") == ["core"]]
    return [[room.strip() for room in floor.split("|")] for floor in contract["layers"]]


def arrows(rooms: list[str]) -> set[tuple[str, str]]:
    """Return (room, room it imports), without the arrows that others imply."""
    graph = grimp.build_graph("core")
    below: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = (name.split(".")[1] if "." in name else "" for name in (module, imported))
            if here in below and there in below and here != there:
                below[here].add(there)
    reach: dict[str, set[str]] = {}
    for room in reversed(rooms):  # the lower first: what a room imports is known before it
        reach[room] = below[room].union(*(reach[other] for other in below[room]))
    return {(room, other) for room in rooms for other in below[room] if not any(other in reach[o] for o in below[room])}


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    folder = ROOT / "core" / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    words = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return words.split(". ")[0].rstrip(".")


def picture() -> str:
    """Return the rooms as markdown: a mermaid picture, the upper floors above, and a table of what is in each."""
    floors = layers()
    rooms = [room for floor in floors for room in floor]
    lines = ["```mermaid", "flowchart TD"]
    for number, floor in enumerate(floors):
        lines += [f"  subgraph floor{len(floors) - number}[ ]", "    direction LR", *(f"    {room}" for room in floor), "  end"]
    lines += [f"  {room} --> {other}" for room, other in sorted(arrows(rooms), key=lambda a: (rooms.index(a[0]), a[1]))]
    lines += ["```", "", "| floor | room | what is in it |", "|---|---|---|"]
    for number, floor in enumerate(floors):
        lines += [f"| {len(floors) - number} | `{room}` | {purpose(room)} |" for room in floor]
    return "\n".join(lines) + "\n"


def with_picture(page: str) -> str:
    """Return the page with the picture as it is now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + picture() + END + rest.split(END)[1]


if __name__ == "__main__":
    new = with_picture(PAGE.read_text(encoding="utf-8"))
    sys.exit(PAGE.write_text(new, encoding="utf-8") == 0)
