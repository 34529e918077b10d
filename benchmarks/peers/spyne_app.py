"""The service in spyne, behind gunicorn: `gunicorn spyne_app:application`. It runs in an environment of its own."""

# It runs where spyne is, and where this is checked spyne is not.
# mypy: ignore-errors

from __future__ import annotations

import secrets

from spyne import Application, Array, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "http://developer.intuit.com/"


class Connector(ServiceBase):
    """`authenticate` with nothing to do."""

    @rpc(
        Unicode,
        Unicode,
        _returns=Array(Unicode(type_name="string"), member_name="string"),
        _in_arg_names={"user": "strUserName", "password": "strPassword"},
        _out_variable_name="authenticateResult",
    )
    def authenticate(ctx, user, password):  # noqa: ANN001, ANN201, N805 - spyne's own way
        """A ticket, and that there is nothing to do."""
        return [secrets.token_urlsafe(16), "none" if user and password else "nvu"]


application = WsgiApplication(
    Application([Connector], NAMESPACE, in_protocol=Soap11(validator="lxml"), out_protocol=Soap11())
)
