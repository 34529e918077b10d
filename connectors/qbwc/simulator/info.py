"""HostQuery, CompanyQuery and PreferencesQuery: what the Web Connector sends along with the first call of a session."""

from __future__ import annotations

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.reading import kids, tag
from connectors.qbwc.simulator.render import add_data_ext, add_ref, add_text, data_ext_of


def host_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The product that answers, and the qbXML versions it understands."""
    ret, preferences = etree.Element("HostRet"), company.preferences
    add_text(ret, "ProductName", preferences.product_name)
    add_text(ret, "MajorVersion", preferences.major_version)
    add_text(ret, "MinorVersion", "0")
    add_text(ret, "Country", preferences.country)
    for version in preferences.qbxml_versions:
        add_text(ret, "SupportedQBXMLVersion", version)
    add_text(ret, "IsAutomaticLogin", "false")
    add_text(ret, "QBFileMode", preferences.file_mode)
    return only(ret, request)


def company_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The company, with the data fields of the owners the request names."""
    ret, preferences = etree.Element("CompanyRet"), company.preferences
    add_text(ret, "IsSampleCompany", "false")
    add_text(ret, "CompanyName", preferences.company_name)
    add_text(ret, "LegalCompanyName", preferences.company_name)
    address = etree.SubElement(ret, "Address")
    for name, text in (
        ("Addr1", "1 Main St"),
        ("City", "Austin"),
        ("State", "TX"),
        ("PostalCode", "78701"),
        ("Country", "US"),
    ):
        add_text(address, name, text)
    add_text(ret, "FirstMonthFiscalYear", "January")
    add_text(ret, "FirstMonthIncomeTaxYear", "January")
    add_text(ret, "CompanyType", "InformationTechnologyComputersSoftware")
    add_text(ret, "EIN", preferences.ein)
    add_text(ret, "TaxForm", "Form1120")
    accountant = etree.SubElement(ret, "AccountantCopy")
    add_text(accountant, "AccountantCopyExists", "false")
    owners = [child.text or "" for child in kids(request) if tag(child) == "OwnerID"]
    add_data_ext(ret, data_ext_of(company, "", owners))
    return only(ret, request)


def preferences_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The preferences, in the shape of a real QuickBooks Pro 2014 answer."""
    preferences = company.preferences
    groups: dict[str, dict[str, str]] = {
        "AccountingPreferences": {
            "IsUsingAccountNumbers": _bool(preferences.account_numbers),
            "IsRequiringAccounts": "true",
            "IsUsingClassTracking": _bool(preferences.class_tracking),
            "IsUsingAuditTrail": "true",
            "IsAssigningJournalEntryNumbers": "true",
        },
        "FinanceChargePreferences": {
            "AnnualInterestRate": "0.00",
            "MinFinanceCharge": "0.00",
            "GracePeriod": "0",
            "IsAssessingForOverdueCharges": "false",
            "CalculateChargesFrom": "DueDate",
            "IsMarkedToBePrinted": "false",
        },
        "JobsAndEstimatesPreferences": {
            "IsUsingEstimates": "true",
            "IsUsingProgressInvoicing": "false",
            "IsPrintingItemsWithZeroAmounts": "false",
        },
        "MultiCurrencyPreferences": {"IsMultiCurrencyOn": _bool(preferences.multi_currency)},
        "MultiLocationInventoryPreferences": {
            "IsMultiLocationInventoryAvailable": "false",
            "IsMultiLocationInventoryEnabled": "false",
        },
        "PurchasesAndVendorsPreferences": {
            "IsUsingInventory": "false",
            "DaysBillsAreDue": str(preferences.days_bills_are_due),
            "IsAutomaticallyUsingDiscounts": "false",
        },
        "ReportsPreferences": {"AgingReportBasis": "AgeFromDueDate", "SummaryReportBasis": "Accrual"},
        "SalesAndCustomersPreferences": {
            "IsTrackingReimbursedExpensesAsIncome": "false",
            "IsAutoApplyingPayments": "true",
        },
        "TimeTrackingPreferences": {"FirstDayOfWeek": "Monday"},
        "CurrentAppAccessRights": {"IsAutomaticLoginAllowed": "false", "IsPersonalDataAccessAllowed": "false"},
    }
    ret = etree.Element("PreferencesRet")
    for name, fields in groups.items():
        group = etree.SubElement(ret, name)
        for field, text in fields.items():
            add_text(group, field, text)
        if name == "MultiCurrencyPreferences" and preferences.multi_currency:
            home = company.named("Currency", preferences.home_currency)
            if home is not None:
                add_ref(group, "HomeCurrencyRef", home)
        if name == "AccountingPreferences" and preferences.closing_date is not None:
            add_text(group, "ClosingDate", preferences.closing_date.isoformat())
    return only(ret, request)


def only(ret: etree._Element, request: etree._Element) -> etree._Element:
    """Leave just the elements that IncludeRetElement names, if it names any."""
    wanted = {child.text for child in kids(request) if tag(child) == "IncludeRetElement"}
    if wanted:
        for child in list(kids(ret)):
            if tag(child) not in wanted:
                ret.remove(child)
    return ret


def _bool(value: bool) -> str:
    return "true" if value else "false"
