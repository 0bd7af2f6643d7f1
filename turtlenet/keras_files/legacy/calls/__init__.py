"""TensorFlow functions in the graphs of `tf.keras` 2, said with `keras.ops`.

A file names a function, never gives one: what is not in the tables of this folder is refused.
"""

from turtlenet.keras_files.legacy.calls.layer import TensorFlowCall, call_of, known

__all__ = ["TensorFlowCall", "call_of", "known"]
