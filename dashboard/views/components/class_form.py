"""A form for the classes of a workspace: names, colours, keys, which are flagged; and where a new workspace's images are."""

from collections.abc import Callable
from typing import ClassVar, Literal, TypedDict

import panel as pn
import param
from pydantic import Field

from core.labels.class_edits import ClassEdit
from core.palette import CLASS_PALETTE
from dashboard.messages import Message
from dashboard.views.components.source import source


class ClassLine(TypedDict):
    """A class as the form shows it."""

    name: str
    colour: str
    key: str
    flagged: bool
    count: int  # of its labels
    retired: bool


class EditedClass(Message):
    """A line of the form as it was left."""

    was: str = Field(default="", max_length=200)  # its name before; "" for a new class
    name: str = Field(max_length=200)
    colour: str = Field(pattern=r"^#[0-9a-f]{6}$")
    key: str = Field(default="", max_length=8)
    flagged: bool = False
    retired: bool = False
    into: str = Field(default="", max_length=200)  # the class that takes its labels

    def edit(self) -> ClassEdit:
        """Return it as the verb takes it."""
        return ClassEdit(**self.model_dump())


class Edited(Message):
    """What the form was left with, and why it is told."""

    verb: Literal["change", "begin", "open", "save"]
    classes: list[EditedClass] = Field(default=[], max_length=64)
    folder: str = Field(default="", max_length=4_096)
    name: str = Field(default="", max_length=200)
    guideline: str = Field(default="", max_length=200)


class ClassForm(pn.custom.JSComponent):
    """Lines that can be edited. In a new workspace each change is told at once; in another one a button asks
    for what is known now, which opens a dialog.
    """

    classes: list[ClassLine] = param.List(default=[], item_type=dict, doc="In their order.")
    palette: list[str] = param.List(default=list(CLASS_PALETTE), item_type=str, constant=True, doc="Colours, in their order.")
    begins: bool = param.Boolean(default=False, doc="The workspace is new: ask for a folder of images, too.")
    opens: int = param.Integer(default=0, doc="Increases when what was asked for is here: the dialog opens.")
    saved: int = param.Integer(default=0, doc="Increases when what was told is kept: the dialog closes.")
    busy: bool = param.Boolean(default=False, doc="What was told is being done.")
    refusal: str = param.String(doc="Why what was told is not kept.")
    workspace_name: str = param.String(doc="The name of the workspace.")
    guideline: str = param.String(doc="The version of the labelling guideline in force.")
    on_edit: Callable[[Edited], None] = param.Parameter(doc="Called with what the form was left with.")

    _rename: ClassVar[dict[str, str | None]] = {"on_edit": None}  # stays in Python

    _esm = source("parts.js", "class_form.js")
    _stylesheets = [source("class_form.css")]

    def _handle_msg(self, msg: object) -> None:
        edited = Edited.read(msg)
        if edited is not None and self.on_edit is not None:
            self.on_edit(edited)
