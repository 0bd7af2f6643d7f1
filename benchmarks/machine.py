"""What the numbers were measured on."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["describe", "facts", "load"]

_PACKAGES = ("turtlenet", "tensorflow", "keras", "numpy", "adversarial-robustness-toolbox", "cleverhans", "foolbox")


def facts(packages: Sequence[str] = _PACKAGES, devices: Sequence[str] | None = None) -> dict[str, Any]:
    """Processor, cores, memory, devices and versions.

    Args:
        packages: Whose versions.
        devices: What is computed on; None asks TensorFlow.
    """
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gb": _memory_gb(),
        "devices": _tensorflow_devices() if devices is None else list(devices),
        "system": f"{platform.system()} {platform.machine()}",
        "load": load(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
    }


def describe(found: dict[str, Any]) -> str:
    """The facts in three lines."""
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in found["versions"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory_gb']} GB, {'+'.join(found['devices'])}, "
        f"{found['system']}\nload average at the start: {found['load']}\n{versions}"
    )


def load() -> float | None:
    """How many processes wanted a core in the last minute; above the number of cores, the machine is shared."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _tensorflow_devices() -> list[str]:
    import tensorflow as tf

    return sorted({device.device_type for device in tf.config.list_logical_devices()})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        if (info.exists())
        else []
    )
    return names[0] if names else platform.processor() or "unknown processor"


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _version(package: str) -> str | None:
    if package == "turtlenet":
        from turtlenet.version import __version__

        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
