"""What auditors are told: what ran and only that, with hashes that hold."""

import hashlib

from tests.evaluation.views.test_views import BARE, attack, html, markdown, report
from turtlenet.evaluation.views import annex


def told(one):
    return {row.term: row.ran for _, terms, _ in annex._DOCUMENTS for row in annex.rows(one, terms)}


def test_what_did_not_run_is_not_claimed():
    found = told(report())
    untouched = {term for term, ran in found.items() if ran == annex.NOT_TESTED}
    assert {"15(5) data poisoning", "15(5) model poisoning", "15(5) confidentiality attacks", "15(5) model flaws",
            "privacy: model extraction", "evasion, black-box, score-based", "evasion, black-box, decision-based",
            "evasion, transferability", "mitigation: adversarial training", "mitigation: formal verification",
            "evaluation against adaptive attacks", "TR 24029-1, formal methods †", "24029-2, 5.3 stability",
            "24029-2, 5.5 relevance"} <= untouched  # fmt: skip
    assert found["evasion, white-box"] == "2 attacks with the model's gradient: fgsm, pgd:steps=40"
    assert found["15(5) adversarial examples or model evasion"].startswith(
        "3 attacks: noise, fgsm, pgd:steps=40; 86.1 %"
    )
    bare = told(report(**BARE))
    ran = {term for term, words in bare.items() if words != annex.NOT_TESTED}
    assert ran == {
        "15(1) appropriate level of accuracy",
        "15(3) levels of accuracy and their metrics, to be declared",
        "TR 24029-1, statistical methods †",
    }


def test_what_ran_is_found():
    rows = (attack("square", "query"), attack("boundary", "decision"), attack("transfer", "transfer"))
    shield = [{"defence": "constant-quantization:levels=4", "adaptive": "a smaller z"}]
    one = report(
        attacks=(*rows, attack(settings={"gradient": "adaptive"})),
        model={**report().model, "defences": shield},
        training={"objective": "madry", "attack": "pgd"},
        certificate={"method": "crown", "accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "contradictions": [],
                     "spared": 3, "gradients_saved": 4, "audited": 1, "attacked": 0.8},
    )  # fmt: skip
    found = told(one)
    assert "square" in found["evasion, black-box, score-based"]
    assert "boundary" in found["evasion, black-box, decision-based"]
    assert found["evasion, transferability"] == "transfer"
    assert "constant-quantization" in found["evaluation against adaptive attacks"]
    assert found["mitigation: adversarial training"] == "the model's file says: objective madry, attack pgd"
    assert found["mitigation: formal verification"] == "bounds by crown: 0.500 [0.400, 0.600] certified"
    assert found["24029-2, 5.3 stability"].startswith("bounds by crown")
    natural = told(report(training={"objective": "natural"}))
    assert natural["mitigation: adversarial training"] == annex.NOT_TESTED


def test_the_views_have_the_annex_and_the_hash_of_the_report():
    one = report()
    digest = hashlib.sha256(f"{one.to_json()}\n".encode()).hexdigest()
    for text in (html([one]), markdown([one])):
        assert digest in text and "15(5) data poisoning" in text and "no assessment of conformity" in text
        assert text.count("†") == 5 and "† Not checked against the document" in text
    assert "Annex" not in str(one)
