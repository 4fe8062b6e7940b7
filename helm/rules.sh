#!/usr/bin/env bash
# Checks alerts and recording rules with promtool: their form, the cases of mqtt-video/tests/rules, that each alert has a case in
# which it fires and one in which it must not, and that alerts and runbooks belong together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/mqtt-video"
rules=rules/mqtt-video.rules.yaml
cases=(tests/rules/*.yaml)
runbooks=../../docs/runbooks

fail() {
  printf 'rules: %s\n' "$*" >&2
  exit 1
}
# Quiet unless something is wrong.
quietly() {
  local out
  out=$("$@" 2>&1) || fail "$out"
}
# What the first input has and the second lacks.
only_first() { comm -23 <(sort -u "$1") <(sort -u "$2"); }

quietly promtool check rules --lint=all --lint-fatal $rules
quietly promtool test rules "${cases[@]}"

alerts() { grep -oP '^ +- alert: \K\w+' $rules; }
fires() { grep -hoP 'ALERTS\{alertname="\K\w+' "${cases[@]}"; }
must_not() { grep -hoP '^ +- \{eval_time: .*, alertname: \K\w+(?=\})' "${cases[@]}"; }
pages() { find $runbooks -name 'MqttVideo*.md' -printf '%f\n' | sed 's/\.md$//'; }
index() { grep -oP '\]\(\KMqttVideo\w+(?=\.md\))' $runbooks/README.md; }
# An annotation for each alert, in their order, so that none names the page of another.
links() { grep -oP '^ +runbook_url: docs/runbooks/\K\w+(?=\.md$)' $rules; }

lacks() { # what it is that is lacking, wanted, there
  local names
  names=$(only_first "$2" "$3")
  [ -z "$names" ] || fail "$1:" $names
}
lacks 'no case in which it fires' <(alerts) <(fires)
lacks 'no case in which it must not fire' <(alerts) <(must_not)
lacks 'no such alert, but a case' <(fires; must_not) <(alerts)
lacks 'no runbook' <(alerts) <(pages)
lacks 'a runbook of no alert' <(pages) <(alerts)
lacks 'a runbook that the index leaves out' <(pages) <(index)
lacks 'the index names no such runbook' <(index) <(pages)
diff <(alerts) <(links) || fail 'an alert without its own runbook_url'
# Names of alerts within expressions are not known to promtool.
silencing() {
  grep -oP 'alertname=~?"\K[^"]+' $rules | sed 's/^MqttVideo(\(.*\))$/\1/; s/^MqttVideo//' | tr '|' '\n' | sed 's/^/MqttVideo/'
}
lacks 'a rule waits for an alert that does not exist' <(silencing) <(alerts)
echo "rules: checked" >&2
