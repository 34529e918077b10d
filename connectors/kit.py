"""What a connector outside this project builds on: a suspicious HTTP client, and the ways into a simulated vendor.

Everything here stays as it is within a major version. The modules with an underscore behind it do not.

- `HttpClient` sends the calls of one connection. `Api` says how a vendor is reached, `Call` is one request, `Answer` what
  came back. It follows no redirect, reads no answer of any length, and turns whatever goes wrong into the errors of
  `engine.errors`.
- `by_status` sorts a failed call by its HTTP status; a vendor's own classifier begins with what only that vendor says.
- `parse_json` reads JSON with exact numbers; `encoder` writes it with exact numbers.
- `transport` and `app` reach a simulated vendor, which is one function from `HttpCall` to `HttpReply`.
"""

from __future__ import annotations

from connectors._http import Answer, Api, Call, Failure, HttpClient, Shared, by_status, parse_json, url_problem
from connectors._simulated import ConnectionReset, Names, Plan, app, encoder, transport

__all__ = [
    "Answer",
    "Api",
    "Call",
    "ConnectionReset",
    "Failure",
    "HttpClient",
    "Names",
    "Plan",
    "Shared",
    "app",
    "by_status",
    "encoder",
    "parse_json",
    "transport",
    "url_problem",
]
