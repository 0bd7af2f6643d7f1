# %% [markdown]
# # Reading a report
#
# A report is data first: its page, its Markdown and its tables are views of `report.json`. This makes one of a
# small model and goes through it; [Reading a report](../reading-a-report.md) goes through the page.

# %%
import json
from pathlib import Path

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import turtlenet as tn

digits = load_digits()
images = (digits.images / 16)[..., None].astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=200, random_state=0)
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
model.fit(x_train, y_train, epochs=15, verbose=0)

# %% [markdown]
# One attack of a single step: too little, and the report will say so.

# %%
report = tn.evaluate(model, (x_test, y_test), attacks=["fgsm"], eps=0.05, curve=4)

# %% [markdown]
# ## The numbers
#
# The robust accuracy counts an image only if everything that ran left its answer right. It is an upper bound, and
# with 200 images the interval is wide.

# %%
low, high = report.robust_accuracy_interval
print(f"clean {report.clean_accuracy:.3f}, robust {report.robust_accuracy:.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# ## The doubts
#
# Each says what was seen and what to do about it. Read them before you quote the number.

# %%
for doubt in report.doubts:
    print(f"{doubt.code}\n  {doubt.finding}\n  {doubt.advice}")

# %% [markdown]
# ## Image by image
#
# `verdict` is `wrong` (before any attack), `held` or `broken`. With pandas, `report.to_dataframe()` gives the
# same as a data frame.

# %%
results = report.table("results")
broken = [index for index, verdict in zip(results["index"], results["verdict"], strict=True) if verdict == "broken"]
print(f"{len(broken)} broken, the first of them: {broken[:5]}")

# %% [markdown]
# ## The folder

# %%
report.save("report")
print(sorted(path.name for path in Path("report").iterdir()))
saved = json.loads(Path("report/report.json").read_text("utf-8"))
print({name: saved[name] for name in ("robust_accuracy", "seed")})
