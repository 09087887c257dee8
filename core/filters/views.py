"""Named views: what the page shows, kept under a name for everybody who uses the workspace. Each verb takes the workspace."""

from core.catalog.views import NamedView
from core.errors import InputError
from core.workspace import Workspace

LONGEST = 60  # characters of a name: what a menu has room for
MOST = 200


def views(workspace: Workspace) -> list[NamedView]:
    """Return the named views by name."""
    return workspace.catalog.views.all()


def save_view(workspace: Workspace, name: str, query: str, *, analyst: str) -> str:
    """Keep a view, in the place of one of the same name, and return its name.

    Args:
        query: of the page's address; whoever reads it validates it as any link.
    Raises:
        InputError: if the name is none, or there are too many views.
    """
    workspace.need_writable()
    name = _checked(name)
    with workspace.lock:
        known = {view.name for view in views(workspace)}
        if name not in known and len(known) >= MOST:
            raise InputError(f"There are {MOST} named views, which is the most; remove one first.")
        workspace.catalog.views.put(name, query, analyst)
    return name


def rename_view(workspace: Workspace, name: str, to: str) -> str:
    """Give a view another name, and return that.

    Raises:
        InputError: if the new name is none or is taken, or there is no such view.
    """
    workspace.need_writable()
    to = _checked(to)
    if to != name and not workspace.catalog.views.rename(name, to):
        taken = any(view.name == to for view in views(workspace))
        raise InputError(f"There is a view '{to}' already; choose another name." if taken else f"There is no view '{name}'.")
    return to


def remove_view(workspace: Workspace, name: str) -> None:
    """Remove a view; links to what it shows keep working."""
    workspace.need_writable()
    workspace.catalog.views.remove(name)


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise InputError(f"A view needs a name of 1 to {LONGEST} characters, got {len(name)}; type another one.")
    return name
