"""A made-up account from a seed: policies, people and reports with the oddities that real ones have."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.expensify.simulator import build
from connectors.expensify.simulator.core import ExpensifySimulator
from connectors.expensify.simulator.records import Category, Employee, Expense, Policy, State, Tag, TagLevel
from connectors.expensify.simulator.world import World
from engine.dataclass import dataclass

DEFAULT_CATEGORIES = (
    Category("Office Supplies", "6100"),
    Category("Travel Expense", "6200"),
    Category("Meals and Entertainment", "6300"),
    Category("Computer and Internet Expenses", "6400"),
    Category("Professional Fees", "6500"),
    Category("Automobile Expense:Fuel", "6610"),
)
DEFAULT_PEOPLE = (
    "Ana López", "Jun Takahashi", "Zoë O'Malley", "Łukasz Wójcik", "Priya Raman", "東海林 葵", "Smith <Design> & Partners",
)  # fmt: skip
_MERCHANTS = (
    "Blue Bottle Coffee", "Delta Air Lines", "Uber", 'Café "Olé"', "Staples", "GitHub", "Hôtel Lutetia", "Shell",
    "東京オフィス用品", "Trader Joe's", "FedEx Office",
)  # fmt: skip
_COMMENTS = ("", "", "Client visit — Genève", "two\nlines", 'a "quote" and a \\', "taxi, 12 km", "per contract §4")
_TRIPS = ("Trip to Genève", 'Offsite "A"', "Expenses", "Conference <2026> & dinner", "Field visit")
_FOREIGN = (("EUR", 108), ("JPY", 1), ("KWD", 33), ("CAD", 73))


@dataclass(frozen=True, slots=True)
class Chart:
    """What the account is coded to; empty parts have defaults, except that tags then stay away."""

    categories: Sequence[Category] = ()
    classes: Sequence[Tag] = ()
    customers: Sequence[Tag] = ()
    people: Sequence[str] = ()
    # Categories that the books do not have: the first report uses each.
    gaps: Sequence[Category] = ()


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the oddities, each between 0 and 1; `long_report` is how many expenses the first report has."""

    unapproved: float = 0.1
    reimbursed: float = 0.3
    closed: float = 0.1
    company_card: float = 0.3
    refunds: float = 0.06
    billable: float = 0.1
    foreign: float = 0.15
    modified: float = 0.1
    tagged: float = 0.7
    exported: float = 0.0
    long_report: int = 0


