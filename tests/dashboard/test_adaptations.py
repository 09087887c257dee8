"""How Bokeh and Panel are changed where no other test of the page would notice."""

from types import SimpleNamespace

from bokeh.server.connection import ServerConnection
from bokeh.server.views.ws import WSHandler

from dashboard.adaptations import adapt_panel


def test_a_socket_closes_whether_its_session_has_ended_before_or_not():
    adapt_panel()
    said, lost = [], []
    session = SimpleNamespace(
        subscribe=lambda _: None, unsubscribe=lambda _: None, notify_connection_lost=lambda: said.append("lost")
    )
    connection = ServerConnection(None, None, None, session)
    handler = SimpleNamespace(
        connection=connection, application=SimpleNamespace(client_lost=lost.append), close_code=1001, close_reason=""
    )
    WSHandler.on_close(handler)
    assert (said, lost) == (["lost"], [connection])
    connection.detach_session()  # as the end of a session does with those who watch it
    WSHandler.on_close(handler)
    assert (said, lost) == (["lost"], [connection, connection])
