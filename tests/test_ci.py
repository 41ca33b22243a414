"""What keeps CI honest: tests that are skipped elsewhere run there."""

import importlib
import os
import platform
import sys

import pytest

PACKAGES = ["onnxruntime", "tensorflow", "tritonclient", "vizdoom", "yaml"]
if sys.platform == "linux" and platform.machine() == "x86_64":  # as pyproject.toml has it
    PACKAGES.append("tensorrt_rtx")


@pytest.mark.skipif(not os.environ.get("CI"), reason="elsewhere a test may lack its package")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("package", PACKAGES)
def test_ci_has_every_package_without_which_tests_are_skipped(package: str) -> None:
    importlib.import_module(package)
