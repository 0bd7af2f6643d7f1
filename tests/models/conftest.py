"""The small models that files are tested with serve here too."""

from tests.keras_files.conftest import images, lambda_model, trained  # noqa: F401
