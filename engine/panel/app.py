"""Answers every request below `/panel`: finds the page, lets in whom it may, runs it in a thread, and shows what went wrong."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from engine.bodies import BodyRefused, read_body
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreError, UnknownName
from engine.log import described, logger
from engine.panel import forms, render
from engine.panel.web import ROOT, Answer, Ask, CrossSite, Given, NotAllowed, Page, PageMissing, Sent, Shown
from engine.store import stops, users
from engine.store.base import HOUSE
from engine.telemetry import correlation, meter, meters
from engine.telemetry.correlation import correlated

if TYPE_CHECKING:
    from engine.program import FlowProgram
    from engine.store.users import Session
    from engine.world import World

# The panel has threads of its own: however many pages are asked for, those of the Web Connector's server stay free.
_THREADS = 6
# A password takes some 20 ms of one core and 19 MiB: one after the other, and no more than this wait for their turn.
_HASHING, _MOST_HASHING = 1, 24
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; connect-src 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With `no-referrer` browsers would not say either where a form came from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_STAGE_PAGES = {"code": "/sign-in/code", "choose": "/password", "in": "/companies"}


class Busy(FlowctlError):
    """Too many people sign in at this moment."""

    hint = "try again in a few seconds"


class MethodWrong(FlowctlError):
    """The page cannot be used so."""

    hint = "go back, and use the buttons of the page"


@dataclass(frozen=True, slots=True)
class _Known:
    """A page, and what its path looks like."""

    page: Page
    pattern: re.Pattern[str]


@dataclass(slots=True)
class Panel:
    """The pages over one store and the flows that the server runs. `poke` wakes the worker."""

    world: World
    pages: Sequence[Page]
    poke: Callable[[], None] = lambda: None
    programs: Mapping[str, FlowProgram] = field(default_factory=dict)
    _known: tuple[_Known, ...] = field(init=False)
    _threads: CapacityLimiter | None = field(default=None, init=False)
    _hashing: CapacityLimiter | None = field(default=None, init=False)
    _signing_in: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._known = tuple(_Known(page, _pattern(page.path)) for page in self.pages)

    def routes(self) -> list[BaseRoute]:
        """What the server mounts; `/` leads here."""
        return [
            Route("/", _to_panel, methods=["GET"]),
            Route(ROOT, self.serve, methods=_METHODS),
            Route(ROOT + "/{rest:path}", self.serve, methods=_METHODS),
        ]

    async def serve(self, request: Request) -> Response:
        """One request, whatever comes of it."""
        path = request.url.path.removeprefix(ROOT).rstrip("/") or "/"
        if path.startswith("/static/"):
            response = _static(path.removeprefix("/static/"))
        else:
            response = await self._measured(request, path)
        response.headers.update(HEADERS)
        response.headers.setdefault("cache-control", "no-store")
        if request.url.scheme == "https":
            response.headers["strict-transport-security"] = "max-age=31536000"
        return response

    async def _measured(self, request: Request, path: str) -> Response:
        """A page, counted; every line that is logged over it has one id, which the browser is told as well."""
        began, name = time.perf_counter(), f"panel-{self.world.ids.base62(10)}"
        with correlated(name):
            response = await self._page(request, path)
        response.headers["x-request-id"] = name
        method = request.method if request.method in _METHODS else "other"
        page = next((known.page.path for known in self._known if known.pattern.fullmatch(path)), "other")
        meter.add(meters.PAGES, page, method, str(response.status_code))
        meter.observe(meters.PAGE_SECONDS, time.perf_counter() - began, page)
        return response

    async def _page(self, request: Request, path: str) -> Response:
        is_secure = forms.takes_secure_cookie(request.url.scheme, request.headers.get("host", ""))
        address = request.client.host if request.client else ""
        ask = Ask(self.world, self.programs, query=forms.query(request.url.query), address=address, poke=self.poke)
        ask = replace(ask, is_secure=is_secure, is_https=request.url.scheme == "https")
        ask = replace(ask, is_poll=request.method == "GET" and "x-flowctl-poll" in request.headers)
        ask = replace(ask, origin=forms.origin(request.url.scheme, request.headers.get("host", "")))
        cookie = forms.cookie(request.headers, secure=is_secure)
        method = "GET" if request.method == "HEAD" else request.method
        try:
            page, parts = self._found(path, method)
            if method == "POST":
                if not forms.is_same_site(request.headers):
                    raise CrossSite
                body = await read_body(request, page.takes or forms.BODY_LIMIT)
                kind = request.headers.get("content-type", "")
                fields, sent = forms.multipart(kind, body) if page.takes else (forms.read(kind, body), {})
                ask = replace(ask, form=fields, files=sent)
            ask = replace(ask, path=parts)
            here = f"{path}?{request.url.query}" if request.url.query else path
            work = partial(self._answered, page, ask, cookie, here)
            return await self._run(work, hashes=page.hashes and method == "POST")
        except ClientDisconnect:
            return Response(status_code=400)
        except (FlowctlError, BodyRefused) as error:
            return await self._run(partial(self._failed, ask, cookie, error))

    async def _run(self, work: Callable[[], Response], *, hashes: bool = False) -> Response:
        """Run in a thread of the panel, or in the one that checks passwords.

        Raises:
            Busy: when too many wait for that one.
        """
        if self._threads is None or self._hashing is None:
            self._threads, self._hashing = CapacityLimiter(_THREADS), CapacityLimiter(_HASHING)
        if not hashes:
            return await to_thread.run_sync(work, limiter=self._threads)
        if self._signing_in >= _HASHING + _MOST_HASHING:
            raise Busy
        self._signing_in += 1
        try:
            return await to_thread.run_sync(work, limiter=self._hashing)
        finally:
            self._signing_in -= 1

    def _found(self, path: str, method: str) -> tuple[Page, Mapping[str, str]]:
        """The page of an address.

        Raises:
            PageMissing, MethodWrong: when there is none.
        """
        fitting = [(known, match) for known in self._known if (match := known.pattern.fullmatch(path))]
        for known, match in fitting:
            if known.page.method == method:
                return known.page, match.groupdict()
        raise MethodWrong if fitting else PageMissing

    def _answered(self, page: Page, ask: Ask, cookie: str, here: str) -> Response:
        """Let in, run, render; in a thread of the panel."""
        try:
            ask = replace(ask, session=self._session(cookie, notices=not ask.is_poll))
            elsewhere = _let_in(page, ask, here)
            if elsewhere is not None:
                return self._respond(page, ask, elsewhere)
            if page.method == "POST" and not page.is_open:
                _from_us(ask)
            if "company" in ask.path:
                company, pauses = self._company(ask.path["company"])
                ask = replace(ask, company=company, pauses=pauses)
            return self._respond(page, ask, page.handler(ask))
        except FlowctlError as error:
            return self._failed(ask, cookie, error)
        except Exception as error:  # noqa: BLE001 - the edge: a person gets a page and a number, the log the rest
            return self._broken(ask, error)

    def _session(self, cookie: str, *, notices: bool = True) -> Session | None:
        """Whose cookie it is. That somebody was there is noticed, but of a page that asks by itself."""
        now = self.world.clock.now()
        with self.world.store.read(HOUSE) as tx:
            found = users.session(tx, cookie, now)
            is_late = notices and found is not None and users.is_seen_late(tx, found, now)
        if found is not None and is_late:
            with self.world.store.write(HOUSE) as tx:
                users.seen(tx, found, self.world.at())
        return found

    def _company(self, name: str) -> tuple[Mapping[str, object], Sequence[Mapping[str, object]]]:
        """The company's row, and what of it is paused."""
        with self.world.store.read(name) as tx:
            row = tx.one("company_get", {"company": name})
            pauses = stops.pauses(tx, name)
        if row is None:
            raise PageMissing(f"there is no company `{name[:60]}`")
        return row, pauses

    def _respond(self, page: Page | None, ask: Ask, answer: Answer) -> Response:
        if isinstance(answer, Sent):
            self._say(ask, answer)
            response: Response = RedirectResponse(ROOT + answer.to, 303)
        elif isinstance(answer, Given):
            named = f"attachment; filename*=UTF-8''{quote(answer.name, safe='')}"
            return Response(answer.body, 200, {"content-type": answer.kind, "content-disposition": named})
        else:
            flash = dict(ask.session.flash) if ask.session is not None and not ask.is_poll else {}
            if flash and ask.session is not None:
                with self.world.store.write(HOUSE) as tx:
                    users.put_flash(tx, ask.session, {})
            body = render.page(answer.template, {**self._frame(page, ask, flash), **answer.values})
            response = Response(body, answer.status, dict(answer.headers), media_type="text/html")
        if answer.cookie is not None:
            response.headers["set-cookie"] = forms.set_cookie(answer.cookie, secure=ask.is_secure)
        return response

    def _say(self, ask: Ask, answer: Sent) -> None:
        """Keep what the next page says, with the session that the browser will have then."""
        if not answer.flash:
            return
        with self.world.store.write(HOUSE) as tx:
            session = users.session(tx, answer.cookie, self.world.clock.now()) if answer.cookie else ask.session
            if session is not None:
                users.put_flash(tx, session, answer.flash)

    def _frame(self, page: Page | None, ask: Ask, flash: Mapping[str, str]) -> dict[str, object]:
        """What stands around every page."""
        company = ask.company
        tabs: Sequence[tuple[str, str, bool]] = ()
        if company is not None:
            tabs = tuple(_tabs(self.pages, ask, page, str(company["company"])))
        return {
            "root": ROOT,
            "session": ask.session,
            "csrf": ask.session.csrf if ask.session is not None else "",
            "company": company,
            "zone": company["time_zone"] if company is not None else "UTC",
            "tabs": tabs,
            "menu": tuple(_menu(self.pages, ask, page)),
            "pauses": ask.pauses,
            "flash": flash,
            "now": self.world.clock.now(),
        }

    def _failed(self, ask: Ask, cookie: str, error: FlowctlError) -> Response:
        """A page for what is known to go wrong."""
        if ask.session is None:
            try:
                ask = replace(ask, session=self._session(cookie))
            except StoreError:
                ask = replace(ask, session=None)
        title, status = _kind(error)
        headers = {"retry-after": "5"} if status == 503 else {}
        values = {"title": title, "message": str(error), "hint": error.hint or "", "number": ""}
        try:
            return self._respond(None, ask, Shown("error.html", values, status, headers))
        except StoreError:
            return self._respond(None, replace(ask, session=None), Shown("error.html", values, status, headers))

    def _broken(self, ask: Ask, error: Exception) -> Response:
        """A page for what nobody thought of: a number, by which the log tells what it was."""
        number = correlation.current()
        logger().error("internal error in the panel", correlation=number, error=described(error))
        values = {
            "title": "Something went wrong here",
            "message": "This is a fault of flowctl, not yours. Nothing was changed unless a page says so.",
            "hint": "give this number to whoever looks after flowctl: the log has it",
            "number": number,
        }
        session = replace(ask.session, flash={}) if ask.session is not None else None
        return self._respond(None, replace(ask, session=session), Shown("error.html", values, 500))


