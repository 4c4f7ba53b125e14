"""The quick reference says what the templates say."""

from __future__ import annotations

from tools import stack_reference


def test_the_committed_page_is_current() -> None:
    assert stack_reference.main(["--check"]) == 0


def test_every_parameter_resource_and_output_has_its_row() -> None:
    template = {
        "Description": "One  queue",
        "Parameters": {"Size": {"Type": "Number", "Default": 1, "AllowedValues": [1, 2], "Description": "How | much."}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "RetainExceptOnCreate"},
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Condition": "Wanted"},
        },
        "Outputs": {"Name": {"Description": "Its name", "Export": {"Name": "x"}, "Condition": "Wanted"}},
    }
    page = stack_reference.page({"01-networking.yaml": template})
    assert "| all | | 1 | 2 | 1 | 1 | 1 |" in page
    assert "| `Size` | Number | `1` | How \\| much. One of `1`, `2`. |" in page
    assert "| `Queue` | AWS::SQS::Queue | yes |  |" in page
    assert "| `Alarm` | AWS::CloudWatch::Alarm |  | `Wanted` |" in page
    assert "| `Name` | yes | Its name Only if `Wanted`. |" in page
