"""The controls that a developer has set: how webhooks are delivered, which API calls fail."""

import json
import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from cv_stripe_sandbox.errors import ParameterError


@dataclass(frozen=True)
class DeliveryControls:
    """How webhooks are delivered. Durations are in seconds. Event types in `drop` may end with `*`."""

    hold: bool = False
    duplicates: int = 0
    delay: float = 0.0
    shuffle: float = 0.0
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """A fault of the next `times` API calls with this method and path prefix.

    `delay` are seconds before the call is executed, `delay_after` between its execution and the response. With a
    `status` the call is not executed, and the response is an error with that status.
    """

    method: str = "POST"
    path: str = "/v1/"
    times: int = 1
    status: int | None = None
    delay: float = 0.0
    delay_after: float = 0.0


_Controls = TypeVar("_Controls", DeliveryControls, Fault)


class Controls:
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def delivery(self) -> DeliveryControls:
        """Return the current delivery controls."""
        stored = self._read("delivery") or {}
        return DeliveryControls(**{**stored, "drop": tuple(stored.get("drop", ()))})

    def set_delivery(self, changes: dict[str, Any]) -> DeliveryControls:
        """Change delivery controls. Raises ParameterError for an unknown name."""
        controls = _with_changes(self.delivery(), changes)
        self._write("delivery", asdict(controls))
        return controls

    def faults(self) -> list[Fault]:
        """Return the faults that are still planned."""
        return [Fault(**stored) for stored in self._read("faults") or []]

    def add_fault(self, requested: dict[str, Any]) -> list[Fault]:
        """Add a fault after the planned ones."""
        faults = [*self.faults(), _with_changes(Fault(), requested)]
        self._write("faults", [asdict(fault) for fault in faults])
        return faults

    def clear_faults(self) -> None:
        """Delete all planned faults."""
        self._write("faults", [])

    def consume_fault(self, method: str, path: str) -> Fault | None:
        """Return the first planned fault for this call, whose remaining number of times is reduced by one."""
        faults = self.faults()
        for index, fault in enumerate(faults):
            if fault.method == method and path.startswith(fault.path):
                remaining = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                faults[index : index + 1] = remaining
                self._write("faults", [asdict(rest) for rest in faults])
                return fault
        return None

    def dunning(self) -> str:
        """Return what happens to a subscription after its last failed retry: `cancel`, `unpaid` or `past_due`."""
        return str(self._read("dunning") or "cancel")

    def set_dunning(self, outcome: str) -> None:
        """Set the outcome. Raises ParameterError for an unknown one."""
        if outcome not in {"cancel", "unpaid", "past_due"}:
            raise ParameterError("dunning must be one of cancel, unpaid, or past_due", param="dunning")
        self._write("dunning", outcome)

    def _read(self, name: str) -> Any:
        row = self._connection.execute("SELECT value FROM controls WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def _write(self, name: str, value: Any) -> None:
        self._connection.execute("INSERT OR REPLACE INTO controls VALUES (?, ?)", (name, json.dumps(value)))


def _with_changes(current: _Controls, changes: dict[str, Any]) -> _Controls:
    known = {entry.name: getattr(current, entry.name) for entry in fields(current)}
    for name, value in changes.items():
        if name not in known:
            raise ParameterError(f"Unknown control {name}; the controls are {', '.join(known)}.", param=name)
        known[name] = tuple(value) if isinstance(value, list) else value
    return type(current)(**known)
