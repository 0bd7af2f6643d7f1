"""The operations in the graph of a SavedModel that reach out of it, found without loading or running the graph."""

import re
from collections.abc import Iterator
from pathlib import Path

from turtlenet.keras_files.protobuf import MOST_BYTES, MalformedError, Message

# They read, write or list files, reach other machines, or run code of other languages.
_HARMFUL = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|ImmutableConst|LoadAndRemapMatrix|FileSystemSetConfiguration"
    r"|(Eager)?PyFunc(Stateless)?|Print|PrintV2|Abort|Fact"
    r"|(WholeFile|TextLine|TFRecord|FixedLengthRecord|LMDB)Reader(V\d)?|Snapshot\w*Reader"
    r"|(Experimental)?(CSV|Sql|LMDB|MatchingFiles|TextLine|TFRecord|FixedLengthRecord|Cache|Load|Save)Dataset(V\d)?"
    r"|(Experimental)?DatasetToTFRecord|(Generator|Snapshot|SnapshotChunk|ListSnapshotChunks)Dataset(V\d)?"
    r"|DataServiceDataset(V\d)?|RegisterDataset(V\d)?|DistributedSave|InitializeTableFromTextFile(V\d)?"
    r"|Create\w*Summary\w*|Write\w*Summary|SummaryWriter|Debug\w+|CopyHost|Rpc\w+|_?(Host)?(Send|Recv)|RemoteCall"
    r"|Collective\w+|Configure\w+|Xla\w*(Call|PythonCall)(V\d)?"
)
# Every SavedModel has these for its own weights, in functions of its own; elsewhere they are as the others.
_SAVES = re.compile(r"Save(Slices|V2)?|Restore(Slice|V2)?|MergeV2Checkpoints")
_OWN = re.compile(r"__inference_(_traced_)?(save|restore)(_fn)?_\d+")


def harmful_operations(folder: Path) -> list[str]:
    """The names of such operations in a SavedModel's graph, sorted.

    Raises:
        MalformedError: A graph that cannot be read.
    """
    path = folder / "saved_model.pb"
    if path.stat().st_size > MOST_BYTES:
        raise MalformedError("the graph is too large")
    found = set()
    for graph in Message(memoryview(path.read_bytes())).messages(2):
        found |= set(_harmful(graph.message(2)))
    return sorted(found)


def _harmful(graph: Message) -> Iterator[str]:
    """Of the nodes of a graph, and of those of its functions."""
    yield from _named(graph, 1, saves=True)
    for function in graph.message(2).messages(1):
        yield from _named(function, 3, saves=bool(_OWN.fullmatch(function.message(1).text(1))))


def _named(graph: Message, nodes: int, saves: bool) -> Iterator[str]:
    for node in graph.messages(nodes):
        name = node.text(2)
        if _HARMFUL.fullmatch(name) or (not saves and _SAVES.fullmatch(name)):
            yield name
