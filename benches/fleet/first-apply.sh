# shellcheck shell=bash
# shellcheck disable=SC2154 # what measure.sh sets
# The first apply: each run on hosts made anew.

first_apply() {
  local runs=$1 name
  need_peers
  for _ in $(seq "$runs"); do
    fleet_up
    measure apply "$trueup" apply --yes --timings "$here/site.yml" "${trueup_options[@]}"
    "$trueup" plan "$here/site.yml" "${trueup_options[@]}" >/dev/null || die "not in line after its apply"
    fleet_up
    # The package manager alone, as trueup calls it.
    write_parallel apt "ssh ${ssh_options[*]} root@ADDRESS env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light htop tree jq curl"
    measure apt bash "$dir/apt.sh"
    fleet_up
    give_python
    write_inventories
    measure ansible-apply env "ANSIBLE_CONFIG=$dir/ansible.cfg" "$VENV/bin/ansible-playbook" -i "$dir/hosts.ini" "$here/web.ansible.yml"
    ansible_says ansible-apply 'changed=1[0-9] '
  done
  echo "| first apply, 10 fresh hosts, 38 resources each | wall, s (median) | controller CPU, s | wall, as a multiple of trueup's | load at most |"
  echo "|---|---|---|---|---|"
  for name in apply apt ansible-apply; do
    case $name in
    apply) echo -n "| trueup apply " ;;
    apt) echo -n "| of that, \`apt-get install\` alone (ten parallel \`ssh\`) " ;;
    *) echo -n "| ansible " ;;
    esac
    echo "| $(median "$name" 1) | $(median "$name" 2) | $(ratio "$name" apply) | $(worst_load "$name") |"
  done
  awk "BEGIN {printf \"\nWithout the package manager: trueup %.1f s, Ansible %.1f s.\n\", $(median apply 1) - $(median apt 1), $(median ansible-apply 1) - $(median apt 1)}"
}
