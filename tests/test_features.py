"""What is known of features, and the files that say it."""

import pytest

from turtlenet.errors import SettingError, SpecError
from turtlenet.features import Features, read

CSV = """name,low,high,eps,type,movable
age,0,120,2,integer,up
tcp,,,1,one-hot:net,
udp,,,1,one-hot:net,1
"mean, x",-1.5,2,3%,,no
"""
TOML = """
[[feature]]
name = "age"
low = 0
high = 120
eps = 2
type = "integer"
movable = "up"
[[feature]]
name = "tcp"
eps = 1
type = "one-hot"
group = "net"
[[feature]]
name = "udp"
eps = 1
type = "one-hot:net"
movable = true
[[feature]]
name = "mean, x"
low = -1.5
high = 2
eps = "3%"
movable = false
"""


@pytest.mark.parametrize(("suffix", "text"), [("csv", CSV), ("toml", TOML)])
def test_csv_and_toml_say_the_same(suffix, text, tmp_path) -> None:
    path = tmp_path / f"features.{suffix}"
    path.write_text(text, encoding="utf-8")
    found = read(path)
    assert found == Features(
        ("age", "tcp", "udp", "mean, x"),
        (0, None, None, -1.5),
        (120, None, None, 2),
        (2, 1, 1, "3%"),
        ("integer", "one-hot", "one-hot", "real"),
        ("up", "yes", "yes", "no"),
        ("", "net", "net", ""),
    )
    assert Features.from_dict(found.to_dict()) == found and found.one_hot == {"net": (1, 2)}


def test_they_are_put_in_the_order_of_the_columns() -> None:
    found = Features(("b", "a"), low=(1.0, 2.0), type=("integer", "real"))
    ordered = found.ordered(("a", "b", "c"))
    assert ordered.low == (2.0, 1.0, None) and ordered.type == ("real", "integer", "real") and not ordered.eps
    with pytest.raises(SpecError, match="Unknown feature 'b': the data have no such column"):
        found.ordered(("a", "c"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,lw\na,1\n", "Unknown column 'lw'"),
        ("nam,low\na,1\n", "Expected a header with name"),
        ("name,low\n,1\n", "Expected a name for each feature"),
        ("name,low\n", "Expected at least one feature"),
        ("name,low\na,1,2\n", "Expected a cell for each column"),
        ("name,low\na,1\na,2\n", "Expected each feature once; got 'a' twice"),
        ("name,low,high\na,1,1\n", "Expected low < high for a; got 1 and 1"),
        ("name,low\na,nan\n", "Expected low of a as a finite number; got nan"),
        ('name,low\na,"0,5"\n', "got '0,5'. Did you mean '0.5'?"),
        ('name,eps\na,"0,5%"\n', "got '0,5%'. Did you mean '0.5%'?"),
        ("name,low\na,much\n", "Expected low of a as a finite number; got 'much'"),
        ("name,eps\na,-1\n", "Expected eps >= 0"),
        ("name,eps\na,nan\n", "Expected eps >= 0"),
        ("name,movable\na,perhaps\n", "Expected movable yes, no, up or down for a; got 'perhaps'"),
        ("name,type\na,text\n", "Expected type real, integer or one-hot for a; got 'text'"),
        ("name,type\na,one-hot\n", "Expected the group of the one-hot feature a"),
        ("name,type\na,one-hot:net\n", "Expected two features or more in the one-hot group 'net'"),
    ],
)
def test_bad_files(text, words, tmp_path) -> None:
    path = tmp_path / "features.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((SettingError, SpecError)) as caught:
        read(path)
    assert words in str(caught.value) and "features.csv" in str(caught.value)


def test_bad_values() -> None:
    with pytest.raises(SettingError, match="as many values in each column"):
        Features(("a", "b"), low=(1.0,))
    with pytest.raises(SettingError, match="Expected lists of names"):
        Features.from_dict({"names": "a"})
    with pytest.raises(SpecError, match="Expected a file of features"):
        read(__file__.replace(".py", ".toml"))
