#!/usr/bin/env bash
# Puts the plans of an inventory's targets on a pull request, as one comment that the next push replaces. Usage:
# comment_plan.sh INVENTORY PULL_REQUEST. Needs gh and GH_TOKEN; GITHUB_REPOSITORY names the repository, as GitHub Actions sets it.
set -euo pipefail
inventory=$1 number=$2
marker="<!-- plan of $inventory -->"
body=$(mktemp)
trap 'rm -f "$body"' EXIT

{
  echo "$marker"
  echo "## Plan of \`$inventory\`"
  found=false
  for page in reports/*/plan/plan.md; do
    [ -f "$page" ] || continue
    found=true
    cat "$page"
  done
  $found || echo "The plan failed before it had a page. The job's log says why."
} >"$body"
# GitHub takes 65,536 characters. A list that is cut off is closed again; the whole plan is in the job's log.
if [ "$(wc -c <"$body")" -gt 65000 ]; then
  short=$(head -c 60000 "$body" | iconv -c -f UTF-8 -t UTF-8)
  printf '%s\n\n</details>\n\n… cut here; the whole plan is in the log of the job.\n' "${short%$'\n'*}" >"$body"
fi

# Another's comment may begin alike; only ours can be changed.
previous=$(gh api "repos/$GITHUB_REPOSITORY/issues/$number/comments" --paginate \
  --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$marker\"))) | .id")
previous=${previous%%$'\n'*}
if [ -n "$previous" ]; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$previous" --silent -F "body=@$body"
else
  gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" --silent -F "body=@$body"
fi
