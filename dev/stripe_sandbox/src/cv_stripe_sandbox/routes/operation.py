"""One call of Stripe's API: where it is, what it takes, what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import ParameterError
from cv_stripe_sandbox.shapes import Json, envelope


@dataclass(frozen=True)
class Operation:
    """`perform(context, params, *ids)` answers the call; `params` is the SDK's TypedDict for it.

    `modelled` names the parameters that have an effect here, when not all of them have. The others are
    refused, rather than swallowed: a test must not pass because the stand-in ignored something.
    """

    method: str
    path: str
    params: type
    perform: Callable[..., Json]
    modelled: frozenset[str] | None = None

    def refuse_unmodelled(self, params: Json) -> None:
        """ParameterError for a parameter that Stripe knows and the stand-in does not act on."""
        if self.modelled is None:
            return
        for name in params:
            if name not in self.modelled and name != "expand":
                message = f"The local stand-in does not model the parameter `{name}` of {self.path}."
                raise ParameterError(message, code="parameter_not_modelled", param=name)


def modelled(names: str) -> frozenset[str]:
    """A set of names from one line of text."""
    return frozenset(names.split())


def paged(filters: str) -> frozenset[str]:
    """The parameters of a list: these filters, and what pages it."""
    return modelled(f"{filters} created ending_before limit starting_after")


def listing(context: Context, kind: str, url: str, params: Json, *filters: str) -> Json:
    """A page of objects of a kind, filtered by those of the named parameters that were sent."""
    where: dict[str, Any] = {name: params[name] for name in filters if name in params}
    data, more = context.objects.page(kind, where, params)
    return envelope(url, data, has_more=more)


def retrieval(kind: str) -> Callable[[Context, Json, str], Json]:
    """An operation's `perform` that looks one object up."""

    def retrieve(context: Context, _params: Json, object_id: str) -> Json:
        return context.objects.get(object_id, kind)

    return retrieve
