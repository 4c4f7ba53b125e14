"""What playbooks/validate.yml finds in a project, and how it says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.validation import checks
from ansible_collections.concert.platform.plugins.module_utils.validation.checks import Outcome, Problem

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is sound and small."""
    for folder in ("files/cloudformation", "files/redshift/migrations", "docs", "playbooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Makefile").write_text("test: ## Test\n\ttrue\n")
    (tmp_path / "playbooks" / "deploy.yml").write_text("[]\n")
    (tmp_path / "README.md").write_text("[docs](docs/a.md#part) `make test`, `ansible-playbook playbooks/deploy.yml`\n")
    (tmp_path / "docs" / "a.md").write_text("[home](../README.md) <https://example.org>\n")
    (tmp_path / "files/redshift/migrations/0001_first.sql").write_text("CREATE TABLE a (b int);\n")
    (tmp_path / "files/cloudformation/a.yaml").write_text(
        "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  Queue: {Type: 'AWS::SQS::Queue'}\n"
    )
    return tmp_path


def test_a_sound_project_has_no_problem(project: Path) -> None:
    assert checks.templates(project) == Outcome("templates", "1 files, 1 resources")
    assert checks.migrations(project) == Outcome("migrations", "1 files, 1 statements")
    assert checks.documentation(project) == Outcome("documentation", "2 pages")


@pytest.mark.parametrize(
    ("line", "rule", "said"),
    [
        ("see [b](docs/b.md)", "link", "docs/b.md is no file"),
        ("run `make nonsense`", "command", "make has no target nonsense"),
        ("ansible-playbook playbooks/b.yml", "command", "there is no playbook playbooks/b.yml"),
        ("ansible-playbook playbooks/deploy.yml -i inventories/b", "command", "there is no inventories/b"),
    ],
)
def test_what_the_documentation_names_exists(project: Path, line: str, rule: str, said: str) -> None:
    (project / "README.md").write_text(f"fine\n\n{line}\n")
    [problem] = checks.documentation(project).problems
    assert (problem.where, problem.rule) == ("README.md:3", rule)
    assert problem.said.startswith(said)


@pytest.mark.parametrize(
    ("properties", "where", "rule"),
    [
        pytest.param("{QueueNam: x}", "files/cloudformation/a.yaml:3", "E3002", id="schema"),
        pytest.param("{QueueName: !Ref Nobody}", "files/cloudformation/a.yaml:3", "template", id="reference"),
    ],
)
def test_a_template_s_mistake_has_its_line(project: Path, properties: str, where: str, rule: str) -> None:
    path = project / "files/cloudformation/a.yaml"
    path.write_text(path.read_text().replace("'AWS::SQS::Queue'", f"'AWS::SQS::Queue', Properties: {properties}"))
    [problem] = checks.templates(project).problems
    assert (problem.where, problem.rule) == (where, rule)


def test_too_many_outputs_are_found(project: Path) -> None:
    outputs = "".join(f"  O{number}: {{Value: !Ref Queue}}\n" for number in range(201))
    path = project / "files/cloudformation/a.yaml"
    path.write_text(path.read_text() + "Outputs:\n" + outputs)
    assert any(found.rule == "quota" and "201 Outputs" in found.said for found in checks.templates(project).problems)


def test_a_gap_between_migrations_is_found(project: Path) -> None:
    (project / "files/redshift/migrations/0003_third.sql").write_text("SELECT 1;\n")
    [problem] = checks.migrations(project).problems
    assert problem.where == "files/redshift/migrations/0001_first.sql"
    assert "number 0002 is missing" in problem.said


def test_the_packages_of_a_project_without_functions_are_no_success(project: Path) -> None:
    (project / "files/lambda").mkdir()
    [problem] = checks.packages(project).problems
    assert "holds no function" in problem.said


def test_each_refused_input_is_a_problem_with_its_file() -> None:
    message = "2 inputs are wrong; nothing was changed.\na is 1; no. Correct it in inventories/x/a.yml.\nb is missing."
    output = f"noise\nfatal: [prod]: FAILED! => {json.dumps({'msg': message}, indent=2)}\n\nPLAY RECAP\n"
    assert checks.refusals("inventories/x", output) == [
        Problem("inventories/x/a.yml", "argument spec", "a is 1; no. Correct it in inventories/x/a.yml."),
        Problem("inventories/x, prod", "argument spec", "b is missing."),
    ]


def test_an_inventory_that_is_not_there_is_a_problem(project: Path) -> None:
    [problem] = checks.inventories(project, ["inventories/nowhere"]).problems
    assert problem.where == "inventories/nowhere"


def test_a_check_that_breaks_hides_no_other(project: Path) -> None:
    (project / "Makefile").unlink()
    found = {outcome.area: outcome for outcome in checks.all_checks(project, [])}
    assert found["documentation"].problems[0].rule == "check"
    assert found["migrations"].problems == ()


def test_the_table_has_a_row_for_each_area_and_the_problems_below() -> None:
    wrong = Outcome("templates", "1 files", (Problem("a.yaml:3", "E3002", "No. Mend it."),))
    lines = checks.table([wrong, Outcome("packages", "2 built"), Outcome("AWS", "", skipped="not asked")])
    assert lines == [
        "Area       Result       Looked at",
        "templates  1 wrong      1 files",
        "packages   ok           2 built",
        "AWS        not checked  not asked",
        "FAIL a.yaml:3 [E3002] No. Mend it.",
    ]


def test_this_project_s_documentation_and_migrations_are_sound() -> None:
    assert checks.documentation(ROOT).problems == ()
    assert checks.migrations(ROOT).problems == ()
