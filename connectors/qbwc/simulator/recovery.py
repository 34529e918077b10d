"""Message-set recovery: what QuickBooks keeps of answers, and what it says when an id comes a second time."""

from __future__ import annotations

import hashlib

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import StoredAnswer
from engine.dataclass import dataclass

CLEAR_ALL = "CLR-ALL-MSG-SETS"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a message set: run it, or answer with a status and perhaps the stored answer."""

    run: bool
    code: str = ""
    stored: str = ""
    new_id: str = ""


def checksum(company: CompanyFile, document: bytes, messages: etree._Element) -> str:
    """The checksum that 9001 compares, over what `Behaviour.checksum` says."""
    if company.behaviour.checksum == "bytes":
        return hashlib.sha256(document).hexdigest()
    copy = etree.fromstring(etree.tostring(messages))
    for name in ("newMessageSetID", "oldMessageSetID"):
        if name in copy.attrib:
            del copy.attrib[name]
    for element in copy.iter():
        element.tail = None
        if len(element) and not (element.text or "").strip():
            element.text = None
    return hashlib.sha256(etree.tostring(copy, method="c14n")).hexdigest()


def decide(company: CompanyFile, application: str, new_id: str, old_id: str, digest: str) -> Verdict:
    """What the two ids of a message set ask for (table 31-2 of the QBSDK guide)."""
    kept = company.books.recovery.setdefault(application, {})
    if len(new_id) > company.behaviour.message_set_id_limit:
        return Verdict(False, "9004", new_id=new_id)
    if new_id and new_id == old_id:
        found = kept.get(new_id)
        code = "0" if found else company.behaviour.absent_set_code
        return Verdict(False, code, found.answer if found else "", new_id)
    known = _clear(kept, old_id)
    if not new_id:
        return Verdict(not old_id, "" if not old_id else "0" if known else "600")
    stored = kept.get(new_id)
    if stored is None:
        return Verdict(True, "0", new_id=new_id)
    same = stored.checksum == digest
    return Verdict(False, "0" if same else "9001", stored.answer if same else "", new_id)


def _clear(kept: dict[str, StoredAnswer], old_id: str) -> bool:
    """Forget what an old id names; True when there was nothing to look for, or it was there."""
    if old_id == CLEAR_ALL:
        kept.clear()
        return True
    return not old_id or kept.pop(old_id, None) is not None


def keep(company: CompanyFile, application: str, new_id: str, stored: StoredAnswer) -> bool:
    """Store an answer; False when QuickBooks could not (9005), which `Behaviour.store_loss` makes happen."""
    if _fraction(company.seed, new_id) < company.behaviour.store_loss:
        return False
    kept = company.books.recovery.setdefault(application, {})
    kept[new_id] = stored
    limit = company.behaviour.kept_sets
    while limit and len(kept) > limit:
        del kept[next(iter(kept))]
    return True


def reduce_to_ids(answer: etree._Element) -> None:
    """Turn the Ret elements of an answer into ErrorRecovery elements, which is all the schema promises."""
    for response in answer:
        ret = response[0] if len(response) else None
        if ret is None or not str(response.tag).endswith(("AddRs", "ModRs")):
            continue
        recovery = etree.Element("ErrorRecovery")
        for name in ("ListID", "OwnerID", "TxnID", "TxnNumber", "EditSequence", "ExternalGUID"):
            found = ret.find(name)
            if found is not None:
                etree.SubElement(recovery, name).text = found.text
        response.remove(ret)
        response.append(recovery)


def _fraction(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on the seed and the id alone, so that a saved file goes on the same way."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)
