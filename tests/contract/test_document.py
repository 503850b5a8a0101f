"""All examples of the document are used by tests."""

from pathlib import Path

from tests.contract.document import EXAMPLES

FOLDER = Path(__file__).parent


def test_every_example_is_used() -> None:
    readers = [file for file in (*FOLDER.glob("test_*.py"), FOLDER / "conftest.py") if file != Path(__file__)]
    sources = "\n".join(file.read_text("utf-8") for file in readers)
    assert [name for name in EXAMPLES if f'"{name}"' not in sources] == []
