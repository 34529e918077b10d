"""Writes down a Web Connector session as it went over the wire: one line a SOAP call."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import field

from lxml import etree

from connectors.qbwc.simulator.script import AimedFaults
from connectors.qbwc.simulator.transport import Answer, Post
from engine.dataclass import dataclass

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_SECRET = frozenset({"ticket", "strPassword"})


@dataclass(slots=True)
class Transcript:
    """A `Post` that passes calls on and keeps a line of each; tells the faults what was sent last."""

    post: Post
    faults: AimedFaults
    lines: list[str] = field(default_factory=list)

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        answer = self.post(body, headers)
        asked, said = _content(body), _content(answer[1])
        method = etree.QName(asked).localname
        result = "".join(str(text) for text in said.itertext())
        if method == "sendRequestXML":
            self.faults.last_sent = result
        self.lines.append(f"{method}{_given(asked)} -> {_shown(method, said, result)}")
        return answer


def _content(document: bytes) -> etree._Element:
    """The element inside the SOAP body."""
    root = etree.fromstring(document, _PARSER)
    return root[-1][0]


def _given(call: etree._Element) -> str:
    """What the Web Connector said, without tickets, passwords and long texts."""
    method = etree.QName(call).localname
    values = {etree.QName(child).localname: child.text or "" for child in call}
    if method == "clientVersion":
        return f" {values['strVersion']}"
    if method == "authenticate":
        return f" {values['strUserName']}"
    if method in ("receiveResponseXML", "connectionError"):
        trouble = f"{values.get('hresult', '')} {values.get('message', '')}".strip()
        return f" {summary(values.get('response', ''))}" + (f"[{trouble}]" if trouble else "")
    return ""


def _shown(method: str, answer: etree._Element, result: str) -> str:
    if method == "serverVersion":
        return "a version"
    if method == "authenticate":
        texts = [child.text or "" for child in answer[0]]
        return ", ".join(["a ticket" if texts[0] else "no ticket", *(f"`{text}`" for text in texts[1:])])
    if method == "sendRequestXML":
        return summary(result)
    return result or "(empty)"


def summary(document: str) -> str:
    """A QBXML document in a few words: what it holds and how often, and for answers the status codes."""
    if not document.strip():
        return "(empty)"
    try:
        root = etree.fromstring(re.sub(r"<\?.*?\?>", "", document).encode(), _PARSER)
    except etree.XMLSyntaxError:
        return "no XML"
    messages = root[0] if len(root) else root
    counts: Counter[str] = Counter()
    for child in messages:
        code = child.get("statusCode")
        counts[f"{child.tag} {code}" if code is not None else str(child.tag)] += 1
    words = [name if count == 1 else f"{name} x{count}" for name, count in counts.items()]
    new, old = messages.get("newMessageSetID"), messages.get("oldMessageSetID")
    if not words and new and new == old:
        words.append("status check")
    code = messages.get("messageSetStatusCode")
    if code not in (None, "0"):
        words.append(f"set status {code}")
    return ", ".join(words) or "nothing"
