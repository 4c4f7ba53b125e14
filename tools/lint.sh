#!/usr/bin/env bash
# Every linter, each to its end, side by side; fails if one does. Output comes whole, one linter after the other.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

run() { # NAME COMMAND...
  local name=$1
  shift
  ("$@" >"$logs/$name" 2>&1 || echo "$name" >>"$logs/failed") &
}
types() { # Each function is a program of its own: they all have a core and a handler.
  mypy bench collections/ansible_collections/concert files/lambda/layers/shared/concert_common local_aws tools tests || return 1
  for handler in files/lambda/*/handler.py; do
    function=$(dirname "$handler")
    (cd "$function" && mypy --config-file ../../../pyproject.toml --cache-dir "../../../.mypy_cache/${function##*/}" ./*.py) || return 1
  done
}

run ruff ruff check .
run ruff-format ruff format --check .
run mypy types
run yamllint yamllint --strict .
run cfn-lint cfn-lint files/cloudformation/*.yaml files/iam/*.yaml files/pipelines/*.yaml
run sqlfluff sqlfluff lint --dialect redshift --disable-progress-bar files/redshift
run ansible-lint ansible-lint --offline
wait
for log in "$logs"/*; do
  [ "$(basename "$log")" = failed ] || { echo "== $(basename "$log")"; cat "$log"; }
done
if [ -f "$logs/failed" ]; then
  echo "Failed: $(tr '\n' ' ' <"$logs/failed")" >&2
  exit 1
fi
