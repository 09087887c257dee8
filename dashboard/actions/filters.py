"""Filters and named views: what there is to choose, and what is kept for everybody."""

from collections.abc import Callable
from functools import partial

from core.catalog.views import NamedView
from core.errors import InputError
from core.filters.conditions import Conditions
from core.filters.offers import Offer, filter_offers
from core.filters.views import remove_view, rename_view, save_view, views
from dashboard.actions.runner import Runner
from dashboard.address import address_of, query_of

ShowViews = Callable[[list[NamedView]], None]


class FilterActions(Runner):
    """Filters and named views."""

    def set_filters(self, choose: Callable[[], Conditions]) -> None:
        """Show other images; too many filters are an error."""
        try:
            self.state.filters = choose()
        except InputError as error:
            self.say(str(error), error=True)

    def offer_filters(self, show: Callable[[list[Offer], list[NamedView]], None]) -> None:
        """Read what there is to filter by, and the named views."""
        self.fetch(lambda: (filter_offers(self.workspace), views(self.workspace)), lambda found: show(*found))

    def save_view(self, name: str, show: ShowViews) -> None:
        """Keep filters, order, colour and what the legend hides under a name, for everybody."""
        query = query_of(self.state.images_shown())  # neither page nor zoom: a view is about which images and how
        verb = partial(save_view, self.workspace, name, query, analyst=self.state.analyst)

        def kept(name: str) -> None:
            self.say(f"Saved the view '{name}'; everybody who uses this workspace finds it under Views.")
            self.fetch(partial(views, self.workspace), show)

        self.run(verb, kept)

    def show_view(self, name: str) -> None:
        """Show a named view."""

        def show(found: list[NamedView]) -> None:
            view = next((view for view in found if view.name == name), None)
            if view is None:
                self.say(f"The view '{name}' was removed.", error=True)
                return
            made, is_whole = address_of(view.query)
            address, _ = self.state.on_this_map(made)
            is_known = self.state.show_images(address)
            lost = "" if is_whole and is_known else " Part of it could not be used: what it names is no longer there."
            if (address.filter, address.hide) != (made.filter, made.hide):
                lost += (
                    f" Its clusters are left out: they are of the map of {made.encoder}, and {self.state.encoder} is in use."
                )
            self.say(f"Showing the view '{name}'.{lost}", error=bool(lost))

        self.fetch(partial(views, self.workspace), show)

    def rename_view(self, name: str, to: str, show: ShowViews) -> None:
        """Give a named view another name."""
        self._change_views(partial(rename_view, self.workspace, name, to), show)

    def remove_view(self, name: str, show: ShowViews) -> None:
        """Remove a named view."""
        self._change_views(partial(remove_view, self.workspace, name), show)

    def _change_views(self, verb: Callable[[], object], show: ShowViews) -> None:
        self.run(verb, lambda _: self.fetch(partial(views, self.workspace), show))
