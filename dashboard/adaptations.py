"""How Panel (1.9), param and Bokeh are changed: what they send comes in order, and a label costs a window less time."""

import functools
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import wraps
from typing import Any

import panel as pn
import panel.io.document
import panel.io.server
from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.embed.bundle import Bundle
from bokeh.model import Model
from bokeh.resources import Resources
from bokeh.settings import settings
from panel.io.document import with_lock
from panel.pane.markup import HTMLBasePane
from panel.reactive import Reactive, Syncable
from panel.viewable import Viewable
from param.parameterized import Parameters, Undefined

from dashboard.documents import locked_session, one_message, queue

_CONSTANTS = {type(None), bool, int, float, str}  # kinds of defaults that nobody can change


def adapt_panel() -> None:
    """Change Panel, param and Bokeh; call once, before pages are built."""
    if not hasattr(Syncable._change_event, "__wrapped__"):
        _lock_what_follows()
        _keep_order()
        _spare_the_design()
        _send_only_the_text()
        _read_what_is_set()
        _bundle_once()
        _forgo_links()
        settings.perform_error_diagnostics.set_value(False)  # Panel asks models for what they may lack: a search for like names
        _remember_defaults()


def _lock_what_follows() -> None:
    """Run what follows from a change or an event of the browser with the session's lock, and send a change's as one message.

    Panel runs it without the lock: in the midst of another callback's messages, and past them.
    """
    change_event = Syncable._change_event

    @wraps(change_event)
    def together(self: Syncable, doc: Document) -> Any:
        with one_message(doc if locked_session(doc) else None):
            return change_event(self, doc)

    Syncable._change_event = together
    Syncable._change_coroutine = with_lock(Syncable._change_coroutine)
    Syncable._event_coroutine = with_lock(Syncable._event_coroutine)


def _keep_order() -> None:
    """Send what Panel changes through Bokeh's queue, as all else is.

    Panel writes to the socket itself: at once or, while another message is on its way, 10 ms later. So a change of a picture
    overtook the tab that the picture is in, and the browser, which did not know the picture, dropped the whole message.
    """
    for name in ("write_events", "schedule_write_events"):
        setattr(panel.io.document, name, _in_order(getattr(panel.io.document, name)))


def _in_order(write: Callable[..., None]) -> Callable[..., None]:
    @wraps(write)
    def queue_if_locked(doc: Document, connections: Collection[Any], events: list[DocumentPatchedEvent]) -> None:
        session = locked_session(doc)
        if session is None:
            write(doc, connections, events)
        else:
            queue(doc, session, events)

    return queue_if_locked


def _spare_the_design() -> None:
    """Ask the design for its stylesheets only when stylesheets change.

    Panel asks at every change of every model, which looks for the theme's files on the disk each time: a tenth of the event
    loop's time with 20 windows.
    """
    with_design = Reactive._update_properties

    @wraps(with_design)
    def update_properties(self: Reactive, *events: Any, doc: Document) -> dict[str, Any]:
        if any(event.name == "stylesheets" for event in events):
            return with_design(self, *events, doc=doc)
        return self._process_param_change({event.name: event.new for event in events})

    Reactive._update_properties = update_properties


def _send_only_the_text() -> None:
    """Set of an HTML pane's model only the text that is new.

    Panel sets all its properties; new stylesheets that equal the old ones make Bokeh walk all models of the page.
    """

    def update(self: HTMLBasePane, ref: str, model: Model) -> None:
        model.update(**self._process_param_change({"object": self.object}))

    HTMLBasePane._update = update


def _read_what_is_set() -> None:
    """Let `param.update` read the old values of what it sets.

    It reads those of all parameters, a hundred of each of Material's widgets.
    """
    set_all = Parameters._update

    @wraps(set_all)
    def update(self: Parameters, arg: Any = Undefined, /, **values: Any) -> dict[str, Any]:
        values = values if arg is Undefined else dict(arg) | values
        vars(self)["values"] = lambda: {name: getattr(self.self_or_cls, name) for name in values if name in self}
        try:
            restored: dict[str, Any] = set_all(self, **values)
        finally:
            del vars(self)["values"]
        return restored

    Parameters._update = update


def _bundle_once() -> None:
    """Work out the scripts and stylesheets of a page once: they are those of every page."""
    bundle = panel.io.server.bundle_resources
    known: dict[Hashable, Bundle] = {}

    @wraps(bundle)
    def bundle_resources(roots: Sequence[Model], resources: Resources, **options: Any) -> Bundle:
        place = resources.mode, resources.root_url, pn.state.rel_path, *options.items()
        if place not in known:
            known[place] = bundle(roots, resources, **options)
        return known[place]

    panel.io.server.bundle_resources = bundle_resources


def _forgo_links() -> None:
    """Do not search a page for panes to link each time that something is put on it: they are of kinds that no page has."""
    hooks = Viewable._preprocessing_hooks
    hooks[:] = [
        hook for hook in hooks if hook.__name__ not in ("link_param_method", "link_axes", "find_links", "setup_js_callbacks")
    ]


def _remember_defaults() -> None:
    """Work out the defaults of a model's class once.

    Bokeh copies and validates a property's default each time that it is read, and reads all of them to walk or to send a model:
    a quarter of the time that a page took to build.
    """
    work_out = PropertyDescriptor._get_default
    known: dict[tuple[type[HasProps], str], Any] = {}

    @wraps(work_out)
    def get_default(self: PropertyDescriptor[Any], obj: HasProps) -> Any:
        name = self.name
        if name in (obj.themed_values() or ()):
            return work_out(self, obj)
        own = obj._unstable_default_values
        if name in own:
            return own[name]
        place = type(obj), name
        if place in known:
            return known[place]
        value = work_out(self, obj)
        if type(value) in _CONSTANTS and name not in own:
            known[place] = value
        return value

    PropertyDescriptor._get_default = get_default
    once_a_class: Any = functools.cache(HasProps._overridden_defaults.__func__)
    HasProps._overridden_defaults = classmethod(once_a_class)
    HasProps.themed_values = lambda self: self.__dict__.get("__themed_values__")  # Bokeh raises and catches an error for most
