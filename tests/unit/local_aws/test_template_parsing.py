"""The faster reader of templates reads what the emulator's own one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ministack.services.cloudformation import engine

from local_aws.cloudformation import template_parsing

TEMPLATES = sorted((Path(__file__).resolve().parents[3] / "files" / "cloudformation").glob("*.yaml"))
TAGS = """AWSTemplateFormatVersion: 2010-09-09
Base: &base {Type: AWS::SQS::Queue}
Resources:
  A:
    <<: *base
    Properties:
      Date: 2026-01-01
      Numbers: [1, 0x10, 1.5, ~, yes, "yes"]
      Text: !Sub |
        ${B.Arn}: !Ref
      Both: [!GetAtt B.Arn.More, !GetAtt [B, Arn], !GetAtt B, !If [C, !Ref A, !Ref "AWS::NoValue"]]
      Nested: !Join ["", [!Select [0, !Split [",", !ImportValue x]]]]
"""


@pytest.mark.parametrize("text", [TAGS, *(path.read_text(encoding="utf-8") for path in TEMPLATES)])
def test_the_same_template(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine._parse_template(text)
    monkeypatch.setattr(engine, "CfnLoader", engine.CfnLoader)
    template_parsing.install()
    assert issubclass(engine.CfnLoader, yaml.CSafeLoader)
    assert engine._parse_template(text) == own


def test_what_is_no_yaml_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CfnLoader", engine.CfnLoader)
    template_parsing.install()
    with pytest.raises(yaml.YAMLError):
        engine._parse_template("Resources: [")