def _let_in(page: Page, ask: Ask, here: str) -> Sent | None:
    """Where to go instead; None when the page may be seen.

    Raises:
        NotAllowed: when it is for others.
    """
    session = ask.session
    if page.is_open:
        return None
    if session is None:
        back = f"?next={quote(here, safe='')}" if page.method == "GET" and here != "/" else ""
        return Sent("/sign-in" + back)
    if session.stage not in page.stages:
        return Sent(_STAGE_PAGES[session.stage])
    if session.stage == "in" and not session.may(page.role):
        raise NotAllowed(page.role)
    return None


def _from_us(ask: Ask) -> None:
    """Refuse a form that no page of this session has shown.

    Raises:
        CrossSite: when the session's own token is not in it.
    """
    given = ask.form.get("csrf", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, ask.who.csrf.encode()):
        raise CrossSite


def _menu(pages: Sequence[Page], ask: Ask, here: Page | None) -> Iterator[tuple[str, str, bool]]:
    """The navigation of the whole house: name, address, and whether it is this page."""
    for page in pages:
        if page.menu and ask.session is not None and ask.session.stage == "in" and ask.session.may(page.role):
            is_here = here is not None and (here.path == page.path or here.path.startswith(page.path + "/"))
            yield page.menu, ROOT + page.path, is_here


