"""Who counts, and what the threat gives reason to doubt."""

import numpy as np
import pytest

from turtlenet.errors import SpecError
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.threat_models.threat_model import WHITE_BOX, Attacker, ThreatModel, check_access

CORRECT = [[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 1, 0, 0, 0]]
"""Three attacks on five images, the last of which is wrong at first."""


def per_image(correct=CORRECT) -> PerImageResults:
    found = PerImageResults.empty(np.zeros(5, "int32"), len(correct))
    found.clean[:] = [0, 0, 0, 0, 1]
    found.correct[:] = np.array(correct, bool)
    return found


def grey(*surrogates: tuple[str, float]) -> ThreatModel:
    facts = [{"name": name, "clean_accuracy": share} for name, share in surrogates]
    who = (Attacker("no key"), Attacker("queries"), Attacker("with the key", counted=False))
    return ThreatModel(name="grey-box", attackers=who, facts={"surrogates": facts})


def test_one_who_stands_beside_does_not_count():
    access = grey()
    assert access.beside == "with the key" and WHITE_BOX.beside == ""
    assert access.robust(per_image(), "table").tolist() == [True, True, False, False, False]
    assert access.robust(per_image(), "table", everyone=True).tolist() == [False, True, False, False, False]
    assert WHITE_BOX.robust(per_image(), "table").tolist() == [False, True, False, False, False]
    left = per_image([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 0, 0]])
    assert access.robust(left, "cascade").tolist() == [True, True, False, False, False]
    assert access.robust(left, "cascade", everyone=True).tolist() == [False, True, False, False, False]


def test_titles_say_who():
    assert grey().of(1).title("noise") == "queries: noise" and WHITE_BOX.of(1).title("noise") == "noise"


def test_doubts_of_a_secret():
    assert WHITE_BOX.find_doubts(per_image(), "table") == ()
    (secret,) = grey(("no key", 0.79)).find_doubts(per_image(), "table")
    assert secret.code == "secret-key" and "leave 0.400; one who has it leaves 0.200" in secret.finding
    codes = [each.code for each in grey(("no key", 0.7)).find_doubts(per_image(), "table")]
    assert codes == ["secret-key", "weak-surrogates"]
    missed = per_image([[0, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 0, 0]])
    (_, transfer) = grey().find_doubts(missed, "table")
    assert transfer.code == "transfer-beats-white-box" and "broke 1 input that" in transfer.finding
    assert len(grey().find_doubts(missed, "cascade")) == 1


def test_an_unknown_access_has_a_nearest_one():
    check_access("grey-box")
    with pytest.raises(SpecError, match="Did you mean 'grey-box'?"):
        check_access("greybox")
