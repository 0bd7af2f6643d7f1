"""Holds files that machines read against their published schemas; see README.md for their origin."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from lxml import etree

HERE = Path(__file__).parent


@cache
def _validator(name: str) -> Any:
    schema = json.loads((HERE / name).read_text("utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    # The id of a schema is where it was published; nothing is fetched.
    return kind({key: value for key, value in schema.items() if key != "id"})


def check_sarif(content: bytes) -> dict[str, Any]:
    """The log, if it is SARIF 2.1.0."""
    log: dict[str, Any] = json.loads(content)
    _validator("sarif-2.1.0-rtm.5.json").validate(log)
    return log


def check_action(action: Any) -> None:
    """Whether a parsed `action.yml` is one."""
    _validator("github-action.json").validate(action)


def check_junit(content: bytes) -> Any:
    """The root of the XML, if it is JUnit's."""
    root = etree.fromstring(content)
    etree.XMLSchema(etree.parse(HERE / "junit-10.xsd")).assertValid(root)
    return root
