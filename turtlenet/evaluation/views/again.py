"""How to run an evaluation again: the command line where files are enough, else the call from Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet.keras_files.load import current

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_BY_FEATURE = ("eps", "bounds", "movable")
"""What may be given for each feature."""


def loading() -> dict[str, Any]:
    """How model files are loaded now, by the options that say so."""
    how = current()
    custom = [f"{name}={_path(value)}" for name, value in how.custom_objects.items()]
    return {"custom": custom, "trust": how.trust, "architecture": how.architecture, "written-by": how.written_by}


def command(report: Report, changes: Mapping[str, Any] | None = None) -> str | None:
    """The command line that repeats a report; None where the model or the data were in memory only.

    Words are quoted for a POSIX shell; those with characters that no terminal prints for bash and zsh.

    Args:
        report: What to repeat.
        changes: Options that shall be others, by their names without `--`; None leaves one out.
    """
    path, data = report.model.get("path"), _data(report)
    # Arrays have no form as an option.
    if not path or data is None or any(isinstance(report.asked.get(name), list) for name in _BY_FEATURE):
        return None
    return line("evaluate", [str(path)], {**options_of(report), **(changes or {})})


def line(verb: str, paths: Sequence[str], options: Mapping[str, Any]) -> str:
    """A command line of turtlenet: each option on a line of its own, those without a value left out."""
    words = [_quoted(_no_option(path)) for path in paths]
    lines = [f"turtlenet {verb} {words[0]}", *words[1:]]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"--{name}" if one is True else f"--{name} {_quoted(_text(one))}" for one in values if _said(one)]
    return " \\\n  ".join(lines)


def call(report: Report, changes: Mapping[str, Any] | None = None) -> str | None:
    """The call from Python that repeats a report for which there is no command; None where nothing tells of it.

    Args:
        report: What to repeat.
        changes: Options that shall be others; see `command`.
    """
    if not report.asked or command(report) is not None:
        return None
    options = {name.replace("-", "_"): value for name, value in {**options_of(report), **(changes or {})}.items()}
    data = options.pop("data", None)
    for name in ("custom", "trust", "architecture", "written_by"):
        options.pop(name, None)
    options["attacks"] = options.pop("attack", [])
    if _is_by_feature(report):
        options["constraints"] = options.pop("constraint")
    else:
        options["bounds"] = tuple(report.threat["bounds"])
    # In Python, a limit of 0 is none.
    options["limit"] = options["limit"] or None
    options["precision"] = report.asked.get("precision")
    path = report.model.get("path")
    arguments = [repr(str(path)) if path else "model", repr(data) if data else "(x, y)"]
    arguments += [f"{name}={value!r}" for name, value in options.items() if _said(value)]
    return "turtlenet.evaluate(\n" + "".join(f"    {each},\n" for each in arguments) + ")"


def _data(report: Report) -> str | None:
    """The data as a user gives them."""
    if report.asked:
        data = report.asked.get("data")
        return None if data is None else str(data)
    # A report of an older version has the name of the part, which ends so where the data had parts.
    name = report.data.get("name")
    return re.sub(r" (train|test)$", "", str(name)) if name else ""


def options_of(report: Report) -> dict[str, Any]:
    """The options of `turtlenet evaluate`, in their order, with their values."""
    asked, threat = report.asked, report.threat
    specs = threat.get("attacks") if report.beside else [row.spec or row.name for row in report.attacks]
    access = asked.get("access") or (threat.get("access") if report.beside else None)
    facts: dict[str, Any] = {"attack": list(specs or ())}
    facts |= {name: threat.get(name) for name in ("norm", "eps", "labels")}
    if report.beside:
        own = [each for each in threat.get("surrogates") or () if str(each.get("name")).startswith("own")]
        facts |= {"access": access, "surrogate-dir": threat.get("surrogate_folder")}
        facts |= {"surrogates": len(own)} if threat.get("access") == "grey-box" else {}
    bounds = threat.get("bounds")
    facts["bounds"] = ",".join(map(exact, bounds)) if bounds else None
    if _is_by_feature(report):
        # Files and the model's own knowledge give them; what was said beside those is said again.
        facts |= {"eps": asked.get("eps"), "bounds": asked.get("bounds")}
        facts |= {"features": asked.get("features"), "movable": asked.get("movable")}
        facts["constraint"] = list(asked.get("constraints") or ())
    facts |= {"head": asked.get("head"), "data": _data(report), "split": asked.get("split")}
    facts |= {"limit": report.data.get("count"), "mode": report.mode, "seed": report.seed}
    # Without it, each attack of a model that hides its gradient would be run in both ways once more.
    hides = bool(report.model.get("defences")) or threat.get("gradient") == "naive"
    facts |= {"gradient": threat.get("gradient") if hides or asked.get("gradient") else None}
    facts |= {"draws": threat.get("draws"), "precision": asked.get("precision"), "curve": asked.get("curve")}
    facts |= {name: asked.get(name) for name in ("task", "output", "attacked", "size")}
    facts["perceptibility"] = len(report.perceptibility.label) if report.perceptibility is not None else None
    facts |= {name: asked.get(name) for name in ("normalize", "label", "weight")}
    facts["drop"] = list(asked.get("drop") or ())
    facts["classes"] = ",".join(asked.get("classes") or ()) or None
    facts["certify"] = report.certificate["method"] if report.certificate else None
    facts |= {name: asked.get(name) for name in ("order", "budget")}
    facts["quantize-pixels"] = threat.get("pixels") == "8-bit"
    return facts | {name: asked.get(name) for name in ("custom", "trust", "architecture", "written-by")}


def _is_by_feature(report: Report) -> bool:
    """Whether bounds, radius or rules are those of each feature."""
    return isinstance(report.threat.get("features"), dict) or bool(report.asked.get("features"))


def _said(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", "auto")


def _text(value: Any) -> str:
    return exact(value) if isinstance(value, float) else str(value)


def exact(value: float) -> str:
    """The shortest text that reads back as the same number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def as_said(value: Any) -> Any:
    """What a user says of features as plain data: numbers, two bounds and values by input as text, arrays as lists.

    >>> as_said((0, 0.5)), as_said(("3%", 1.0)), as_said(np.array([0.5, 2]))
    ('0,0.5', ['3%', 1.0], [0.5, 2.0])
    >>> as_said({"image": 0.1, "vector": "5%"})
    'image=0.1;vector=5%'
    """
    if isinstance(value, tuple) and len(value) == 2 and all(_is_number(each) for each in value):
        return ",".join(map(exact, value))
    if _is_number(value):
        return exact(value)
    if isinstance(value, Mapping):
        said = {str(name): as_said(each) for name, each in value.items()}
        one = not any(isinstance(each, list) for each in said.values())
        return ";".join(f"{name}={each}" for name, each in said.items()) if one else said
    found = _plain(value)
    return found if found is None or isinstance(found, list) else str(found)


def normalize_text(value: Any) -> Any:
    """What inputs are normalized by, as the command line takes it."""
    if not isinstance(value, Mapping):
        return value
    return ",".join(f"{name}={','.join(map(exact, np.ravel(each).tolist()))}" for name, each in value.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return np.asarray(value).tolist() if hasattr(value, "__array__") else value


def _no_option(path: str) -> str:
    """A path that no command line takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    signs = (char if char.isprintable() and char not in "'\\" else _escaped(char) for char in word)
    return f"$'{''.join(signs)}'"


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def _path(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"
