"""Every environment variable of the sandbox, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The settings of the sandbox."""

    host: str = "127.0.0.1"
    port: int = 8020
    token: str = field(default="", repr=False)
    """The bearer token that requests must have. No token is required if it is empty."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the LINKEDIN_SANDBOX_* variables. Raises ValueError, which names the invalid variable."""
        port = environment.get("LINKEDIN_SANDBOX_PORT") or str(cls.port)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"LINKEDIN_SANDBOX_PORT={port} is not a port number")
        return cls(
            host=environment.get("LINKEDIN_SANDBOX_HOST") or cls.host,
            port=int(port),
            token=environment.get("LINKEDIN_SANDBOX_TOKEN", ""),
        )