def _tabs(pages: Sequence[Page], ask: Ask, here: Page | None, company: str) -> Iterator[tuple[str, str, bool]]:
    """The company's navigation: name, address, and whether it is this page."""
    tab = _tab_of(pages, here)
    for page in pages:
        if page.tab and ask.session is not None and ask.session.may(page.role):
            yield page.tab, ROOT + page.path.replace("{company}", company), page is tab


def _tab_of(pages: Sequence[Page], here: Page | None) -> Page | None:
    """The page with a tab whose path the address of a page begins with."""
    fitting = [
        p for p in pages if p.tab and here is not None and (here.path == p.path or here.path.startswith(p.path + "/"))
    ]
    return max(fitting, key=lambda page: len(page.path), default=None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _kind(error: FlowctlError) -> tuple[str, int]:
    """The title and the status of a page about an error."""
    if isinstance(error, PageMissing | UnknownName):
        return "Not here", 404
    if isinstance(error, CrossSite | NotAllowed):
        return "Not allowed", 403
    if isinstance(error, MethodWrong):
        return "Not so", 405
    if isinstance(error, BodyRefused):
        return "Not taken", error.status
    if isinstance(error, Busy | StoreError):
        return "Not now", 503
    return "That did not work", 400


def _static(name: str) -> Response:
    asset = render.assets().get(name)
    if asset is None:
        return Response("there is no such file", 404, media_type="text/plain")
    # Pages name it with its tag, so it never changes under one address.
    return Response(
        asset.body, 200, {"content-type": asset.kind, "cache-control": "public, max-age=31536000, immutable"}
    )


async def _to_panel(_request: Request) -> Response:
    return RedirectResponse(ROOT + "/", 303, HEADERS)
