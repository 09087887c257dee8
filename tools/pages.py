"""mkdocs hooks: generated pages (commands, API, decisions, the files at the top), and a guard against foreign hosts."""

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

from dashboard.cli import app
from tools.rooms import ROOT, layers, purpose

TOP = {  # page of the site: the file it is made from, and how its links are rewritten
    "changelog.md": ("CHANGELOG.md", ("docs/", "")),
    "contributing.md": ("CONTRIBUTING.md", ("docs/", "")),
    "explanation/architecture.md": ("ARCHITECTURE.md", ("docs/", "../")),
    "explanation/benchmarks.md": ("benchmarks/README.md", ("../docs/", "../")),
}
BESIDE = "The files beside the rooms"
MERMAID = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)  # its script would come from a foreign host; the table says the same
LOADS = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def commands() -> str:
    """Return the reference of the command line, as typer writes it."""
    command = get_command(app)
    with command.make_context("lassoscope", [], resilient_parsing=True) as context:
        return get_docs_for_click(obj=command, ctx=context, name="lassoscope", title="Commands")


def decisions() -> str:
    """Return the list of decisions."""
    lines = ["# Decisions", "", "Why things are as they are, half a page each, as it was decided at the time.", ""]
    for file in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        title = file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({file.name})")
    return "\n".join(lines) + "\n"


def top(source: str, links: tuple[str, str]) -> str:
    """Return a page made from a file at the top of the repository."""
    text = MERMAID.sub("", (ROOT / source).read_text(encoding="utf-8"))
    return text.replace(f"]({links[0]}", f"]({links[1]}")


def api() -> dict[str, str]:
    """Return name and text of one page for each room that is a package, the upper rooms first, and of one for the files."""
    pages = {}
    beside = ["core.workspace"]
    for room in (room for floor in layers() for room in floor):
        if _is_package(room):
            modules = sorted(file.stem for file in (ROOT / "core" / room).glob("*.py") if file.stem != "__init__")
            pages[room] = f"# core.{room}\n\n{purpose(room)}.\n\n" + _members([f"core.{room}.{module}" for module in modules])
        elif room != "workspace":
            beside.append(f"core.{room}")
    return pages | {BESIDE: f"# {BESIDE}\n\n" + _members(beside)}


def _is_package(room: str) -> bool:
    return (ROOT / "core" / room).is_dir()


def _page(name: str) -> str:
    return f"{name.lower().replace(' ', '-')}.md"


def _members(modules: list[str]) -> str:
    return "".join(f"## {module}\n\n::: {module}\n\n" for module in modules)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {page: top(*made) for page, made in TOP.items()}
    pages |= {"reference/commands.md": commands(), "decisions/index.md": decisions()}
    pages |= {f"reference/api/{_page(name)}": text for name, text in api().items()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Put the list of rooms under the introduction of the API."""
    if page.file.src_uri != "reference/api/index.md":
        return markdown
    rooms = [f"- [core.{room}]({room}.md): {purpose(room)}" for floor in layers() for room in floor if _is_package(room)]
    return "\n".join([markdown, *rooms, f"- [{BESIDE}]({_page(BESIDE)}): the workspace, names of types, errors, wording", ""])


def on_post_page(output: str, page: Any, config: MkDocsConfig) -> str:
    """Refuse a page that would load anything from a foreign host.

    Raises:
        PluginError: if it does.
    """
    found = LOADS.search(output)
    if found:
        raise PluginError(f"{page.file.src_uri} loads {found[0]} from a foreign host.")
    return output
