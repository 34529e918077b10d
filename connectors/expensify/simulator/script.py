"""An Expensify account under a script: policies, people and reports given as data, and what people do to them.

What a golden case gives (everything but a report's expenses has a default; names on the left are the case's own):

    policies:
      us: {name: Acme USA, currency: USD, tags: levels, categories: [Travel], levels: {Class: [West], Customer: [Acme:Kitchen]}}
    employees:
      ana: {name: Ana López, email: ana@example.com, user: Ana López, payroll: E-1, policies: [us]}
    reports:
      march: {employee: ana, policy: us, name: March, state: APPROVED, created: 2026-02-20, submitted: 2026-02-21,
              approved: 2026-02-23, reimbursed: 2026-02-25, id: R00abcdefghi, labels: [flowctl],
              expenses: [{amount: "12.50", category: Travel, tags: [West], on: 2026-02-19}]}
    download: {polls: 1, seconds: 0, as: empty}
    options: {flags: text}
    counts: spent

Without `policies` there is one called `main`, without `employees` one called `ana`. `tags` of a policy is `flat` or
`levels`. An expense has `amount` in major units of `currency` (the policy's unless given; any other needs `converted`),
`modified` and `converted` amounts, `category`, `tags` (one for each level; `tag` for a single one), `on`, `merchant`,
`comment`, `reimbursable` (null when Expensify does not say it), `billable`, `card` (a company card's number), `mcc`,
`receipt`, `tax` and `times`. A category or tag is a name, with the code of the account, class or customer of that name,
or `{name, code}`, of a tag with `below` for the path of the tag it depends on; what a policy lacks is added to it.
`download` and `options` set `records.Options`; `counts` says what the sandbox's total is of: `owed` to the employees
unless told otherwise, `spent` for a flow that posts journal entries, or `{us: spent}` for one policy alone.

Actions: `add` (more of the same), `add_report`, `edit_report`, `submit`, `approve`, `reopen`, `reapprove` (`{report, ...}`
with what is changed), `reimburse`, `close`, `delete_report`, `label` (`{reports, label}` by hand), `add_category`,
`add_tag`, `add_employee`, `download`, and `fault` (`{name, job, times, seconds}`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import UTC, date, datetime, time
from typing import Any

from connectors.expensify.simulator import build
from connectors.expensify.simulator.core import ExpensifySimulator
from connectors.expensify.simulator.faults import Fault
from connectors.expensify.simulator.records import Category, Employee, Expense, Options, Policy, Tag, TagLevel
from connectors.expensify.simulator.seed import email_of
from connectors.expensify.simulator.world import World
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UnknownName
from engine.money import exponent, parse_money

# QuickBooks' lists: accounts, classes, customers, vendors.
Books = Mapping[str, Sequence[Mapping[str, Any]]]
LABEL = "flowctl"
_PARTS = ("policies", "employees", "reports", "download", "options")
_POLICY = ("name", "currency", "type", "tags", "categories", "levels", "id")
_EMPLOYEE = ("name", "email", "user", "payroll", "role", "policies")
_REPORT = (
    *("employee", "policy", "name", "state", "created", "submitted", "approved", "reimbursed", "expenses", "labels"),
    "id",
)
_EXPENSE = (
    *("amount", "currency", "converted", "modified", "category", "tags", "tag", "on", "merchant", "comment"),
    *("reimbursable", "billable", "card", "mcc", "receipt", "tax", "times"),
)
_DOWNLOAD = {"polls": "ready_after_polls", "seconds": "ready_after_s", "as": "not_ready"}


@dataclass(slots=True)
class Story:
    """The simulator with the names that a case gives to its objects, and the books that expenses are coded to."""

    simulator: ExpensifySimulator
    chart: Books
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The account."""
        return self.simulator.world

    def id_of(self, kind: str, name: str) -> str:
        """The id of an object by the name that the case gave it."""
        found = self.ids.get(f"{kind}:{name}")
        if found is None:
            raise UnknownName(kind, name, tuple(self.names(kind)))
        return found

    def names(self, kind: str) -> list[str]:
        """The case's names of a kind."""
        return [key.partition(":")[2] for key in self.ids if key.startswith(f"{kind}:")]


def tell(story: Story, given: Json) -> None:
    """Add policies, people and reports."""
    _known("expensify", given, _PARTS)
    if "options" in given:
        _known("options", given["options"], tuple(item.name for item in fields(Options)))
        changes: dict[str, Any] = given["options"]
        story.world.options = replace(story.world.options, **changes)
    if "download" in given:
        _download(story, given["download"])
    for name, value in given.get("policies", {}).items():
        _policy(story, name, value)
    if not story.names("policy"):
        _policy(story, "main", {})
    for name, value in given.get("employees", {}).items():
        _employee(story, name, value if isinstance(value, dict) else {"name": value})
    if not story.names("employee"):
        _employee(story, "ana", {"name": "Ana López"})
    for name, value in given.get("reports", {}).items():
        _report(story, name, value)


