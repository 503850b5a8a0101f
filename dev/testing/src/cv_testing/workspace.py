"""The checkout: its folder, and the services in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SERVICES = tuple(sorted(project.parent.name for project in ROOT.glob("services/*/pyproject.toml")))
