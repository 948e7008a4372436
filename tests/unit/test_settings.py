"""Test settings that a user creates in Python."""

import pytest

from seminas.config.evaluators import TableNetworkSettings, TableSettings
from seminas.errors import UserError

pytestmark = pytest.mark.unit


def test_a_nested_section_may_be_a_mapping() -> None:
    """An evaluator of the user's gets the keys of ``evaluator=table`` as keyword arguments, with plain values."""
    settings = TableSettings(network={"image": [3, 32, 32]})  # type: ignore[arg-type]
    assert settings == TableSettings(network=TableNetworkSettings(image=[3, 32, 32]))


def test_the_error_of_a_mapping_names_its_key() -> None:
    with pytest.raises(UserError, match=r"evaluator\.network\.num_classes"):
        TableSettings(network={"num_classes": 0})  # type: ignore[arg-type]
