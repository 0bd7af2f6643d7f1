"""Intrusion detection: 40 mixed features of network flows, with rules that an attacker cannot break.

Writes a folder with two tables, a list of features and a model, then hardens the model and attacks both. From the
command line the same is:

    turtlenet train flows/model.h5 --data flows --label attack --features flows/features.csv \\
        --constraint "sum:features=ports_low;ports_mid;ports_high" --epochs 10 --out flows/hardened.h5
    turtlenet evaluate flows/model.h5 flows/hardened.h5 --data flows --label attack --attack pgd --curve 0
"""

import csv
import sys
from pathlib import Path

import keras
import numpy as np

import turtlenet as tn

PROTOCOLS, SERVICES = ("tcp", "udp", "icmp"), ("http", "dns", "ssh", "smtp", "other")
RATES, COUNTS, SHARES = [f"rate_{n}" for n in range(16)], [f"count_{n}" for n in range(6)], ["low", "mid", "high"]
NAMES = [
    *("duration", "bytes_out", "bytes_in", "packets_out", "packets_in"),
    *(f"ports_{name}" for name in SHARES),
    *(f"protocol_{name}" for name in PROTOCOLS),
    *(f"service_{name}" for name in SERVICES),
    *("logged_in", "hour"),
    *RATES,
    *COUNTS,
]


def flows(count, seed):
    """Made-up flows, float64 (count, 40), and whether each was an attack, int (count,)."""
    draw = np.random.default_rng(seed)
    attack = draw.integers(0, 2, count)
    one = {
        "duration": draw.exponential(1 + attack, count),
        "packets_out": draw.poisson(8 + 5 * attack),
        "packets_in": draw.poisson(9 - 3 * attack),
        "logged_in": draw.uniform(size=count) < 0.6 - 0.3 * attack,
        "hour": draw.integers(0, 24, count),
    }
    one["bytes_out"] = one["packets_out"] * draw.uniform(60, 600, count)
    one["bytes_in"] = one["packets_in"] * draw.uniform(60, 900, count)
    columns = [one[name] for name in NAMES[:5]]
    columns += list(draw.dirichlet((2, 2, 2), count).T)
    for kinds in (PROTOCOLS, SERVICES):
        columns += list((draw.integers(0, len(kinds), count)[:, None] == np.arange(len(kinds))).T)
    columns += [one["logged_in"], one["hour"]]
    columns += [np.clip(draw.normal(0.45 + 0.06 * attack, 0.2), 0, 1) for _ in RATES]
    columns += [draw.poisson(3 + attack) for _ in COUNTS]
    return np.stack(columns, axis=1).astype("float64"), attack


def rule(name):
    """What an attacker may do to a feature: its type, and which way it may move."""
    group = name.partition("_")[0]
    if group in ("protocol", "service"):
        return f"one-hot:{group}", "yes"
    if name in ("logged_in", "hour"):
        return "integer", "no"
    if name == "packets_out":
        # More can always be sent; what was sent cannot be taken back.
        return "integer", "up"
    return ("integer" if name == "packets_in" or name in COUNTS else "real"), "yes"


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "flows")
    folder.mkdir(exist_ok=True)
    for part, count, seed in (("train", 3000, 0), ("test", 600, 1)):
        x, y = flows(count, seed)
        write(
            folder / f"{part}.csv",
            [*NAMES, "attack"],
            [[*map(repr, map(float, row)), int(label)] for row, label in zip(x, y, strict=True)],
        )
    write(folder / "features.csv", ["name", "type", "movable"], [[name, *rule(name)] for name in NAMES])

    x, y = flows(3000, 0)
    keras.utils.set_random_seed(0)
    scale = keras.layers.Normalization()
    scale.adapt(x)
    layers = [keras.Input((len(NAMES),)), scale, keras.layers.Dense(32, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    model.fit(x, y, epochs=10, verbose=0)
    tn.save_model(model, folder / "model.h5")

    # Bounds and radii come from the training data; that the shares of ports stay a whole is a rule of three features.
    shares = "sum:features=" + ";".join(f"ports_{name}" for name in SHARES)
    threat = {"features": folder / "features.csv", "constraints": [shares]}
    hardened = tn.train(folder / "model.h5", folder, label="attack", epochs=10, **threat)
    tn.save_model(hardened, folder / "hardened.h5")
    for name in ("model", "hardened"):
        report = tn.evaluate(folder / f"{name}.h5", folder, label="attack", attacks=["pgd"], curve=0, **threat)
        print(f"{name}: clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")
