"""An operation of Stripe's API: its path, its parameters and its action."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import ParameterError
from cv_stripe_sandbox.shapes import Json, list_object


@dataclass(frozen=True)
class Operation:
    """`perform(context, params, *ids)` returns the response; `params` is the SDK's TypedDict of the parameters.

    `supported` are the names of the parameters that have an effect here; None means all. The others are rejected,
    because a test must not pass when the sandbox ignores a parameter.
    """

    method: str
    path: str
    params: type
    perform: Callable[..., Json]
    supported: frozenset[str] | None = None

    def reject_unsupported(self, params: Json) -> None:
        """Raise ParameterError for a parameter that Stripe supports and the sandbox does not."""
        if self.supported is None:
            return
        for name in params:
            if name not in self.supported and name != "expand":
                message = f"The local sandbox does not support the parameter `{name}` of {self.path}."
                raise ParameterError(message, code="parameter_not_modelled", param=name)


def param_names(text: str) -> frozenset[str]:
    """Return the set of the names in a text, separated by spaces."""
    return frozenset(text.split())


def list_params(filters: str) -> frozenset[str]:
    """Return the parameters of a list: these filters, and those of paging."""
    return param_names(f"{filters} created ending_before limit starting_after")


def list_objects(context: Context, kind: str, url: str, params: Json, *filters: str) -> Json:
    """Return a page of objects of a kind, filtered by the parameters named in `filters`."""
    where: dict[str, Any] = {name: params[name] for name in filters if name in params}
    data, more = context.objects.page(kind, where, params)
    return list_object(url, data, has_more=more)


def retrieve_object(kind: str) -> Callable[[Context, Json, str], Json]:
    """Create the `perform` of an operation that retrieves one object."""

    def retrieve(context: Context, _params: Json, object_id: str) -> Json:
        return context.objects.get(object_id, kind)

    return retrieve
