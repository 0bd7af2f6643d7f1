"""A model's description in a text file of its own: JSON as `to_json` writes it, YAML as `to_yaml` of Keras 1 and 2."""

import json
from pathlib import Path
from typing import Any

from turtlenet.errors import ModelError, an, one_line
from turtlenet.files.formats import what_is
from turtlenet.keras_files.legacy.rules import dicts
from turtlenet.keras_files.safety.limits import check_limits

_LONGEST = 5_000_000
_MOST_VALUES = 500_000
_DEEPEST = 120
# What Python objects Keras wrote, and what is the same in JSON.
_PLAIN = {"tuple": "seq", "list": "seq", "dict": "map", "unicode": "str", "str": "str", "long": "int", "int": "int"}
_PLAIN |= {"float": "float", "bool": "bool", "none": "null"}
_YAML = "tag:yaml.org,2002:"
_KNOWN = frozenset(_YAML + each for each in (*_PLAIN.values(), "merge", "timestamp", "value"))


def read_architecture(path: Path) -> dict[str, Any]:
    """Reads a description: dicts, lists, texts and numbers, from JSON or YAML.

    Args:
        path: A file; one that ends in `.json`, or begins with a brace, is JSON.

    Raises:
        ModelError: Neither of them, one that is no description, or one that is too long, too deep or grows too large.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise ModelError(f"Expected an architecture of at most {_LONGEST:,} bytes; {path} is longer.")
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError(
            f"Expected an architecture in JSON or YAML; {path} is {what_is(path) or 'no text'}."
        ) from None
    except OSError as error:
        raise ModelError(f"Expected an architecture in {path}; got: {error.strerror or error}.") from None
    form = "JSON" if path.suffix.lower() == ".json" or text.lstrip().startswith("{") else "YAML"
    try:
        config = json.loads(text) if form == "JSON" else _from_yaml(text)
    except RecursionError:
        raise ModelError(f"Expected an architecture in {form} in {path}; it nests too deep.") from None
    except ModelError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        line = one_line(error, 200)
        raise ModelError(f"Expected an architecture in {form} in {path}; it said: {line}.") from None
    if not isinstance(config, dict):
        raise ModelError(f"Expected an architecture in {path}; got {an(type(config).__name__)}.")
    check_limits(config)
    for node in dicts(config):
        # That of a `.keras` archive says how its model was compiled too.
        if "class_name" in node:
            node.pop("compile_config", None)
    return config


def _from_yaml(text: str) -> Any:
    """Plain data of a YAML document: no tag makes an object, and an alias is a copy.

    Raises:
        ValueError: No YAML, or one of these refused.
    """
    try:
        import yaml
    except ImportError:
        raise ModelError(
            "Expected PyYAML for an architecture in YAML; it is not installed: pip install pyyaml"
        ) from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_node(node, yaml)
        # A day is no part of a model: it stays the text that it was.
        loader.yaml_constructors = {
            **yaml.SafeLoader.yaml_constructors,
            f"{_YAML}timestamp": yaml.SafeLoader.construct_scalar,
        }
        # Back and forth: what an alias names is its own at each place, as in JSON.
        return json.loads(json.dumps(loader.construct_document(node)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    finally:
        loader.dispose()


def _check_node(root: Any, yaml: Any) -> None:
    """Puts the tags of Python's plain types right; refuses others, and what aliases make large, deep or endless.

    Raises:
        ValueError: One of these.
    """
    sizes: dict[int, tuple[int, int]] = {}
    open_: set[int] = set()

    def measure(node: Any) -> tuple[int, int]:
        """How many values a node stands for, and how deep it is."""
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in open_:
            raise ValueError("an alias stands within what it names")
        _set_tag(node)
        open_.add(id(node))
        inside = []
        if isinstance(node, yaml.SequenceNode):
            inside = list(node.value)
        elif isinstance(node, yaml.MappingNode):
            inside = [part for pair in node.value for part in pair]
        found = [measure(each) for each in inside]
        open_.discard(id(node))
        size = 1 + sum(each for each, _ in found)
        depth = 1 + max((each for _, each in found), default=0)
        if size > _MOST_VALUES:
            raise ValueError(f"it stands for more than {_MOST_VALUES:,} values")
        if depth > _DEEPEST:
            raise ValueError(f"it nests deeper than {_DEEPEST}")
        sizes[id(node)] = (size, depth)
        return sizes[id(node)]

    measure(root)


def _set_tag(node: Any) -> None:
    kind = str(node.tag).removeprefix(f"{_YAML}python/")
    if kind in _PLAIN:
        node.tag = _YAML + _PLAIN[kind]
    elif node.tag not in _KNOWN:
        name = str(node.tag).replace(_YAML, "!!")
        raise ValueError(f"the tag {name[:80]!r} is none of plain data; nothing of it was executed")
