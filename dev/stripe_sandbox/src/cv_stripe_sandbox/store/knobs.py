"""What the developer has turned on: how webhooks misbehave, which API calls fail."""

import json
import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from cv_stripe_sandbox.errors import ParameterError


@dataclass(frozen=True)
class DeliveryKnobs:
    """How webhooks are delivered. Durations are seconds; event types may end in `*`."""

    hold: bool = False
    duplicates: int = 0
    delay: float = 0.0
    shuffle: float = 0.0
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """The next `times` API calls of a method and path prefix go wrong.

    `delay` waits before the call is done, `delay_after` between doing it and answering; with a `status` the
    call is not done at all and that error is answered.
    """

    method: str = "POST"
    path: str = "/v1/"
    times: int = 1
    status: int | None = None
    delay: float = 0.0
    delay_after: float = 0.0


Knob = TypeVar("Knob", DeliveryKnobs, Fault)


class Knobs:
    """Reads and writes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def delivery(self) -> DeliveryKnobs:
        """The delivery knobs as they stand."""
        stored = self._read("delivery") or {}
        return DeliveryKnobs(**{**stored, "drop": tuple(stored.get("drop", ()))})

    def set_delivery(self, changes: dict[str, Any]) -> DeliveryKnobs:
        """Turn some knobs; ParameterError for one that does not exist."""
        turned = _replaced(self.delivery(), changes)
        self._write("delivery", asdict(turned))
        return turned

    def faults(self) -> list[Fault]:
        """The faults that still wait for a call."""
        return [Fault(**stored) for stored in self._read("faults") or []]

    def add_fault(self, wanted: dict[str, Any]) -> list[Fault]:
        """Plan a fault after those already planned."""
        faults = [*self.faults(), _replaced(Fault(), wanted)]
        self._write("faults", [asdict(fault) for fault in faults])
        return faults

    def clear_faults(self) -> None:
        """Forget every planned fault."""
        self._write("faults", [])

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The first planned fault that this call meets, counted down."""
        faults = self.faults()
        for index, fault in enumerate(faults):
            if fault.method == method and path.startswith(fault.path):
                left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                faults[index : index + 1] = left
                self._write("faults", [asdict(rest) for rest in faults])
                return fault
        return None

    def dunning(self) -> str:
        """What becomes of a subscription after its last failed retry: `cancel`, `unpaid` or `past_due`."""
        return str(self._read("dunning") or "cancel")

    def set_dunning(self, outcome: str) -> None:
        """Choose the outcome; ParameterError for another word."""
        if outcome not in {"cancel", "unpaid", "past_due"}:
            raise ParameterError("dunning must be one of cancel, unpaid, or past_due", param="dunning")
        self._write("dunning", outcome)

    def _read(self, name: str) -> Any:
        row = self._connection.execute("SELECT value FROM knobs WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def _write(self, name: str, value: Any) -> None:
        self._connection.execute("INSERT OR REPLACE INTO knobs VALUES (?, ?)", (name, json.dumps(value)))


def _replaced(current: Knob, changes: dict[str, Any]) -> Knob:
    known = {entry.name: getattr(current, entry.name) for entry in fields(current)}
    for name, value in changes.items():
        if name not in known:
            raise ParameterError(f"There is no knob {name}; there are {', '.join(known)}.", param=name)
        known[name] = tuple(value) if isinstance(value, list) else value
    return type(current)(**known)
