"""A small flow from FreshBooks to Ramp, for campaigns against a target that is called."""

from __future__ import annotations

from functools import cache

from engine.program import FlowProgram, compile_flow
from tests.engine.kit import flow

NAME = "small_to_ramp"
FLOW = """
flow: small_to_ramp
version: 1
connections:
  freshbooks: {connector: freshbooks}
  ramp: {connector: ramp}
lookups:
  category: {target: ramp.accounts, match: [mapped, exact_name]}
streams:
  vendors:
    trigger: {every: 6h, webhook: [bill_vendor.create]}
    fetch: {from: freshbooks, stream: bill_vendors}
    key: vendorid
    about: {party: vendor_name}
    select:
      - {only: "vis_state == `0`", say: the vendor is deleted, for: first}
    map:
      name: vendor_name
      country: "'US'"
      email: "'bills@example.com'"
      external_vendor_id: "join('', ['freshbooks:', vendorid])"
    write: {to: ramp, request: VendorCreate}
  bills:
    after: [vendors]
    trigger: {every: 1h, webhook: [bill.create, bill.update, bill.delete]}
    fetch: {from: freshbooks, stream: bills}
    key: id
    about:
      amount: money(total_amount.amount)
      currency: currency_code
      party: vendor.vendor_name
      reference: bill_number
      date: date(issue_date)
    select:
      - {only: "vis_state == `0`", say: the bill is deleted, for: first}
    map:
      vendor_id: posted('vendors', vendorid).id
      invoice_number: "bill_number || join('', ['FB-', id])"
      invoice_currency: currency_code
      issued_at: date(issue_date)
      due_at: date(due_date)
      remote_id: "join('', ['freshbooks:', id])"
      memo: overall_description
      line_items: >-
        lines[].{
          amount: money(total_amount.amount),
          memo: description,
          coding: [{
            field_id: lookup('category', categoryid, category).field_id,
            option_id: lookup('category', categoryid, category).list_id}]}
    write:
      to: ramp
      request: BillCreate
      change: {request: BillUpdate}
      undo: {when: "vis_state != `0`", gone: true, request: BillArchive}
"""


@cache
def program() -> FlowProgram:
    """The flow, compiled."""
    return compile_flow(flow(FLOW, f"{NAME}.yaml"))
