"""A gate for CI: exit code 1, and a JUnit file that says why, where a model is less robust than it should be.

In a workflow this is one line:
`turtlenet evaluate model.keras --data data.npz --eps 0.1 --fail-under 0.5 --junit junit.xml`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import digits
import numpy as np


def gate(model, data, *, eps, at_least, junit):
    """The exit code of `turtlenet evaluate`: 0 where the gate held, 1 where it did not, 2 for bad input."""
    command = [sys.executable, "-m", "turtlenet", "evaluate", str(model), "--data", str(data), "--eps", str(eps)]
    options = ["--attack", "pgd", "--curve", "0", "--fail-under", str(at_least), "--junit", str(junit), "--quiet"]
    return subprocess.run([*command, *options], cwd=Path(model).parent).returncode


if __name__ == "__main__":
    x_train, x_test, y_train, y_test = digits.data()
    with tempfile.TemporaryDirectory() as folder:
        model, data, junit = (Path(folder) / name for name in ("model.keras", "data.npz", "junit.xml"))
        digits.trained(x_train, y_train).save(model)
        np.savez(data, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
        code = gate(model, data, eps=0.1, at_least=0.9, junit=junit)
        print(f"exit code {code}; junit.xml has {junit.read_text('utf-8').count('<failure')} failures")
