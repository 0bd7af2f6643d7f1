"""Models: the architectures of the papers; files in and out; the logits of any classifier."""

from turtlenet.architectures.zoo import architectures, build
from turtlenet.keras_files.compiled.live import compile_like, uncompiled
from turtlenet.keras_files.hashing import NoTwinError, copy, file_sha256, weights_sha256
from turtlenet.keras_files.load import Loading, load, loading
from turtlenet.keras_files.of_use import of_no_use
from turtlenet.keras_files.save import check_writable, read_provenance, save
from turtlenet.models.classifier import classifier
from turtlenet.models.heads import Head, logits_model
from turtlenet.models.inspect import AppliedRule, Inspection, LayerLine, inspect
from turtlenet.models.precision import PRECISIONS, check_precision, compute_in
from turtlenet.models.reuse import classifier_of
from turtlenet.models.wrap import defences_of, wrap

__all__ = [
    "PRECISIONS",
    "AppliedRule",
    "Head",
    "Inspection",
    "LayerLine",
    "Loading",
    "NoTwinError",
    "architectures",
    "build",
    "check_precision",
    "check_writable",
    "classifier",
    "classifier_of",
    "compile_like",
    "compute_in",
    "copy",
    "defences_of",
    "file_sha256",
    "inspect",
    "load",
    "loading",
    "logits_model",
    "of_no_use",
    "read_provenance",
    "save",
    "uncompiled",
    "weights_sha256",
    "wrap",
]
