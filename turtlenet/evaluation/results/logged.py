"""What a log of runs is given of a report."""

from typing import Any

from turtlenet.tracking import Logs


def log_report(logs: Logs, report: Any) -> None:
    """Logs the accuracies of a `Report` or `Comparison` and its files, in a folder `report`.

    Args:
        logs: The logs of the run; nothing is done where there are none.
        report: Its numbers have the model's name before them where there are several.
    """
    if not logs:
        return
    several = len(report.reports) > 1
    for number, each in enumerate(report.reports, 1):
        before = f"{number} {each.model.get('name') or 'model'}/" if several else ""
        values = {"clean_accuracy": each.clean_accuracy, "robust_accuracy": each.robust_accuracy}
        values |= {f"accuracy/{row.title}": row.accuracy for row in each.attacks}
        values |= {"doubts": len(each.doubts)}
        logs.numbers({f"{before}{name}": value for name, value in values.items()})
    logs.files(report.files(), "report")