def act(story: Story, action: str, value: Any) -> None:
    """What a person does in Expensify, or what befalls it."""
    if action not in _ACTIONS:
        raise UnknownName("action", action, tuple(_ACTIONS))
    _ACTIONS[action](story, value)


def contents(story: Story) -> list[str]:
    """Reports with their state, total and labels."""
    world = story.world
    world.settle()
    names = {id_: key.partition(":")[2] for key, id_ in story.ids.items()}
    lines = []
    for report in world.reports.values():
        labels = ", ".join(f"{label} by {by}" for label, by in world.labels.get(report.id, {}).items())
        total = f"{report.total} {report.currency}"
        lines.append(
            f"report {names.get(report.id, report.id)} | {report.state} | {total} | {labels or 'not exported'}"
        )
    return lines


# --- making -----------------------------------------------------------------------------------------------------------


def _policy(story: Story, name: str, given: Json) -> None:
    _known(f"policies.{name}", given, _POLICY)
    levels = tuple(
        TagLevel(level, tuple(_tag(story, item) for item in tags)) for level, tags in given.get("levels", {}).items()
    )
    made = build.add_policy(
        story.world,
        given.get("name", f"Policy {name}"),
        key=name,
        currency=given.get("currency", "USD"),
        type=given.get("type", "corporate"),
        tag_shape=given.get("tags", "flat"),
        categories=tuple(_category(story, item) for item in given.get("categories", ())),
        levels=levels,
        **({"id": str(given["id"])} if "id" in given else {}),
    )
    story.ids[f"policy:{name}"] = made.id


def _employee(story: Story, name: str, given: Json) -> None:
    _known(f"employees.{name}", given, _EMPLOYEE)
    person = Employee(
        given.get("email") or email_of(name, len(story.names("employee"))),
        given.get("name", name),
        role=given.get("role", "user"),
        user_id=str(given.get("user", given.get("name", name))),
        payroll_id=str(given.get("payroll", "")),
    )
    policies = given.get("policies", story.names("policy"))
    build.add_employee(story.world, person, [story.id_of("policy", item) for item in policies])
    story.ids[f"employee:{name}"] = person.email


def _report(story: Story, name: str, given: Json) -> None:
    _known(f"reports.{name}", given, _REPORT)
    policy = story.world.policies[story.id_of("policy", given.get("policy", story.names("policy")[0]))]
    created = _moment(given["created"]) if "created" in given else story.world.now
    simple = {"name": name, **({"id": str(given["id"])} if "id" in given else {})}
    moments = {key: _moment(given[key]) for key in ("submitted", "approved", "reimbursed") if key in given}
    made = build.add_report(
        story.world,
        _expenses(story, policy, given["expenses"], created.date()),
        policy_id=policy.id,
        email=story.id_of("employee", given.get("employee", story.names("employee")[0])),
        state=given.get("state", "APPROVED"),
        key=name,
        **{**simple, **({"name": given["name"]} if "name" in given else {}), "created": created, **moments},
    )
    story.ids[f"report:{name}"] = made.id
    for label in given.get("labels", ()):
        story.world.mark(made.id, label, "hand")


def _expenses(story: Story, policy: Policy, given: Sequence[Json], created: date) -> tuple[Expense, ...]:
    made = []
    for index, item in enumerate(given):
        _known(f"expenses[{index}]", item, _EXPENSE)
        made += [_expense(story, policy, item, created) for _ in range(int(item.get("times", 1)))]
    return tuple(made)


def _expense(story: Story, policy: Policy, given: Json, created: date) -> Expense:
    currency = given.get("currency", policy.currency)
    tags = [given["tag"]] if "tag" in given else given.get("tags", [])
    levels = policy.levels or (TagLevel("Tag"),)
    coded = tuple(_coded_tag(story, policy, levels, level, item) for level, item in enumerate(tags))
    category = _category(story, given["category"]) if given.get("category") else None
    if category is not None and category not in story.world.policies[policy.id].categories:
        build.add_category(story.world, policy.id, category)
    return build.expense(
        story.world,
        _minor(given["amount"], currency),
        date.fromisoformat(str(given["on"])) if "on" in given else created,
        currency=currency,
        converted=_minor(given["converted"], policy.currency) if "converted" in given else None,
        modified_minor=_minor(given["modified"], currency) if "modified" in given else None,
        merchant=given.get("merchant", "Blue Bottle Coffee"),
        category=category,
        tags=coded,
        comment=given.get("comment", ""),
        reimbursable=given.get("reimbursable", "card" not in given),
        billable=given.get("billable", False),
        bank="Visa" if "card" in given else "",
        card=str(given.get("card", "")),
        mcc=given.get("mcc"),
        receipt_url=given.get("receipt", ""),
        tax_minor=_minor(given["tax"], currency) if "tax" in given else None,
        tax_name="Tax" if "tax" in given else "",
    )


def _coded_tag(story: Story, policy: Policy, levels: Sequence[TagLevel], level: int, item: Any) -> Tag:
    where = levels[min(level, len(levels) - 1)].name
    tag = _tag(story, item)
    known = next((entry for entry in story.world.policies[policy.id].levels if entry.name == where), None)
    if known is None or not any(one == tag or (one.name == tag.name and one.below) for one in known.tags):
        build.add_tag(story.world, policy.id, where, tag)
    return tag


