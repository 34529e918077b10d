"""What a page is: a path, who may see it, and a function from what is asked to what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from engine.dataclass import dataclass
from engine.errors import Bug, FlowctlError
from engine.follow import Hand
from engine.program import FlowProgram
from engine.store.base import Row
from engine.store.users import Role, Session
from engine.world import World

# Everything the panel serves is below this path.
ROOT = "/panel"


class PageMissing(FlowctlError):
    """There is no such page."""

    hint = "it may have moved; the list of companies leads everywhere"


class NotAllowed(FlowctlError):
    """Your role does not include that."""

    def __init__(self, role: Role) -> None:
        super().__init__(hint=f"ask somebody who may: it takes the role {role}")


class CrossSite(FlowctlError):
    """What was sent did not come from a page of the panel, or from one that is no longer yours."""

    hint = "go back, load the page anew, and try once more"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a browser asks for. `path` are the parts of the address that a page's path names; `form` what was sent.

    `company` is the row of the company that the address names, `pauses` what of it is paused; `programs` are the flows
    that this server runs. `poke` wakes the worker once something is there to do.
    """

    world: World
    programs: Mapping[str, FlowProgram] = field(default_factory=dict, repr=False)
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Files that came with the form, by the name of their field.
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    session: Session | None = None
    company: Row | None = None
    pauses: Sequence[Row] = ()
    address: str = ""
    # Where the browser finds us, such as https://host:port; empty when it does not say it as a browser would.
    origin: str = ""
    # Whether the cookie is for https alone, and whether the browser speaks https.
    is_secure: bool = False
    is_https: bool = False
    poke: Callable[[], None] = lambda: None
    # Whether the page asks by itself, to show what is new: that is nobody at work.
    is_poll: bool = False

    @property
    def who(self) -> Session:
        """Who is signed in."""
        if self.session is None:
            raise Bug("a page for everybody asks who is signed in")
        return self.session

    @property
    def where(self) -> Row:
        """The company of the page."""
        if self.company is None:
            raise Bug("a page of no company asks for its company")
        return self.company

    @property
    def code(self) -> str:
        """The code of the page's company."""
        return str(self.where["company"])

    @property
    def hand(self) -> Hand:
        """Whoever is signed in, acting for the company."""
        return Hand(self.where["company"], self.world.at(), f"panel:{self.who.user}")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to render: the name of its template, and what stands in it. `cookie` is set; empty text takes it away."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """The browser is sent on to another page of the panel, which says once what was done."""

    to: str
    good: str = ""
    bad: str = ""
    cookie: str | None = field(default=None, repr=False)

    @property
    def flash(self) -> Mapping[str, str]:
        """What the next page says."""
        said = {"good": self.good, "bad": self.bad}
        return {kind: text for kind, text in said.items() if text}


@dataclass(frozen=True, slots=True)
class Given:
    """A file to keep: its bytes, its media type, and the name that the browser saves it under."""

    body: bytes = field(repr=False)
    kind: str
    name: str


Answer = Shown | Sent | Given
Handler = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. Its `path` is below `ROOT`; with `{company}` in it, it is a page of that company.

    `role` is who may see it; `is_open` lets in whoever is not signed in. `tab` is its name in the company's navigation,
    `menu` its name in that of the whole house. Whoever is between the steps of a sign-in sees those pages alone that
    name the step in `stages`. What `hashes` a password is served one after the other.
    """

    path: str
    handler: Handler
    method: str = "GET"
    role: Role = "viewer"
    tab: str = ""
    menu: str = ""
    stages: frozenset[str] = frozenset({"in"})
    is_open: bool = False
    hashes: bool = False
    takes: int = 0
