"""Fetches the document of a bill or an expense.

An object names its document with a token (`jwt`) that opens it; the file is then at `/uploads/attachments/{jwt}`, its name in
the header `X-filename` (both official clients do so). The token is a secret: it is in no record, and in no error.
"""

from __future__ import annotations

import re

from connectors._http import Answer, Call
from connectors.freshbooks.client import FreshBooksClient
from connectors.freshbooks.spec import INCLUDES, PLACES
from engine.documents import MOST, Document
from engine.errors import BadAnswer, Rejected

STREAMS = ("bills", "expenses")
UPLOADS = "/uploads/attachments"
_JWT = re.compile(r"[\w-]{1,4096}(?:\.[\w-]{1,4096}){2}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,60}", re.ASCII)
_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
# Of what no receipt is: a page of a gateway, an error under HTTP 200.
_NO_FILE = frozenset({"application/json", "text/html"})


def document(client: FreshBooksClient, stream: str, record_id: str) -> Document | None:
    """The document of a record as FreshBooks has it now; None when there is none.

    Raises:
        Rejected: for a stream without documents, or a document of more than 10 MiB.
        BadAnswer: when what comes is no file.
    """
    if stream not in STREAMS:
        raise Rejected(f"{client.where}: `{stream}` has no documents", hint=f"only {' and '.join(STREAMS)} have some")
    place, _, name = PLACES[stream]
    found = client.find(place, name, record_id, INCLUDES.get(stream))
    if found is None:
        return None
    where, row = found
    attached = row.get("attachment")
    if attached is None:
        return None
    token = attached.get("jwt") if isinstance(attached, dict) else None
    if not isinstance(token, str) or not _JWT.fullmatch(token):
        raise BadAnswer(f"{where}: an `attachment` without a usable `jwt`")
    answer = client.download(Call("GET", f"{UPLOADS}/{token}", headers={"Accept": "*/*"}, shown=f"{UPLOADS}/..."))
    if len(answer.body) > MOST:
        raise Rejected(f"{answer.where}: a document of more than {MOST:,} bytes", hint="attach it by hand")
    media_type = _media_type(answer, attached.get("media_type"))
    return Document(answer.body, media_type, _name(answer, f"{name}-{record_id}", media_type))


def _media_type(answer: Answer, said: object) -> str:
    """What the answer says it is, or, where that says nothing, what the object said."""
    given = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in _NO_FILE or not answer.body:
        raise BadAnswer(f"{answer.where}: no file in the answer")
    for candidate in (given, said):
        known = isinstance(candidate, str) and candidate != "application/octet-stream"
        if known and _MEDIA_TYPE.fullmatch(str(candidate)):
            return str(candidate)
    return "application/octet-stream"


def _name(answer: Answer, default: str, media_type: str) -> str:
    """The file's name without a path, or one that is made up."""
    given = re.split(r"[/\\\\]", answer.headers.get("x-filename", ""))[-1].strip()
    if given and given.isprintable() and len(given) <= 200 and given not in (".", ".."):
        return given
    ending = _ENDINGS.get(media_type)
    return f"{default}.{ending}" if ending else default
