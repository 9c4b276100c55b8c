"""What all templates keep: cfn-lint, the versions that are supported, and each other's names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

from airflow_ml_provider.mwaa.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[3] / "mwaa/cloudformation"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
REGIONS = ["eu-central-1", "cn-north-1"]


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_takes_it(name: str) -> None:
    found = lint_file(FOLDER / f"{name}.yaml", config=ManualArgs(regions=REGIONS))
    # The paths of the nested templates are for `aws cloudformation package`.
    assert [str(one) for one in found if one.rule.id != "W3002"] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_enough_to_be_sent_as_it_is(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").stat().st_size <= 51_200


def test_the_versions_are_those_that_are_supported(templates: dict[str, Any]) -> None:
    for name in ("environment", "main", "trigger"):
        parameter = templates[name]["Parameters"]["AirflowVersion"]
        assert parameter["AllowedValues"] == list(VERSIONS), name
        assert parameter["Default"] == list(VERSIONS)[-1], name


def test_the_classes_are_those_that_are_supported(
    templates: dict[str, Any], classes: list[str]
) -> None:
    for name in ("environment", "main"):
        parameter = templates[name]["Parameters"]["EnvironmentClass"]
        assert parameter["AllowedValues"] == classes, name
        assert parameter["Default"] in classes


def test_a_parameter_means_the_same_everywhere(templates: dict[str, Any]) -> None:
    kept = ("Default", "AllowedValues", "AllowedPattern", "MinValue", "MaxValue")
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, template in templates.items():
        for parameter, declared in template["Parameters"].items():
            own = {key: declared[key] for key in kept if key in declared}
            first, expected = seen.setdefault(parameter, (name, own))
            if parameter in {"SubnetIds", "SecurityGroupId", "KeyArn"}:
                continue  # the trigger and the flow log do without them
            assert own == expected, f"{parameter} of {name} and {first}"


def test_all_of_it_hands_on_what_its_parts_ask_for(templates: dict[str, Any]) -> None:
    for resource in templates["main"]["Resources"].values():
        given = resource["Properties"]["Parameters"]
        asked = templates[Path(resource["Properties"]["TemplateURL"]).stem]["Parameters"]
        needed = {name for name, one in asked.items() if "Default" not in one}
        assert needed <= set(given) <= set(asked)


def test_all_of_it_names_outputs_that_are_there(templates: dict[str, Any]) -> None:
    resources = templates["main"]["Resources"]
    referred = [*attributes(templates["main"])]
    assert referred
    for resource, attribute in referred:
        part = templates[Path(resources[resource]["Properties"]["TemplateURL"]).stem]
        assert attribute.removeprefix("Outputs.") in part["Outputs"], (resource, attribute)


def attributes(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "Fn::GetAtt" in node:
            resource, attribute = node["Fn::GetAtt"]
            yield resource, attribute
        for value in node.values():
            yield from attributes(value)
    elif isinstance(node, list):
        for value in node:
            yield from attributes(value)
