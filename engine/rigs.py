"""What a campaign asks of a simulated vendor: faults from a seed, what people do there, and the truth at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from engine.clock import Clock
from engine.contract import Handler, Json
from engine.dataclass import dataclass
from engine.simulated import Sandbox

if TYPE_CHECKING:
    import httpx

# `off`: nobody wants it in the books (any more). `due`: it is ready and nobody has told the source yet. `told`: we told the
# source that it is posted. `taken_back`: so we did, and the source does not want it any more. `by_hand`: a person said so
# there.
Standing = Literal["off", "due", "told", "taken_back", "by_hand"]


# What there is of an object at a called target: nothing, the object, one that is put away and owes nobody anything, or one
# that others make and calls of ours only add to.
Stands = Literal["", "there", "archived", "lent"]


@dataclass(frozen=True, slots=True)
class Made:
    """An object as it was when a request of ours made it; `amount` is None for objects of lists."""

    id: str
    kind: str
    guid: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record of the source: `stream` and `phase` as flows name them, and every amount that it was ever shown with."""

    stream: str
    phase: str
    id: str
    standing: Standing
    amounts: frozenset[Decimal]


@dataclass(frozen=True, slots=True)
class Told:
    """One mark that the source took: what for, with which reference; None when marks of this source carry none."""

    stream: str
    phase: str
    id: str
    reference: str | None


# The key of a call that tells the source something, and what it tells: what was posted, and what was not and why.
Hears = Callable[[str, Sequence[Told], Sequence[str]], None]


# Headers and raw body of a webhook, and whether it is `fresh`, `again` or `forged`; returns the status of our answer.
# Raises ConnectionError when none came.
Posts = Callable[[Mapping[str, str], bytes, str], int]


class Watch(Protocol):
    """Told of everything that passes between us and the books while it happens."""

    def handed_out(self, document: str, place: str, session: int) -> None:
        """We gave the agent a document while this company file was open: `home`, or another one.

        `session` numbers the agent's sessions; two of them may go on at the same time.
        """
        ...

    def ran(self, document: str, place: str, made: Sequence[Made], answer: str) -> None:
        """The books ran a document, and these objects are new; `answer` is empty when none came of it."""
        ...

    def answered(self, document: str, response: str, session: int) -> None:
        """The answer to a document reached us, and we took it without an error."""
        ...


class CallWatch(Protocol):
    """Told of every call of ours that writes to a called target, while it happens. A `key` is as `CalledRig.key` gives it."""

    def writing(self, key: str) -> None:
        """A call of ours that writes has reached the target, which has done nothing yet."""
        ...

    def wrote(self, key: str, made: Sequence[Made], *, answered: bool) -> None:
        """The call is over: these objects are new, and whether an answer was given that says what became of it."""
        ...


class TargetRig(Protocol):
    """What every target tells of what we made there."""

    @property
    def sandbox(self) -> Sandbox:
        """The simulated vendor itself: its binding and its chart."""
        ...

    def calm(self) -> None:
        """No more faults; doors that were closed are open, and nobody changes anything."""
        ...

    def has(self, object_id: str) -> bool:
        """Whether an object is there now, whoever made it."""
        ...

    def amount(self, object_id: str) -> Decimal | None:
        """What an object amounts to now; None for objects of lists, and for what is not there."""
        ...

    def edited(self, object_id: str) -> frozenset[str]:
        """The fields of an object that a person changed, and nobody since."""
        ...

    def removed(self) -> frozenset[str]:
        """Ids of objects of ours that a person took away, or that a restored backup does not have."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        ...


@runtime_checkable
class CalledRig(TargetRig, Protocol):
    """A target that we call, and which knows no idempotency key: what is made twice there is there twice."""

    def settings(self) -> Mapping[str, str | int | bool]:
        """Settings of the connection that a target needs, beside those of its sandbox."""
        ...

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """Its lists, as a `Visitor` shows them."""
        ...

    def spent(self, amounts: Sequence[Decimal]) -> None:
        """So much was spent, by the records of the source: some of it may be known here already."""
        ...

    def transport(self, watch: CallWatch) -> httpx.BaseTransport:
        """The way to it, faults included."""
        ...

    def befall(self) -> list[str]:
        """What people do there between two runs of ours; returns what happened, for a timeline."""
        ...

    def key(self, request: str, body: Json, target_id: str) -> str:
        """What an operation is known by there: its marker, or its name, or the object that it is about."""
        ...

    def made(self) -> Sequence[Made]:
        """What calls of ours made, also what is archived by now, with its key in `guid`."""
        ...

    def doubtful(self, key: str) -> bool:
        """Whether people there have made it impossible to tell which object a key stands for."""
        ...

    def stands(self, object_id: str) -> Stands:
        """What there is of an object, whoever made it."""
        ...


@runtime_checkable
class BooksRig(TargetRig, Protocol):
    """A target whose agent calls us."""

    def visit(self, handler: Handler, user: str, password: str, watch: Watch) -> list[str]:
        """Whatever happens between two sessions, then one session; returns what happened, for a timeline."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether another machine may come while this one is still at work on what it was given."""
        ...

    def refuse(self, kind: str, *, after_loss: bool = False) -> None:
        """From now on, or once the answer to a write of it was lost, queries of a kind are refused; of none when empty."""
        ...

    def live(self) -> Sequence[Made]:
        """What we made and is there now, in the right file, with its first amount."""
        ...

    def delete_other(self, kind: str) -> str:
        """A person deletes an object of ours that is of another kind; its id, empty when there is none."""
        ...

    def rolled_back(self, object_id: str) -> bool:
        """Whether a restored backup has given an object its present amount, and nothing has set it since."""
        ...

    def overwritten(self) -> Sequence[str]:
        """What a request of ours did to a person's edit, a sentence each."""
        ...

    def elsewhere(self) -> Sequence[Made]:
        """What we made in another file."""
        ...


