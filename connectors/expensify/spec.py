"""What the Expensify connector offers, as data: settings, streams with every field it emits, and the mark."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, MarkSpec, StreamSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list
from engine.spec import an_object as _object

ORIGIN = "https://integrations.expensify.com"
PATH = "/Integration-Server/ExpensifyIntegrations"
MARK = "MARK_AS_EXPORTED"
# The website's Open, Processing, Approved, Reimbursed and Closed (FACTS.md, "Export").
STATES = ("OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED")
# A report in one of these is through its approval.
FINAL_STATES = STATES[2:]


_PATH = "The tag with those of the levels above it, as `West:Phase 1`: below another tag it can mean something else"
EXPENSE = (
    _f("transactionID", "id", "Expensify's id of the expense, 19 digits"),
    _f("merchant", "text", "Merchant, as corrected when someone corrected it"),
    _f(
        "amount",
        "money",
        "Amount in the report's currency, in major units: positive is owed to whoever paid, negative is a refund",
    ),
    _f("currency", "text", "Currency of that amount: the report's"),
    _f("originalAmount", "money", "Amount as it was paid, in major units of `originalCurrency`"),
    _f("originalCurrency", "text", "Currency it was paid in"),
    _f("category", "text", "Category"),
    _f("categoryGlCode", "text", "General ledger code of the category"),
    _f("tag", "text", "Tag; of several levels, all of them joined by Expensify with colons"),
    _f("tagGlCode", "text", "General ledger code of the tag"),
    _list(
        "tags",
        "Tags of a policy with several levels, in the order of the levels",
        _f("level", "integer", "Level, from 1"),
        _f("name", "text", "Tag of this level"),
        _f("path", "text", _PATH),
        _f("glCode", "text", "General ledger code of the tag"),
    ),
    _f("comment", "text", "What the employee wrote of the expense"),
    _f(
        "reimbursable",
        "boolean",
        "True when the employee is to get the money back; null, with an `amount` that cannot be read, when unknown",
    ),
    _f("billable", "boolean", "True when a customer is to be billed for it"),
    _f("companyCard", "boolean", "True when it came from a bank feed or a card"),
    _f("created", "date", "Day of the expense, as corrected when someone corrected it"),
    _f("mcc", "text", "Four-digit merchant category code, as corrected when someone corrected it"),
    _f("type", "text", "Kind of expense, for example a distance; values are Expensify's own"),
    _f("receiptUrl", "text", "Address of the receipt, for a person who is signed in to Expensify"),
    _f("taxAmount", "money", "Tax within the amount, in major units of `originalCurrency`"),
    _f("taxName", "text", "Name of the tax"),
)

REPORT = (
    _f("reportID", "id", "Expensify's id of the report"),
    _f("oldReportID", "id", "The id of the other form, where Expensify gives both"),
    _f("reportName", "text", "Name of the report"),
    _f("status", "text", "Where the report stands, in Expensify's words"),
    _f(
        "state",
        "text",
        "Where the report stands; the website says Open, Processing, Approved, Reimbursed, Closed",
        *STATES,
    ),
    _f("total", "money", "Sum of the expenses in major units: positive is owed, negative comes back"),
    _f("currency", "text", "Currency of the report: its policy's"),
    _f("created", "date", "Day the report was begun"),
    _f("submitted", "date", "Day it was submitted"),
    _f("approved", "date", "Day it was approved; of several approvals, the last"),
    _f("reimbursed", "date", "Day it was reimbursed"),
    _f("policyID", "id", "Expensify's id of the policy (workspace)"),
    _f("policyName", "text", "Name of the policy"),
    _f("accountEmail", "text", "Address of the account that owns the report"),
    _object(
        "submitter",
        "Whose expenses they are",
        _f("email", "text", "E-mail address"),
        _f("userID", "id", "The employee's id that the policy gives"),
        _f("payrollID", "id", "The employee's payroll id that the policy gives"),
    ),
    _f("managerEmail", "text", "E-mail address of who approves"),
    _f(
        "isExported",
        "boolean",
        "True when Expensify has the report marked as exported with the connection's `export_label`",
    ),
    _f(
        "isOld",
        "boolean",
        "True when the report is not marked, and was submitted and approved longer ago than `lookback_days`, or 180 days where "
        "that is not given: it may have been entered by hand before flowctl was set up",
    ),
    _list("expenses", "Every expense of the report", *EXPENSE),
)

POLICY = (
    _f("id", "id", "Expensify's id of the policy (workspace)"),
    _f("name", "text", "Name of the policy"),
    _f("owner", "text", "E-mail address of the owner"),
    _f("type", "text", "Plan, for example corporate, team or control; values are Expensify's own"),
    _f("outputCurrency", "text", "Currency of the policy's reports"),
)

_POLICY_ID = _f("policyID", "id", "Expensify's id of the policy")
_POLICY_NAME = _f("policyName", "text", "Name of the policy")
_ENABLED = _f("enabled", "boolean", "False when it is not offered any more")
_GL_CODE = _f("glCode", "text", "General ledger code")

CATEGORY = (
    _f("id", "id", "Policy and name: `<policyID>:<name>`"),
    _POLICY_ID,
    _POLICY_NAME,
    _f("name", "text", "Category"),
    _ENABLED,
    _GL_CODE,
    _f("payrollCode", "text", "Payroll code"),
)

TAG = (
    _f("id", "id", "Policy, level and path, or name where the path is null: `<policyID>:<level>:<path>`"),
    _POLICY_ID,
    _POLICY_NAME,
    _f("level", "integer", "Level, from 1; a policy with one kind of tag has level 1 alone"),
    _f("levelName", "text", "Name of the level; null where the policy has but one kind of tag"),
    _f("name", "text", "Tag"),
    _f("path", "text", f"{_PATH}; null where Expensify does not say what is above it"),
    _ENABLED,
    _GL_CODE,
)

EMPLOYEE = (
    _f("id", "id", "Policy and address: `<policyID>:<email>`"),
    _POLICY_ID,
    _POLICY_NAME,
    _f("email", "text", "E-mail address"),
    _f("userID", "id", "The employee's id that the policy gives (custom field 1)"),
    _f("payrollID", "id", "The employee's payroll id that the policy gives (custom field 2)"),
    _f("firstName", "text", "First name"),
    _f("lastName", "text", "Last name"),
    _f("role", "text", "Role in the policy, for example user, auditor or admin"),
    _f("submitsTo", "text", "E-mail address of who gets the employee's reports"),
    _f("forwardsTo", "text", "E-mail address of who gets what the employee approves"),
)

PERSON = (
    _f("id", "id", "E-mail address"),
    *(part for part in EMPLOYEE if part.name in ("email", "userID", "payrollID", "firstName", "lastName")),
    _list(
        "policies",
        "The policies that the person is a member of",
        *(part for part in EMPLOYEE if part.name in ("policyID", "policyName", "role")),
    ),
)

_POLICY_FILTER = _f("policy_id", "id", "Only this policy; the setting `policies` is the default")

STREAMS = (
    StreamSpec(
        "reports",
        "Approved, reimbursed and closed reports with all their expenses: those not yet marked as exported that were "
        "submitted or approved within `lookback_days`, and all that were approved within `recheck_days`",
        "reportID",
        REPORT,
        filters=(_POLICY_FILTER,),
    ),
    StreamSpec(
        "policies", "Policies (workspaces) that the credentials may administer", "id", POLICY, (_POLICY_FILTER,)
    ),
    StreamSpec("categories", "Categories of each policy", "id", CATEGORY, (_POLICY_FILTER,)),
    StreamSpec("tags", "Tags of each policy, of all levels", "id", TAG, (_POLICY_FILTER,)),
    StreamSpec("employees", "Members of each policy", "id", EMPLOYEE, (_POLICY_FILTER,)),
    StreamSpec(
        "people",
        "Members of policies, each once: an id or a name is that of the first policy which gives it",
        "id",
        PERSON,
        (_POLICY_FILTER,),
    ),
)

SETTINGS = (
    FieldSpec("partner_user_id", "text", "The partnerUserID of the API credentials", required=True),
    FieldSpec("partner_user_secret", "text", "The partnerUserSecret shown with it, once", required=True, secret=True),
    FieldSpec("base_url", "text", f"Address of the API, when it is not {ORIGIN}: a simulator on this machine"),
    FieldSpec(
        "export_label",
        "text",
        "Label of the mark as exported; give each flow and company file its own, or one hides reports from the other",
        default="flowctl",
    ),
    FieldSpec("policies", "text", "Ids of the policies to read, separated by commas; empty for all"),
    FieldSpec(
        "lookback_days",
        "integer",
        "How many days back reports that are not marked are looked for, by the day they were submitted, 1 to 1095, and by "
        "the day they were approved, for a year at most; without it, those older than 180 days are `isOld`",
        default=365,
    ),
    FieldSpec(
        "recheck_days",
        "integer",
        "How many days back approved reports are read again though they are marked, to notice a second approval, 1 to 365",
        default=30,
    ),
    FieldSpec("export_limit", "integer", "Reports asked for in one export, 50 to 5000", default=500),
    FieldSpec("download_wait_s", "integer", "Seconds to wait for Expensify to write an export, 10 to 600", default=120),
    FieldSpec(
        "amount_unit",
        "text",
        "What Expensify's whole numbers count: `minor` units of the currency (ISO 4217: yen have none), or `hundredths` "
        "of every currency",
        default="hundredths",
        choices=("minor", "hundredths"),
    ),
)

SPEC = ConnectorSpec(
    name="expensify",
    title="Expensify",
    help="Expense reports: reads approved and closed reports with their expenses, policies, categories, tags and "
    "employees, and marks as exported what was posted",
    settings=SETTINGS,
    account=("partner_user_id",),
    streams=STREAMS,
    marks=(MarkSpec(MARK, "The report is in the books", streams=("reports",), failures=False),),
    limits=(
        "5 requests in any 10 seconds and 20 in any 60 seconds for one partnerUserID, counted over all processes",
        "an export has no pages: one as large as its limit is read again in halves of its window",
        "a window of submission dates spans at most one year, and so does what is looked for by approval",
        "at most 50 reports are marked in one job",
    ),
)
