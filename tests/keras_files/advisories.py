"""The advisories on loading models that Keras had, each as a description that its loader of the time fell for.

Each would leave a mark on the disk, read a file, or fetch one. `tests/cli/test_advisories.py` gives them to every
command.
"""

import base64
import marshal

from tests.keras_files.safety.test_safety import layer, sequential

__all__ = ["ADVISORIES", "described"]

# A name that turtlenet registered, which says nothing of what is asked for beside it.
FOREIGN = "turtlenet>UnitClip"


def code(mark):
    """Bytecode that makes the mark."""
    made = compile(f"lambda *x, **y: (open({str(mark)!r}, 'w').close(), x)[1]", "evil", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(made)).decode()


def bytecode(mark):
    """The same as a function in a description of Keras 3."""
    return {"class_name": "__lambda__", "config": {"code": code(mark), "defaults": None, "closure": None}}


def function(module, name, registered=None):
    """A function by its module and name."""
    return {"class_name": "function", "module": module, "config": name, "registered_name": registered or name}


def calling(module, name, registered=None, **arguments):
    """A `Lambda` that calls such a function."""
    return layer("Lambda", function=function(module, name, registered), arguments=arguments)


def described(name, mark):
    """A model's description with the fault of an advisory.

    Args:
        name: One of `ADVISORIES`.
        mark: Path of the file that is there once the attack has worked.
    """
    return sequential(*ADVISORIES[name](str(mark)), shape=(None, 6))


ADVISORIES = {
    # Code in a Lambda, whatever the format; later, with the guard read as off where nobody had set it.
    "CVE-2024-3660": lambda mark: [layer("Lambda", function=[code(mark), None, None], function_type="lambda")],
    "CVE-2025-9905": lambda mark: [layer("Lambda", function=bytecode(mark))],
    "CVE-2026-12481": lambda mark: [layer("TimeDistributed", layer=layer("Lambda", function=bytecode(mark)))],
    # Any module, any name.
    "CVE-2025-1550": lambda mark: [layer("run", "subprocess", args=["touch", mark])],
    "CVE-2025-1550, as a function": lambda mark: [layer("Dense", units=2, activation=function("os", "system"))],
    "CVE-2025-1550, in place of a class": lambda mark: [calling("os", "mkdir", FOREIGN)],
    # Of Keras's own what fetches, unpacks, or switches the guard off.
    "CVE-2025-8747": lambda mark: [
        calling("keras.utils", "get_file", origin=f"file://{mark}", extract=True, force_download=True)
    ],
    "CVE-2025-8747, registered": lambda mark: [calling("keras._tf_keras.keras.utils", "get_file", FOREIGN)],
    "CVE-2025-12060": lambda mark: [layer("get_file", "keras.src.utils.file_utils", fname=mark, extract=True)],
    "CVE-2025-12638": lambda mark: [calling("keras.src.utils.file_utils", "extract_archive", path=mark)],
    "CVE-2025-9906": lambda mark: [
        calling("keras.config", "enable_unsafe_deserialization"),
        layer("Lambda", function=bytecode(mark)),
    ],
    "CVE-2025-9906, elsewhere": lambda mark: [
        calling("keras.src.saving.serialization_lib", "enable_unsafe_deserialization", FOREIGN)
    ],
    # Layers that read a file, unpickle, or load a graph.
    "CVE-2025-12058": lambda mark: [layer("StringLookup", vocabulary="/etc/passwd")],
    "CVE-2025-12058, remote": lambda mark: [layer("TextVectorization", vocabulary="https://127.0.0.1:9/words.txt")],
    "CVE-2025-49655": lambda mark: [layer("TorchModuleWrapper", module=base64.b64encode(b"\x80\x02.").decode())],
    "CVE-2026-1462": lambda mark: [layer("TFSMLayer", filepath=mark, call_endpoint="serve")],
    "CVE-2026-1462, as a function": lambda mark: [
        calling("keras._tf_keras.keras.layers", "TFSMLayer", FOREIGN, call_endpoint="serve")
    ],
    "CVE-2026-1462, registered": lambda mark: [
        layer("TFSMLayer", "keras._tf_keras.keras.layers", filepath=mark) | {"registered_name": FOREIGN}
    ],
}