def _category(story: Story, value: Any) -> Category:
    if isinstance(value, dict):
        return Category(str(value["name"]), str(value.get("code", "")), enabled=value.get("enabled", True))
    return Category(str(value), _code(story, "accounts", str(value)))


def _tag(story: Story, value: Any) -> Tag:
    if isinstance(value, dict):
        return Tag(str(value["name"]), str(value.get("code", "")), value.get("enabled", True), value.get("below", ""))
    return Tag(str(value), _code(story, "classes", str(value)) or _code(story, "customers", str(value)))


def _code(story: Story, plural: str, name: str) -> str:
    """The code of the object of that name in the books; of none, no code."""
    found = (item for item in story.chart.get(plural, ()) if item["name"] == name)
    return str(next(found, {}).get("code") or "")


# --- acting -----------------------------------------------------------------------------------------------------------


def _changes(story: Story, value: Json) -> tuple[str, dict[str, Any]]:
    """The id of a report, and what an action says of it."""
    given = {key: item for key, item in value.items() if key != "report"}
    _known("report", given, ("name", "expenses", "employee"))
    report = story.world.reports[story.id_of("report", value["report"])]
    found: dict[str, Any] = {key: given[key] for key in ("name",) if key in given}
    if "employee" in given:
        found["email"] = story.id_of("employee", given["employee"])
    if "expenses" in given:
        policy = story.world.policies[report.policy_id]
        found["expenses"] = _expenses(story, policy, given["expenses"], report.created.date())
    return report.id, found


def _edit(story: Story, value: Json) -> None:
    report_id, changes = _changes(story, value)
    story.world.change_report(report_id, **changes)


def _reapprove(story: Story, value: Json) -> None:
    report_id, changes = _changes(story, value)
    build.reapprove(story.world, report_id, **changes)


def _label(story: Story, value: Any) -> None:
    given = value if isinstance(value, dict) else {"reports": value}
    names = given["reports"] if isinstance(given["reports"], list) else [given["reports"]]
    for name in names:
        story.world.mark(story.id_of("report", name), given.get("label", LABEL), "hand")


def _policy_id(story: Story, value: Json) -> str:
    return story.id_of("policy", value.get("policy", story.names("policy")[0]))


def _add_category(story: Story, value: Json) -> None:
    _known("add_category", value, ("policy", "name", "code", "enabled"))
    plain = value["name"] if set(value) <= {"policy", "name"} else value
    build.add_category(story.world, _policy_id(story, value), _category(story, plain))


def _add_tag(story: Story, value: Json) -> None:
    _known("add_tag", value, ("policy", "level", "name", "code", "enabled"))
    plain = value["name"] if set(value) <= {"policy", "level", "name"} else value
    level = str(value.get("level", "Tag"))
    build.add_tag(story.world, _policy_id(story, value), level, _tag(story, plain))


def _download(story: Story, value: Json) -> None:
    _known("download", value, tuple(_DOWNLOAD))
    changes: dict[str, Any] = {_DOWNLOAD[key]: str(item) if key == "as" else item for key, item in value.items()}
    story.world.options = replace(story.world.options, **changes)


def _plan_fault(story: Story, value: Json) -> None:
    """The next jobs that fit, one unless told otherwise, meet this fault."""
    where = {name: value[name] for name in ("job", "seconds") if name in value}
    story.simulator.faults.add(Fault(value["name"], at=tuple(range(int(value.get("times", 1)))), **where))


def _on_report(change: Callable[[World, str], object]) -> Callable[[Story, Any], None]:
    """An action on one report, or on each of several, by the case's names."""

    def action(story: Story, value: Any) -> None:
        for name in value if isinstance(value, list) else [value]:
            change(story.world, story.id_of("report", name))

    return action


_ACTIONS: Mapping[str, Callable[[Story, Any], None]] = {
    "add": tell,
    "add_report": lambda story, value: tell(story, {"reports": value}),
    "add_employee": lambda story, value: tell(story, {"employees": value}),
    "edit_report": _edit,
    "submit": _on_report(build.submit),
    "approve": _on_report(build.approve),
    "reopen": _on_report(build.reopen),
    "reapprove": _reapprove,
    "reimburse": _on_report(build.reimburse),
    "close": _on_report(build.close),
    "delete_report": _on_report(lambda world, report_id: world.reports.pop(report_id)),
    "label": _label,
    "add_category": _add_category,
    "add_tag": _add_tag,
    "download": _download,
    "fault": _plan_fault,
}


def _known(where: str, given: Json, names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise UnknownName(f"part of {where}", name, tuple(names))


def _minor(text: object, currency: str) -> int:
    return int(parse_money(text).scaleb(exponent(currency)))


def _moment(text: object) -> datetime:
    return datetime.combine(date.fromisoformat(str(text)), time(9, 30), UTC)