@runtime_checkable
class SourceRig(Protocol):
    """A source that we call."""

    @property
    def sandbox(self) -> Sandbox:
        """The simulated vendor itself: its binding."""
        ...

    def transport(self, hears: Hears) -> httpx.BaseTransport:
        """The way to it, faults included; `hears` learns of every mark before it is acted on."""
        ...

    def befall(self) -> list[str]:
        """What people do there between two runs of ours; returns what happened, for a timeline."""
        ...

    def calm(self) -> None:
        """No more faults, and nobody changes anything."""
        ...

    def deliver(self, posts: Posts) -> list[str]:
        """Send the webhooks that are due, with their faults; returns what happened, for a timeline."""
        ...

    def wanted(self) -> Sequence[Wanted]:
        """Every record, as things are now."""
        ...

    def told(self) -> Sequence[Told]:
        """Every mark that was taken, in order."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        ...


@runtime_checkable
class Sets(Protocol):
    """A source that wants what it says only of a flow that is set in a certain way."""

    def settings(self) -> Mapping[str, str | int | bool]:
        """Settings of the flow, by name."""
        ...


@runtime_checkable
class Described(Protocol):
    """A source of which settings of the flow say something, such as what its amounts hold."""

    def is_so(self, name: str, value: object) -> bool:
        """Whether the setting says what is so; true of settings that say nothing of the source."""
        ...


@runtime_checkable
class Permits(Protocol):
    """A source that a person allows us to read, and may have to allow anew."""

    def permit(self) -> Mapping[str, str]:
        """A person allows it; the secrets of the connection that are new."""
        ...


@runtime_checkable
class Written(Protocol):
    """A source that is written to as well."""

    def keeps(self, object_id: str) -> bool:
        """Whether an object is there, whoever made it."""
        ...

    def doubled(self) -> Sequence[str]:
        """What calls of ours made although it was there, a sentence each."""
        ...


@runtime_checkable
class Charted(Protocol):
    """A source whose lists are written and changed as well, which people change too."""

    def shows(self, object_id: str) -> str | None:
        """The name of an object that calls of ours keep, empty for one that is out of use; None when people changed it."""
        ...

    def codes(self, object_id: str) -> bool:
        """Whether something that is told is coded to an object, which has to be in use for that."""
        ...

    def spoiled(self) -> Sequence[str]:
        """What calls of ours did that they must not: to what is a person's, or while another program had the right."""
        ...


@runtime_checkable
class Rigged(Protocol):
    """A connector whose simulator can be put through a campaign."""

    def rig(self, seed: int, clock: Clock, options: Json) -> BooksRig | CalledRig | SourceRig:
        """A small made-up vendor with a random selection of faults, all from the seed.

        `chart` lines a source up with its target; `without` names faults that are to stay away, `focus`
        the only ones that are to happen. `role` is `target` for one that is called to be written to.
        """
        ...
