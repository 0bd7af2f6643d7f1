"""The tables of the papers, by the names that the files of papers and the templates of pages have for them."""

from collections.abc import Callable

from turtlenet.errors import SpecError, did_you_mean
from turtlenet.reproduction.tables import generators, guan, quantization, rivals, suites, taran
from turtlenet.reproduction.tables.found import ABSENT, Found
from turtlenet.reproduction.tables.side_by_side import side_by_side

__all__ = ["ABSENT", "TABLES", "Found", "side_by_side", "table"]

TABLES: dict[str, Callable[[Found], str]] = {
    "qusecnets_at_03": quantization.at_03,
    "qusecnets_fgsm": quantization.fgsm,
    "qusecnets_pgd": quantization.pgd,
    "readings": quantization.readings,
    "guan_fgsm": guan.fgsm,
    "guan_pgd": guan.pgd,
    "guan_jsma": guan.jsma,
    "guan_uncertainty": guan.detection,
    "taran": taran.transfers,
    "taran_grey": taran.attackers,
    "generators": generators.accuracies,
    "transfers": generators.transfers,
    "figure_6": suites.figure_6,
    "suite_gano": suites.gano,
    "suite_qusecnets": suites.qusecnets,
    "suite_guan": suites.guan,
    "suite_taran": suites.taran,
    "rivals": rivals.on_mnist,
    "rivals_cifar": rivals.on_cifar,
}


def table(found: Found, name: str) -> str:
    """A table in Markdown.

    Raises:
        SpecError: There is none of this name.
    """
    if name not in TABLES:
        raise SpecError(f"Unknown table {name!r}.{did_you_mean(name, TABLES)}")
    return TABLES[name](found)
