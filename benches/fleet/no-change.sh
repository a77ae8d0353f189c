# shellcheck shell=bash
# shellcheck disable=SC2154 # what measure.sh sets
# A plan with nothing to change: all are given the same 38 resources on the same hosts.

no_change() {
  local runs=$1 name n peers=${TRUEUP_BENCH_PEERS:-floor pyinfra mitogen ansible}
  need_peers
  fleet_up
  "$trueup" apply --yes "$here/site.yml" "${trueup_options[@]}" >&2
  give_python
  write_inventories
  # Each is run once unmeasured first, so that what it keeps on a host is there.
  run_no_change trueup
  for name in $peers; do run_no_change "$name"; done
  rm -f "$dir"/*.times
  for name in $peers; do
    n=$runs
    [ "$name" = ansible ] && n=1
    for _ in $(seq "$n"); do
      run_no_change trueup
      run_no_change "$name"
    done
  done
  echo "| no change, 10 hosts, 38 resources each | wall, s (median) | controller CPU, s | wall, as a multiple of trueup's | runs, load at most |"
  echo "|---|---|---|---|---|"
  for name in trueup $peers; do
    echo "| $name | $(median "$name" 1) | $(median "$name" 2) | $(ratio "$name" trueup) | $(wc -l <"$dir/$name.times"), $(worst_load "$name") |"
  done
}

# Runs one of them, and holds it to having changed nothing.
run_no_change() {
  local name=$1
  case $name in
  trueup) measure trueup "$trueup" plan "$here/site.yml" "${trueup_options[@]}" ;;
  floor) measure floor bash "$dir/floor.sh" ;;
  pyinfra)
    measure pyinfra env -C "$dir" "$VENV/bin/pyinfra" -y --no-wait "$dir/inventory.py" "$here/web.pyinfra.py"
    pyinfra_changed_nothing
    ;;
  mitogen)
    measure mitogen env "ANSIBLE_CONFIG=$dir/ansible.cfg" ANSIBLE_STRATEGY=mitogen_linear \
      "ANSIBLE_STRATEGY_PLUGINS=$("$VENV/bin/python" -c 'import os, ansible_mitogen; print(os.path.join(os.path.dirname(ansible_mitogen.__file__), "plugins", "strategy"))')" \
      "$VENV/bin/ansible-playbook" -i "$dir/hosts.ini" "$here/web.ansible.yml"
    ansible_says mitogen 'changed=0 '
    ;;
  ansible)
    measure ansible env "ANSIBLE_CONFIG=$dir/ansible.cfg" "$VENV/bin/ansible-playbook" -i "$dir/hosts.ini" "$here/web.ansible.yml"
    ansible_says ansible 'changed=0 '
    ;;
  *) die "no such peer: $name" ;;
  esac
}

# ansible_says NAME TEXT: the recap of each host holds the text, and no failure.
ansible_says() {
  local good
  good=$(sed 's/\x1b\[[0-9;]*m//g' "$dir/$1.log" | grep -c "^h[0-9]* .*$2.*unreachable=0 *failed=0 ") || true
  [ "$good" = 10 ] || { tail -n 15 "$dir/$1.log" >&2; die "$1: $good of 10 hosts are as they should be ($2)"; }
}

# Of each operation all hosts stand in the last column, which is `No Change`.
pyinfra_changed_nothing() {
  sed 's/\x1b\[[0-9;]*m//g' "$dir/pyinfra.log" | awk '/Grand total/ {seen = 1; good = ($(NF - 2) == "-" && $(NF - 1) == "-" && $NF > 0)} END {exit !(seen && good)}' ||
    { tail -n 30 "$dir/pyinfra.log" >&2; die "pyinfra changed something"; }
}
