"""The requests that write Ramp's chart of accounts, and the list of it that lookups use, as data."""

from __future__ import annotations

from engine.spec import FieldSpec, FieldType, ListSpec, RequestSpec
from engine.spec import a_field as _f

# Ramp takes so many entries in one call, all of them or none (FACTS.md section 5).
CHART_BATCH = 500
CLASSIFICATIONS = ("ANY", "ASSET", "CREDCARD", "EQUITY", "EXPENSE", "LIABILITY", "REVENUE", "UNKNOWN")


def _needed(name: str, type_: FieldType, help_: str, *choices: str) -> FieldSpec:
    return FieldSpec(name, type_, help_, required=True, choices=choices)


_ID = _needed("id", "id", "The entry's id in the accounting system, for example a QuickBooks ListID; it never changes")
_NAME = _needed("name", "text", "Its name, as people see it in Ramp")
_CODE = _f("code", "text", "Its number in the accounting system; left out, Ramp shows none")
_ACCOUNT = (
    _ID,
    _NAME,
    _needed("classification", "text", "What kind of account it is; Ramp cannot change it later", *CLASSIFICATIONS),
    _CODE,
)
_OPTION = (
    _needed("field_id", "id", "Our own id of the field that it is an option of, for example `class`"),
    _needed("field_name", "text", "Name of that field, which is made when Ramp does not have it"),
    _ID,
    _needed("value", "text", "Its name, as people see it in Ramp"),
    _CODE,
)
_VENDOR = (_ID, _NAME, _CODE)
_TAX_RATE = (
    _ID,
    _NAME,
    _needed("rate", "decimal", "The rate as a fraction: 0.05 is five percent"),
    _f("account_id", "id", "Id in the accounting system of the GL account that the tax is posted to"),
)
_TAX_CODE = (
    _ID,
    _NAME,
    FieldSpec(
        "tax_rate_ids", "list", "Ids in the accounting system of the rates it is made of", required=True, of="id"
    ),
)
_OUT = "taken out of use"


def _upload(name: str, help_: str, fields: tuple[FieldSpec, ...], batch_by: str = "") -> RequestSpec:
    return RequestSpec(name, help_, documents="json", fields=fields, batch=CHART_BATCH, batch_by=batch_by)


def _change(name: str, help_: str, fields: tuple[FieldSpec, ...], *, restores: bool = True) -> RequestSpec:
    return RequestSpec(name, help_, documents="json", fields=fields, restores=restores)


def _undo(name: str, help_: str, kind: str, undone: str) -> RequestSpec:
    return RequestSpec(name, help_, documents="json", undoes=(kind,), undone=undone)


CHART_REQUESTS: tuple[RequestSpec, ...] = (
    _upload("AccountUpload", "Put a GL account into Ramp; one that is there is renamed or reactivated", _ACCOUNT),
    _change("AccountUpdate", "Change a GL account's name and number", (_ID, _NAME, _CODE)),
    _undo(
        "AccountDelete", "Take a GL account out of use; what is coded to it can no longer be synced", "Account", _OUT
    ),
    _upload(
        "OptionUpload",
        "Put an option of a field into Ramp, for example a class; the field is made when it is missing",
        _OPTION,
        batch_by="field_id",
    ),
    _change("OptionUpdate", "Change an option's name and number, and show it again", _OPTION),
    _undo("OptionHide", "Hide an option from new coding; what is coded to it can still be synced", "Option", "hidden"),
    _upload("AccountingVendorUpload", "Put a vendor of the accounting system into Ramp, to code to", _VENDOR),
    _change("AccountingVendorUpdate", "Change an accounting vendor's name and number", _VENDOR),
    _undo("AccountingVendorDelete", "Take an accounting vendor out of use", "AccountingVendor", _OUT),
    _upload("TaxRateUpload", "Put a tax rate into Ramp (profile 2026-08)", _TAX_RATE),
    # Ramp's API describes nothing that takes a tax rate or code out of use, so nothing undoes these.
    _change("TaxRateUpdate", "Change a tax rate's name, rate and account", _TAX_RATE, restores=False),
    _upload(
        "TaxOptionUpload",
        "Put a tax code into Ramp, after its rates; the tax code field is made when it is missing (profile 2026-08)",
        _TAX_CODE,
    ),
    _change("TaxOptionUpdate", "Change a tax code's name and rates", _TAX_CODE, restores=False),
)
CHART_REQUEST_NAMES = frozenset(request.name for request in CHART_REQUESTS)
CHART_LISTS: tuple[ListSpec, ...] = (
    ListSpec(
        "accounting_vendors",
        "Vendors of the accounting system as Ramp has them, to code to",
        (_f("ramp_id", "id", "Ramp's id of the vendor as an option to code to"),),
    ),
)

# The switches of an accounting connection, by Ramp's own names (delta-2026.md); a setting that is not given stays as it
# is in Ramp.
FLAGS = (
    "transaction_accounting_vendor_creation_on_sync_enabled",
    "transaction_sync_button_enabled",
    "reimbursement_sync_button_enabled",
    "vendor_credits_enabled",
    "entity_selection_enabled",
)
ACCOUNTING_SETTINGS: tuple[FieldSpec, ...] = (
    _f(
        "accounting_connection_id",
        "id",
        "Ramp's id of the inactive accounting connection that the chart is written to while `flowctl migrate` is under "
        "way; that command sets it and takes it away",
    ),
    _f(FLAGS[0], "boolean", "Whether Ramp refuses to sync a transaction until an accounting vendor is coded"),
    _f(FLAGS[1], "boolean", "Whether people in Ramp see a button that syncs transactions; it wants an answer in 5 min"),
    _f(FLAGS[2], "boolean", "The same for reimbursements"),
    _f(FLAGS[3], "boolean", "Whether people in Ramp can enter vendor credits"),
    _f(FLAGS[4], "boolean", "Whether people in Ramp choose the entity of what they code"),
)