class _Maker:
    """The seed's random choices over one world."""

    def __init__(self, world: World, chart: Chart, mix: Mix) -> None:
        self.world = world
        self.chart = chart
        self.mix = mix
        self.chance = random.Random(f"{world.names.seed}:business")  # noqa: S311 - a simulation must repeat
        self.categories = tuple(chart.categories) or DEFAULT_CATEGORIES

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    def policies(self) -> list[Policy]:
        """One policy whose tags are listed flat, and one with levels."""
        classes = TagLevel("Class", tuple(self.chart.classes))
        levels = tuple(level for level in (classes, TagLevel("Customer", tuple(self.chart.customers))) if level.tags)
        categories = (*self.categories, *self.chart.gaps)
        flat = build.add_policy(
            self.world, "Acme Corp USA Policy", categories=categories, levels=(classes,) if classes.tags else ()
        )
        deep = build.add_policy(
            self.world, "Acme Field Policy", type="control", categories=categories, levels=levels, tag_shape="levels"
        )
        return [flat, deep]

    def people(self, count: int, policies: Sequence[Policy]) -> list[Employee]:
        names = tuple(self.chart.people) or DEFAULT_PEOPLE
        made = []
        for number in range(max(1, min(count, len(names)))):
            person = Employee(
                email_of(names[number], number),
                names[number],
                # The column in which companies keep the vendor's name of their books.
                user_id=names[number],
                payroll_id=f"E-{100 + number}",
                submits_to=policies[0].owner,
            )
            build.add_employee(self.world, person, [policy.id for policy in policies])
            made.append(person)
        return made

    def report(self, number: int, policy: Policy, person: Employee) -> None:
        now = self.world.now
        begun = now - timedelta(days=self.chance.randrange(6, 60), minutes=self.chance.randrange(600))
        count = self.chance.choice((1, 1, 2, 3, 3, 4, 6, 9))
        if number == 0 and self.mix.long_report:
            count = self.mix.long_report
        expenses = [self.expense(policy, begun, refundable=index > 0) for index in range(count)]
        if number == 0:
            expenses += [self.expense(policy, begun, category=gap) for gap in self.chart.gaps]
        state = self.state()
        done = state not in ("OPEN", "SUBMITTED")
        report = build.add_report(
            self.world,
            expenses,
            policy_id=policy.id,
            email=person.email,
            state=state,
            name=f"{self.chance.choice(_TRIPS)} {number + 1}",
            created=begun,
            submitted=None if state == "OPEN" else begun + timedelta(days=1),
            approved=begun + timedelta(days=3) if done else None,
            reimbursed=begun + timedelta(days=5) if state == "REIMBURSED" else None,
        )
        if done and self.happens(self.mix.exported):
            self.world.mark(report.id, "flowctl", "hand")

    def state(self) -> State:
        if self.happens(self.mix.unapproved):
            return self.chance.choice(("OPEN", "SUBMITTED"))
        fate = self.chance.random()
        if fate < self.mix.reimbursed:
            return "REIMBURSED"
        return "ARCHIVED" if fate < self.mix.reimbursed + self.mix.closed else "APPROVED"

    def expense(
        self, policy: Policy, begun: datetime, *, refundable: bool = False, category: Category | None = None
    ) -> Expense:
        minor, currency, converted = self.chance.randrange(500, 90_000), policy.currency, None
        if self.happens(self.mix.foreign):
            currency, rate = self.chance.choice(_FOREIGN)
            converted = max(1, minor * rate // 100)
        if refundable and self.happens(self.mix.refunds):
            # Small enough that no report comes to nothing: a bill of QuickBooks cannot be negative.
            minor, currency, converted = -self.chance.randrange(1, 50), policy.currency, None
        modified = None
        if converted is None and minor > 0 and self.happens(self.mix.modified):
            modified = minor + self.chance.randrange(1, 400)
        card = self.happens(self.mix.company_card)
        return build.expense(
            self.world,
            minor,
            (begun - timedelta(days=self.chance.randrange(1, 20))).date(),
            currency=currency,
            converted=converted,
            modified_minor=modified,
            merchant=self.chance.choice(_MERCHANTS),
            modified_merchant="Delta" if self.happens(self.mix.modified) else None,
            category=category or self.chance.choice(self.categories),
            tags=self.tags(policy),
            comment=self.chance.choice(_COMMENTS),
            reimbursable=not card,
            billable=self.happens(self.mix.billable),
            bank="Visa" if card else "",
            card="4111XXXXXXXX1111" if card else "",
            mcc=self.chance.choice((None, 5812, 4511)),
            receipt_url=self.chance.choice(("", "https://www.example.com/receipts/w_1.jpg?a=1&b=2")),
        )

    def tags(self, policy: Policy) -> tuple[Tag, ...]:
        if not policy.levels or not self.happens(self.mix.tagged):
            return ()
        return tuple(self.chance.choice(level.tags) for level in policy.levels)


def seed_business(
    simulator: ExpensifySimulator,
    *,
    reports: int = 20,
    people: int = 8,
    chart: Chart | None = None,
    mix: Mix | None = None,
) -> None:
    """Fill the simulator's account from its seed."""
    maker = _Maker(simulator.world, chart or Chart(), mix or Mix())
    policies = maker.policies()
    members = maker.people(people, policies)
    for number in range(reports):
        maker.report(number, maker.chance.choice(policies), maker.chance.choice(members))


def email_of(name: str, number: int) -> str:
    """An address that belongs to a name, told apart by a number where the name has no letters of ours."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", ".", plain.lower()).strip(".")
    return f"{slug or 'person'}.{number}@example.com"
