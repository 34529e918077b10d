"""Elements that an object may hold more than once: the parser makes them lists even when there is one."""

from __future__ import annotations

REPEATED = frozenset(
    {
        "AdditionalContactRef",
        "AdditionalNotesRet",
        "AppliedToTxnRet",
        "AssignToObject",
        "ContactsRet",
        "DataExt",
        "DataExtRet",
        "DepositLineRet",
        "Earnings",
        "ExpenseLineRet",
        "ItemGroupLine",
        "ItemGroupLineRet",
        "ItemInventoryAssemblyLine",
        "ItemLineRet",
        "JournalCreditLine",
        "JournalDebitLine",
        "LinkedTxn",
        "PrefillAccountRef",
        "Service",
        "ShipToAddress",
        "SupportedQBXMLVersion",
        "TxnLineDetail",
    }
)
