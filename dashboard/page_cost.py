"""What Panel (1.9), param and Bokeh work out anew for every page and model, worked out once."""

import functools
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any

import bokeh.document.document
import panel as pn
import panel.io.server
from bokeh.core.has_props import HasProps
from bokeh.core.property.bases import Property, validation_on
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.core.property.wrappers import PropertyValueDict, PropertyValueList, PropertyValueSet
from bokeh.core.serialization import Serializer
from bokeh.document.events import DocumentPatchedEvent
from bokeh.embed.bundle import Bundle
from bokeh.model import DataModel, Model
from bokeh.resources import Resources
from bokeh.settings import settings
from panel.custom import ReactiveESM
from panel.reactive import Reactive, ReactiveCustomBase, Syncable
from panel.viewable import Viewable
from param.parameterized import Parameter, Parameters

_CONSTANTS = {type(None), bool, int, float, str}  # kinds of values that nobody can change
_CONTAINERS = {PropertyValueList, PropertyValueDict, PropertyValueSet}
_N_VALID = 64  # values of a property that are remembered as valid
_LONGEST = 64  # characters of a text that is remembered

_reading: ContextVar[bool] = ContextVar("reading", default=False)  # parameters are read, not changed


def work_out_once() -> None:
    """Change Panel, param and Bokeh; call once, before pages are built."""
    _bundle_once()
    _define_once()
    _forgo_links()
    _spare_copies()
    _tag_once()
    settings.perform_error_diagnostics.set_value(False)  # Panel asks models for what they may lack: a search for like names
    _remember_defaults()
    _remember_what_is_valid()


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


class _PageSerializer(Serializer):
    """Writes the definitions of Panel's data models once: every page begins with them, whatever it shows."""

    _written: tuple[list[type], Any, dict[int, Any]] | None = None

    def encode(self, obj: Any) -> Any:
        if self._references or not (isinstance(obj, list) and obj and all(isinstance(kind, type) for kind in obj)):
            return super().encode(obj)
        known = _PageSerializer._written
        if known is None or known[0] != obj:
            content = super().encode(obj)
            if self._buffers:
                return content
            known = _PageSerializer._written = list(obj), content, dict(self._references)
        self._references.update(known[2])
        return known[1]


def _define_once() -> None:
    bokeh.document.document.Serializer = _PageSerializer


def _forgo_links() -> None:
    """Do not search a page for panes to link each time that something is put on it: they are of kinds that no page has."""
    hooks = Viewable._preprocessing_hooks
    hooks[:] = [
        hook for hook in hooks if hook.__name__ not in ("link_param_method", "link_axes", "find_links", "setup_js_callbacks")
    ]


def _spare_copies() -> None:
    """Let Panel read what it needs of a component's parameters to draw it, without a copy of each for the component.

    param copies a parameter for the object that it is asked of, so that it may be changed for that object alone: of each of
    Material's widgets a hundred, an eighth of the time that a page took to build.
    """
    get = Parameters.__getitem__

    @wraps(get)
    def get_parameter(self: Parameters, key: str) -> Parameter:
        if self.self is None or not _reading.get():
            return get(self, key)
        return self.self._param__private.params.get(key) or self.objects(instance=False)[key]

    Parameters.__getitem__ = get_parameter
    for kind in (Reactive, ReactiveESM):
        kind._get_properties = _only_reading(kind._get_properties)
    ReactiveESM._get_children = _only_reading(ReactiveESM._get_children)
    ReactiveESM._get_child_model = _only_reading(ReactiveESM._get_child_model, reading=False)
    Syncable._init_params = _synced_values


def _only_reading(method: Callable[..., Any], *, reading: bool = True) -> Callable[..., Any]:
    @wraps(method)
    def read(*args: Any, **kwargs: Any) -> Any:
        before = _reading.set(reading)
        try:
            return method(*args, **kwargs)
        finally:
            _reading.reset(before)

    return read


def _synced_values(self: Syncable) -> dict[str, Any]:
    """Return what Panel's `_init_params` returns; it works out all the names anew for each of them."""
    synced = set(self._synced_params)
    values = {name: getattr(self, name) for name in self.param if name in synced}
    return {name: value for name, value in values.items() if value is not None}


def _tag_once() -> None:
    """Tag a component's data alone: Panel walks all that lies in it, and what lies in that, where each has its tag already."""
    tag_all = ReactiveCustomBase._patch_datamodel_ref.__func__

    def tag(cls: type[ReactiveCustomBase], model: Model, ref: str) -> None:
        if not isinstance(model, DataModel):
            tag_all(cls, model, ref)
        elif (text := f"__ref:{ref}") not in model.tags:
            model.tags.append(text)

    ReactiveCustomBase._patch_datamodel_ref = classmethod(tag)


def _remember_defaults() -> None:
    """Work out the defaults of a model's class once.

    Bokeh copies and validates a property's default each time that it is read, and reads all of them to walk or to send a model:
    a quarter of the time that a page took to build.
    """
    work_out = PropertyDescriptor._get_default
    known: dict[tuple[type[HasProps], str], Any] = {}
    containers: dict[tuple[type[HasProps], str], type] = {}  # kinds of empty ones: each object gets its own

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
        if place in containers:
            own[name] = value = containers[place]()
            value._register_owner(obj, self)
            return value
        value = work_out(self, obj)
        if name not in own:
            if type(value) in _CONSTANTS:
                known[place] = value
        elif type(value) in _CONTAINERS and not value:
            containers[place] = type(value)
        return value

    PropertyDescriptor._get_default = get_default
    has_unstable = PropertyDescriptor.has_unstable_default
    unstable: dict[tuple[type[HasProps], str], bool] = {}

    @wraps(has_unstable)
    def has_unstable_default(self: PropertyDescriptor[Any], obj: HasProps) -> bool:
        place = type(obj), self.name
        if place not in unstable:
            unstable[place] = has_unstable(self, obj)
        return unstable[place]

    PropertyDescriptor.has_unstable_default = has_unstable_default
    once_a_class: Any = functools.cache(HasProps._overridden_defaults.__func__)
    HasProps._overridden_defaults = classmethod(once_a_class)
    HasProps.themed_values = lambda self: self.__dict__.get("__themed_values__")  # Bokeh raises and catches an error for most


def _remember_what_is_valid() -> None:
    """Do not validate a short constant a second time for the same property: Bokeh asks each of the kinds that it may be."""
    prepare = Property.prepare_value

    @wraps(prepare)
    def prepare_value(
        self: Property[Any], owner: Any, name: str, value: Any, *, hint: DocumentPatchedEvent | None = None
    ) -> Any:
        kind = type(value)
        if kind not in _CONSTANTS or (kind is str and len(value) > _LONGEST):
            return prepare(self, owner, name, value, hint=hint)
        known = self.__dict__.get("_unchanged")
        if known is None:
            known = self.__dict__["_unchanged"] = set()
        elif (kind, value) in known:
            return value
        prepared = prepare(self, owner, name, value, hint=hint)
        if prepared is value and validation_on() and len(known) < _N_VALID and not self.assertions:
            known.add((kind, value))
        return prepared

    Property.prepare_value = prepare_value
