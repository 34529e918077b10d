"""The lists and transactions of a company file as tables: element order of answers, references, account types."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dataclass import dataclass

ENTITIES = ("Vendor", "Customer", "Employee", "OtherName")

# Reference element -> what QuickBooks calls the object in error 3140, and the lists it may come from.
REFS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "VendorRef": ("Vendor", ("Vendor",)),
    "PayeeEntityRef": ("Entity", ENTITIES),
    "EntityRef": ("Entity", ENTITIES),
    "CustomerRef": ("Customer", ("Customer",)),
    "ClassRef": ("Class", ("Class",)),
    "OverrideClassRef": ("Class", ("Class",)),
    "TermsRef": ("Terms", ("StandardTerms",)),
    "CurrencyRef": ("Currency", ("Currency",)),
    "ItemRef": ("Item", ("ItemService",)),
    "AccountRef": ("Account", ("Account",)),
    "APAccountRef": ("Account", ("Account",)),
    "BankAccountRef": ("Account", ("Account",)),
    "DepositToAccountRef": ("Account", ("Account",)),
    "TransferFromAccountRef": ("Account", ("Account",)),
    "TransferToAccountRef": ("Account", ("Account",)),
    "DiscountAccountRef": ("Account", ("Account",)),
    "DiscountClassRef": ("Class", ("Class",)),
    "PrefillAccountRef": ("Account", ("Account",)),
    "TaxVendorRef": ("Vendor", ("Vendor",)),
}


@dataclass(frozen=True, slots=True)
class ListKind:
    """One list: `order` is the order of its Ret element; a trailing slash marks a group of nested elements."""

    kind: str
    order: tuple[str, ...]
    hierarchical: bool = False
    iterator: bool = False
    maximum: int = 41
    guid: bool = False


_HEAD = ("ListID", "TimeCreated", "TimeModified", "EditSequence", "Name")
_ADDRESS_TAIL = ("Phone", "Mobile", "Pager", "AltPhone", "Fax", "Email", "Cc", "Contact", "AltContact")
_PERSON = ("CompanyName", "Salutation", "FirstName", "MiddleName", "LastName", "Suffix", "JobTitle")

LISTS: Mapping[str, ListKind] = {
    spec.kind: spec
    for spec in (
        ListKind(
            "Account",
            (
                *_HEAD,
                *(
                    "FullName",
                    "IsActive",
                    "ParentRef",
                    "Sublevel",
                    "AccountType",
                    "SpecialAccountType",
                    "AccountNumber",
                ),
                *(
                    "BankNumber",
                    "Desc",
                    "Balance",
                    "TotalBalance",
                    "CashFlowClassification",
                    "CurrencyRef",
                    "DataExtRet",
                ),
            ),
            hierarchical=True,
            maximum=31,
        ),
        ListKind(
            "Vendor",
            (
                *_HEAD,
                *(
                    "IsActive",
                    "ClassRef",
                    *_PERSON,
                    "VendorAddress/",
                    "VendorAddressBlock",
                    "ShipAddress/",
                    *_ADDRESS_TAIL,
                ),
                *("NameOnCheck", "AccountNumber", "Notes", "TermsRef", "CreditLimit", "VendorTaxIdent"),
                *(
                    "IsVendorEligibleFor1099",
                    "Balance",
                    "ExternalGUID",
                    "PrefillAccountRef",
                    "CurrencyRef",
                    "DataExtRet",
                ),
            ),
            iterator=True,
            guid=True,
        ),
        ListKind(
            "Customer",
            (
                *_HEAD,
                *("FullName", "IsActive", "ClassRef", "ParentRef", "Sublevel", *_PERSON, "BillAddress/", "PrintAs"),
                *(*_ADDRESS_TAIL, "TermsRef", "Balance", "TotalBalance", "AccountNumber", "JobStatus", "Notes"),
                *("ExternalGUID", "CurrencyRef", "DataExtRet"),
            ),
            hierarchical=True,
            iterator=True,
            guid=True,
        ),
        ListKind(
            "Employee",
            (*_HEAD, "IsActive", "Salutation", "FirstName", "MiddleName", "LastName", "Phone", "Email", "ExternalGUID"),
            guid=True,
        ),
        ListKind(
            "OtherName",
            (*_HEAD, "IsActive", "CompanyName", "FirstName", "LastName", "Phone", "ExternalGUID"),
            guid=True,
        ),
        ListKind("Class", (*_HEAD, "FullName", "IsActive", "ParentRef", "Sublevel"), hierarchical=True, maximum=31),
        ListKind("StandardTerms", (*_HEAD, "IsActive", "StdDueDays", "StdDiscountDays", "DiscountPct"), maximum=31),
        ListKind("Currency", (*_HEAD, "IsActive", "CurrencyCode", "IsUserDefinedCurrency", "ExchangeRate"), maximum=64),
        ListKind(
            "ItemService",
            (*_HEAD, "FullName", "IsActive", "ParentRef", "Sublevel", "SalesOrPurchase"),
            hierarchical=True,
            iterator=True,
            maximum=31,
        ),
        ListKind(
            "ItemSalesTax",
            (*_HEAD, "IsActive", "ItemDesc", "TaxRate", "TaxVendorRef"),
            iterator=True,
            maximum=31,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class TxnKind:
    """One transaction type.

    `amount` is the element that shows the total; `party` and `account` are the references that filters look at;
    `sign` is how the total counts in sums; `types` limits the account types of a reference; `lines` are line kinds.
    """

    kind: str
    order: tuple[str, ...]
    amount: str
    lines: tuple[str, ...] = ()
    party: str = ""
    account: str = ""
    types: Mapping[str, tuple[str, ...]] | None = None
    currency_of: str = ""
    home_amount: str = ""
    sign: int = 1
    deletable: bool = True
    lines_when_asked: bool = True
    said: str = ""

    @property
    def label(self) -> str:
        """How QuickBooks names the type in its messages."""
        return self.said or self.kind


_TXN = ("TxnID", "TimeCreated", "TimeModified", "EditSequence", "TxnNumber")
_EXPENSES = ("ExpenseLine", "ItemLine")
_CARD = (
    *_TXN,
    *("AccountRef", "PayeeEntityRef", "TxnDate", "Amount", "CurrencyRef", "ExchangeRate", "AmountInHomeCurrency"),
    *("RefNumber", "Memo", "ExternalGUID", "ExpenseLineRet", "ItemLineRet", "DataExtRet"),
)

TXNS: Mapping[str, TxnKind] = {
    spec.kind: spec
    for spec in (
        TxnKind(
            "Bill",
            (
                *_TXN,
                *("VendorRef", "APAccountRef", "TxnDate", "DueDate", "AmountDue", "CurrencyRef", "ExchangeRate"),
                *("AmountDueInHomeCurrency", "RefNumber", "TermsRef", "Memo", "IsPaid", "ExternalGUID", "LinkedTxn"),
                *("ExpenseLineRet", "ItemLineRet", "OpenAmount", "DataExtRet"),
            ),
            amount="AmountDue",
            lines=_EXPENSES,
            party="VendorRef",
            account="APAccountRef",
            types={"APAccountRef": ("AccountsPayable",)},
            currency_of="VendorRef",
            home_amount="AmountDueInHomeCurrency",
        ),
        TxnKind(
            "VendorCredit",
            (
                *_TXN,
                *("VendorRef", "APAccountRef", "TxnDate", "CreditAmount", "CurrencyRef", "ExchangeRate"),
                *("CreditAmountInHomeCurrency", "RefNumber", "Memo", "ExternalGUID", "LinkedTxn", "ExpenseLineRet"),
                *("ItemLineRet", "OpenAmount", "DataExtRet"),
            ),
            amount="CreditAmount",
            lines=_EXPENSES,
            party="VendorRef",
            account="APAccountRef",
            types={"APAccountRef": ("AccountsPayable",)},
            currency_of="VendorRef",
            home_amount="CreditAmountInHomeCurrency",
            sign=-1,
        ),
        TxnKind(
            "BillPaymentCheck",
            (
                *_TXN,
                *(
                    "PayeeEntityRef",
                    "APAccountRef",
                    "TxnDate",
                    "BankAccountRef",
                    "Amount",
                    "CurrencyRef",
                    "ExchangeRate",
                ),
                *("AmountInHomeCurrency", "RefNumber", "Memo", "IsToBePrinted", "ExternalGUID", "AppliedToTxnRet"),
                "DataExtRet",
            ),
            amount="Amount",
            party="PayeeEntityRef",
            account="BankAccountRef",
            types={"BankAccountRef": ("Bank",), "APAccountRef": ("AccountsPayable",)},
            currency_of="PayeeEntityRef",
            home_amount="AmountInHomeCurrency",
        ),
        TxnKind(
            "CreditCardCharge",
            _CARD,
            amount="Amount",
            lines=_EXPENSES,
            party="PayeeEntityRef",
            account="AccountRef",
            types={"AccountRef": ("CreditCard",)},
            currency_of="AccountRef",
            home_amount="AmountInHomeCurrency",
        ),
        TxnKind(
            "CreditCardCredit",
            _CARD,
            amount="Amount",
            lines=_EXPENSES,
            party="PayeeEntityRef",
            account="AccountRef",
            types={"AccountRef": ("CreditCard",)},
            currency_of="AccountRef",
            home_amount="AmountInHomeCurrency",
            sign=-1,
        ),
        TxnKind(
            "Check",
            (
                *_TXN,
                *("AccountRef", "PayeeEntityRef", "RefNumber", "TxnDate", "Amount", "CurrencyRef", "ExchangeRate"),
                *("AmountInHomeCurrency", "Memo", "IsToBePrinted", "ExternalGUID", "LinkedTxn", "ExpenseLineRet"),
                *("ItemLineRet", "DataExtRet"),
            ),
            amount="Amount",
            lines=_EXPENSES,
            party="PayeeEntityRef",
            account="AccountRef",
            types={"AccountRef": ("Bank",)},
            currency_of="AccountRef",
            home_amount="AmountInHomeCurrency",
        ),
        TxnKind(
            "JournalEntry",
            (
                *_TXN,
                *("TxnDate", "RefNumber", "IsAdjustment", "CurrencyRef", "ExchangeRate", "ExternalGUID"),
                *("JournalDebitLine", "JournalCreditLine", "DataExtRet"),
            ),
            amount="",
            lines=("JournalDebitLine", "JournalCreditLine"),
            said="Journal Entry",
        ),
        TxnKind(
            "Deposit",
            (
                *_TXN,
                *("TxnDate", "DepositToAccountRef", "Memo", "DepositTotal", "CurrencyRef", "ExchangeRate"),
                *("DepositTotalInHomeCurrency", "ExternalGUID", "DepositLineRet", "DataExtRet"),
            ),
            amount="DepositTotal",
            lines=("DepositLine",),
            account="DepositToAccountRef",
            currency_of="DepositToAccountRef",
            home_amount="DepositTotalInHomeCurrency",
        ),
        TxnKind(
            "Transfer",
            (
                *_TXN,
                *(
                    "TxnDate",
                    "TransferFromAccountRef",
                    "FromAccountBalance",
                    "TransferToAccountRef",
                    "ToAccountBalance",
                ),
                *("ClassRef", "Amount", "Memo"),
            ),
            amount="Amount",
            account="TransferFromAccountRef",
            deletable=False,
        ),
    )
}

# Order of the elements of one line in an answer.
LINE_ORDER: Mapping[str, tuple[str, ...]] = {
    "ExpenseLine": ("TxnLineID", "AccountRef", "Amount", "Memo", "CustomerRef", "ClassRef", "BillableStatus"),
    "ItemLine": (
        *("TxnLineID", "ItemRef", "Desc", "Quantity", "UnitOfMeasure", "Cost", "Amount", "CustomerRef", "ClassRef"),
        "BillableStatus",
    ),
    "JournalDebitLine": ("TxnLineID", "AccountRef", "Amount", "Memo", "EntityRef", "ClassRef", "BillableStatus"),
    "JournalCreditLine": ("TxnLineID", "AccountRef", "Amount", "Memo", "EntityRef", "ClassRef", "BillableStatus"),
    "DepositLine": ("TxnLineID", "EntityRef", "AccountRef", "Memo", "CheckNumber", "ClassRef", "Amount"),
}
DEBIT_NORMAL = frozenset(
    {
        "Bank",
        "AccountsReceivable",
        "OtherCurrentAsset",
        "FixedAsset",
        "OtherAsset",
        "CostOfGoodsSold",
        "Expense",
        "OtherExpense",
    }
)


def line_element(kind: str) -> str:
    """The name of a line in an answer: journal lines carry no suffix."""
    return kind if kind.startswith("Journal") else f"{kind}Ret"
