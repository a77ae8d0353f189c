# shellcheck shell=bash
# shellcheck disable=SC2154 # what measure.sh sets
# The cost of a plan as resources grow: a tenth packages, a tenth users, the rest files.

growth() {
  local runs=$1 count counts=(38 380 3800)
  local name
  fleet_up
  for count in "${counts[@]}"; do generate "$count" >"$dir/$count.yml"; done
  "$trueup" apply --yes "$dir/38.yml" "${trueup_options[@]}" >"$dir/apply.log" || { tail -n 20 "$dir/apply.log" >&2; die "apply of 38"; }
  # The rest of the files past trueup, for it is the plan that is measured.
  for name in "${HOSTS[@]}"; do
    # shellcheck disable=SC2016 # for the host's shell
    on "$name" sh -c 'umask 022; i=0; while [ $i -lt 3800 ]; do printf "id = %s\n" $i >/etc/many/$i.conf; i=$((i + 1)); done'
  done
  for count in "${counts[@]}"; do measure first "$trueup" plan "$dir/$count.yml" "${trueup_options[@]}"; done
  for _ in $(seq "$runs"); do
    for count in "${counts[@]}"; do measure "of-$count" "$trueup" plan "$dir/$count.yml" "${trueup_options[@]}"; done
  done
  echo "| no change, 10 hosts, resources each | wall, s (median) | controller CPU, s | wall a resource, ms | processes on a host | bytes to a host | round trips | load at most |"
  echo "|---|---|---|---|---|---|---|---|"
  for count in "${counts[@]}"; do
    echo "| $count | $(median "of-$count" 1) | $(median "of-$count" 2) | $(awk "BEGIN {printf \"%.3f\", $(median "of-$count" 1) * 100 / $count}") | $(processes "$count") | $(judged "$count" bytes_sent) | $(judged "$count" round_trips) | $(worst_load "of-$count") |"
  done
}

# Files each with contents of its own; a tenth are users and a tenth packages, which but for two are to be absent.
generate() {
  local tenth=$(($1 / 10))
  cat <<YML
- hosts: debian
  resources:
    - package: "{{ item }}"
      for_each: [htop, tree]
    - package: "absent-{{ item }}"
      state: absent
      for_each: "{{ range($((tenth - 2))) }}"
    - user: "none{{ item }}"
      state: absent
      for_each: "{{ range($tenth) }}"
    - directory: /etc/many
    - file: "/etc/many/{{ item }}.conf"
      content: "id = {{ item }}\n"
      mode: "0644"
      for_each: "{{ range($(($1 - 2 * tenth - 1))) }}"
YML
}

# One number of the first host's report.
judged() {
  "$trueup" plan --json "$dir/$1.yml" "${trueup_options[@]}" --limit "${HOSTS[0]}" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["hosts"][0][sys.argv[1]])' "$2"
}

# Processes that a plan makes on a host, those of the login among them. A host numbers its processes one by one, and
# this asks for the number before and after; the asking is one. The least of five, since a host has others of its own.
processes() {
  local before after least=
  for _ in 1 2 3 4 5; do
    before=$(next_process)
    "$trueup" plan "$dir/$1.yml" "${trueup_options[@]}" --limit "${HOSTS[0]}" >/dev/null
    after=$(next_process)
    if [ -z "$least" ] || [ $((after - before - 1)) -lt "$least" ]; then least=$((after - before - 1)); fi
  done
  echo "$least"
}

# shellcheck disable=SC2016 # for the host's shell
next_process() { on "${HOSTS[0]}" sh -c 'echo $$'; }
