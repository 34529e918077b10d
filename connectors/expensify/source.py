"""An open Expensify connection: reads reports and policies, reads one report, and marks what was posted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from connectors.expensify import records
from connectors.expensify.client import ExpensifyClient
from connectors.expensify.jobs import policy, policy_list
from connectors.expensify.marks import mark, report_id
from connectors.expensify.reading import Found, Reading, all_reports, one_report
from connectors.expensify.records import Raw, Record
from connectors.expensify.settings import POLICY_ID, Settings
from connectors.expensify.spec import SPEC
from engine.contract import Binding, Json, MarkCall, Page, Tools
from engine.diagnostics import suggestion
from engine.errors import BadAnswer, Rejected

Filters = Mapping[str, str | int | bool | None]
_PAGE = 100
# One answer holds every category and tag of its policies.
_POLICIES_A_CALL = 20
_PARTS: dict[str, Callable[[Record, Raw], Iterator[Record]]] = {
    "categories": records.categories,
    "tags": records.tags,
    "employees": records.employees,
}


class ExpensifySource:
    """Expensify as a source. Close it when done.

    Unlike other sources it waits by itself, between the two calls of an export: at most `download_wait_s` for one file.
    """

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self._client = ExpensifyClient(binding, settings, tools)
        self._settings = settings
        self._clock = tools.clock
        self._policy_list: Raw | None = None
        self._policy_info: dict[str, object] = {}

    def read(self, stream: str, filters: Filters, checkpoint: str | None) -> Iterator[Page]:  # noqa: ARG002
        """All matching records, page by page. There is no checkpoint: every read lists all, and begins at the start."""
        wanted = self._policies(stream, filters)
        if stream == "reports":
            today = self._clock.now().date()
            it = Reading(self._client, self._settings, today, lambda: self._chosen(wanted))
            yield from _pages("reportID", (self._report(report) for report in all_reports(it, wanted)))
            return
        chosen = self._chosen(wanted)
        if stream == "policies":
            yield from _pages("id", iter(chosen))
            return
        if stream == "people":
            yield from _pages("id", records.people(self._parts("employees", chosen)))
            return
        yield from _pages("id", self._parts(stream, chosen))

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when Expensify no longer has it.

        A report is read in whatever state it is; one that is being worked on again has no use for its id alone.
        """
        if stream != "reports":
            return next((r for page in self.read(stream, {}, None) for r in page.records if r["id"] == record_id), None)
        asked, today = report_id(self._client.where, record_id), self._clock.now().date()
        found = one_report(Reading(self._client, self._settings, today, self._administered), asked)
        return None if found is None else {**self._report(found), "reportID": record_id}

    def mark(self, call: MarkCall) -> None:
        """Mark the reports as exported; returning means that none of them shows as not exported. Safe to repeat."""
        mark(self._client, call, self._settings.export_label, self._administered)

    def tried(self) -> str:
        """How many policies there are to read; one job.

        Raises:
            AuthRefused: when Expensify does not take the credentials.
            Rejected: when a policy of the setting `policies` is not among those they may administer.
        """
        chosen = self._administered()
        return "1 policy can be read" if len(chosen) == 1 else f"{len(chosen)} policies can be read"

    def close(self) -> None:
        """Close open connections."""
        self._client.close()

    def _report(self, found: Found) -> Record:
        return records.report(found.raw, exported=found.exported, old=found.old, unit=self._settings.amount_unit)

    def _policies(self, stream: str, filters: Filters) -> tuple[str, ...]:
        """The ids of the policies to read, none for all.

        Raises:
            Rejected: for a stream or filter that there is not, or a value that cannot be used.
        """
        spec = SPEC.stream(stream)
        if spec is None:
            known = tuple(s.name for s in SPEC.streams)
            raise Rejected(f"{self._client.where}: there is no stream `{stream}`", hint=suggestion(stream, known))
        for name in filters:
            if name not in (known := tuple(f.name for f in spec.filters)):
                raise Rejected(f"{self._client.where}: `{stream}` has no filter `{name}`", hint=suggestion(name, known))
        wanted = filters.get("policy_id")
        if wanted is None:
            return self._settings.policies
        if not POLICY_ID.fullmatch(str(wanted)):
            raise Rejected(f"{self._client.where}: `{str(wanted)[:40]}` is no id of a policy")
        return (str(wanted),)

    def _chosen(self, wanted: tuple[str, ...]) -> list[Record]:
        """The policies that were asked for, as Expensify lists them.

        Raises:
            Rejected: when one of them is not among those that the credentials may administer.
        """
        listed = {record["id"]: record for record in records.policies(self._listed())}
        absent = [policy_id for policy_id in wanted if policy_id not in listed]
        if absent:
            raise Rejected(
                f"{self._client.where}: the credentials may not administer the policy {absent[0]}, or there is none",
                hint="make their account an admin of the policy, or correct the setting `policies`",
            )
        return [listed[policy_id] for policy_id in wanted] if wanted else list(listed.values())

    def _administered(self) -> list[Record]:
        """The policies of the connection.

        Raises:
            Rejected: when there is none, or one of the setting `policies` is not among them.
        """
        chosen = self._chosen(self._settings.policies)
        if not chosen:
            raise Rejected(
                f"{self._client.where}: the credentials may administer no policy",
                hint="make their account an admin of the policies whose reports are to be posted",
            )
        return chosen

    def _listed(self) -> Raw:
        """The policies, asked for once: a source is open for one run, and 20 calls a minute are few."""
        if self._policy_list is None:
            answer = self._client.get(policy_list())
            if not isinstance(answer.get("policyList"), list):
                raise BadAnswer(f"{self._client.where}: an answer without its `policyList`")
            self._policy_list = answer
        return self._policy_list

    def _parts(self, stream: str, chosen: list[Record]) -> Iterator[Record]:
        make = _PARTS[stream]
        for start in range(0, len(chosen), _POLICIES_A_CALL):
            some = chosen[start : start + _POLICIES_A_CALL]
            unknown = [p["id"] for p in some if p["id"] not in self._policy_info]
            info = self._client.get(policy(unknown)).get("policyInfo") if unknown else {}
            if isinstance(info, dict):
                self._policy_info.update({key: info[key] for key in unknown if key in info})
            for each in some:
                part = self._policy_info.get(each["id"])
                # A policy that is left out would look like one whose lists are empty.
                if not isinstance(part, dict) or not isinstance(part.get(stream, []), list):
                    raise BadAnswer(f"{self._client.where}: an answer without the {stream} of policy {each['id']}")
                yield from make(each, part)


def _pages(key: str, found: Iterator[Record]) -> Iterator[Page]:
    """Pages of a bounded length, at least one, none with a checkpoint.

    Records of one key that follow each other stay together, so that whoever reads a page sees that one came twice.
    """
    page: list[Record] = []
    for record in found:
        if len(page) >= _PAGE and record[key] != page[-1][key]:
            yield Page(page)
            page = []
        page.append(record)
    yield Page(page)
