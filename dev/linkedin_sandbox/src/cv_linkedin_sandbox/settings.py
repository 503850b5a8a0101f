"""Every environment variable of the stand-in, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """How one stand-in runs."""

    host: str = "127.0.0.1"
    port: int = 8020
    token: str = field(default="", repr=False)
    """What callers must show; empty: anybody may ask."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the LINKEDIN_SANDBOX_* variables; ValueError names the one that makes no sense."""
        port = environment.get("LINKEDIN_SANDBOX_PORT") or str(cls.port)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"LINKEDIN_SANDBOX_PORT={port} is no port")
        return cls(
            host=environment.get("LINKEDIN_SANDBOX_HOST") or cls.host,
            port=int(port),
            token=environment.get("LINKEDIN_SANDBOX_TOKEN", ""),
        )
