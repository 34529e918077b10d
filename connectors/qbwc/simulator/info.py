"""HostQuery, CompanyQuery and PreferencesQuery: what the Web Connector sends along with the first call of a session."""

from __future__ import annotations

import copy
from functools import lru_cache

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import Preferences
from connectors.qbwc.simulator.reading import kids, tag, texts
from connectors.qbwc.simulator.render import add_data_ext, add_ref, add_text, data_ext_of


def host_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The product that answers, and the qbXML versions it understands."""
    return only(copy.deepcopy(_host(company.preferences)), request)


# Every session asks for these three, and they hardly ever change: a copy takes a tenth of the time.
@lru_cache(maxsize=16)
def _host(preferences: Preferences) -> etree._Element:
    ret = etree.Element("HostRet")
    add_text(ret, "ProductName", preferences.product_name)
    add_text(ret, "MajorVersion", preferences.major_version)
    add_text(ret, "MinorVersion", "0")
    add_text(ret, "Country", preferences.country)
    for version in preferences.qbxml_versions:
        add_text(ret, "SupportedQBXMLVersion", version)
    add_text(ret, "IsAutomaticLogin", "false")
    add_text(ret, "QBFileMode", preferences.file_mode)
    return ret


def company_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The company, with the data fields of the owners the request names."""
    ret = copy.deepcopy(_company(company.preferences))
    owners = texts(request, "OwnerID")
    add_data_ext(ret, data_ext_of(company, "", owners))
    return only(ret, request)


@lru_cache(maxsize=16)
def _company(preferences: Preferences) -> etree._Element:
    ret = etree.Element("CompanyRet")
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
    return ret


def preferences_ret(company: CompanyFile, request: etree._Element) -> etree._Element:
    """The preferences, in the shape of a real QuickBooks Pro 2014 answer."""
    ret, preferences = copy.deepcopy(_preferences(company.preferences)), company.preferences
    home = company.named("Currency", preferences.home_currency) if preferences.multi_currency else None
    group = ret.find("MultiCurrencyPreferences")
    if home is not None and group is not None:
        add_ref(group, "HomeCurrencyRef", home)
    return only(ret, request)


@lru_cache(maxsize=16)
def _preferences(preferences: Preferences) -> etree._Element:
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
        if name == "AccountingPreferences" and preferences.closing_date is not None:
            add_text(group, "ClosingDate", preferences.closing_date.isoformat())
    return ret


def only(ret: etree._Element, request: etree._Element) -> etree._Element:
    """Leave just the elements that IncludeRetElement names, if it names any."""
    wanted = set(texts(request, "IncludeRetElement"))
    if wanted:
        for child in list(kids(ret)):
            if tag(child) not in wanted:
                ret.remove(child)
    return ret


def _bool(value: bool) -> str:
    return "true" if value else "false"
