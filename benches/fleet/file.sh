# shellcheck shell=bash
# shellcheck disable=SC2154 # what measure.sh sets
# A large file to each host, beside scp: at once and one host after the other. The contents are random, so that nothing
# is won by compression.

file() {
  local runs=$1 megabytes=${TRUEUP_BENCH_FILE_MB:-500} way before sent name
  local free
  free=$(df --output=avail -BM "$dir" | tail -n 1 | tr -dc 0-9)
  [ "$free" -gt $((megabytes * 24)) ] || die "$megabytes MB to 10 hosts need $((megabytes * 24)) MB free, and there are $free"
  fleet_up
  local large=$dir/files/large
  mkdir "$dir/files"
  head -c $((megabytes * 1000000)) /dev/urandom >"$large"
  head -c $((megabytes * 100000)) "$large" >"$dir/files/small"
  for name in large small; do
    printf -- '- hosts: debian\n  resources:\n    - file: /srv/%s\n      source: %s\n      mode: "0644"\n' "$name" "$name" >"$dir/$name.yml"
  done
  write_parallel scp "scp -q ${ssh_options[*]} $large root@ADDRESS:/srv/large"
  write_parallel scp-to-disk "(scp -q ${ssh_options[*]} $large root@ADDRESS:/srv/large && ssh ${ssh_options[*]} root@ADDRESS sync /srv/large)"
  { echo 'set -e'; for a in "${addresses[@]}"; do echo "scp -q ${ssh_options[*]} $large root@$a:/srv/large"; done; } >"$dir/scp-one-by-one.sh"
  measure small "$trueup" apply --yes "$dir/small.yml" "${trueup_options[@]}"
  for _ in $(seq "$runs"); do
    take_away
    measure large "$trueup" apply --yes "$dir/large.yml" "${trueup_options[@]}"
    is_there
    for way in scp scp-to-disk; do
      take_away
      measure "$way" bash "$dir/$way.sh"
      is_there
    done
  done
  take_away
  measure large-one-by-one "$trueup" apply --yes --forks 1 "$dir/large.yml" "${trueup_options[@]}"
  take_away
  measure scp-one-by-one bash "$dir/scp-one-by-one.sh"
  take_away
  "$trueup" apply --yes "$dir/large.yml" "${trueup_options[@]}" >/dev/null
  before=$(bytes_to_hosts)
  measure unchanged "$trueup" apply --yes "$dir/large.yml" "${trueup_options[@]}"
  sent=$((($(bytes_to_hosts) - before) / 10))
  echo "| $megabytes MB to 10 hosts | wall, s (median) | controller CPU, s | wall, as a multiple of scp's | peak memory, MiB | load at most |"
  echo "|---|---|---|---|---|---|"
  for name in large scp scp-to-disk large-one-by-one scp-one-by-one; do
    case $name in
    large) echo -n "| trueup apply | $(median large 1) | $(median large 2) | $(ratio large scp) " ;;
    scp) echo -n "| scp, ten at once | $(median scp 1) | $(median scp 2) | 1 " ;;
    scp-to-disk) echo -n "| scp, then sync of the file, ten at once | $(median scp-to-disk 1) | $(median scp-to-disk 2) | $(ratio scp-to-disk scp) " ;;
    large-one-by-one) echo -n "| trueup apply --forks 1 | $(median large-one-by-one 1) | $(median large-one-by-one 2) | $(ratio large-one-by-one scp-one-by-one) (one by one) " ;;
    scp-one-by-one) echo -n "| scp, one by one | $(median scp-one-by-one 1) | $(median scp-one-by-one 2) | 1 (one by one) " ;;
    esac
    echo "| $(median "$name" 3) | $(worst_load "$name") |"
  done
  echo
  echo "trueup's peak memory with a file of a tenth of that size: $(median small 3) MiB. A second apply takes $(median unchanged 1) s and sends $sent bytes to a host (by its link's counter, handshake and all), of a file of $megabytes MB."
}

# Without the file, and with nothing left to be written.
take_away() {
  local name
  for name in "${HOSTS[@]}"; do on "$name" sh -c 'rm -f /srv/large; rm -rf /var/lib/trueup/runs/*'; done
  sync
}

is_there() {
  local name
  for name in "${HOSTS[@]}"; do
    [ "$(stat -c %s "$fleet/hosts/$name/root/srv/large")" = "$(stat -c %s "$dir/files/large")" ] || die "the file on $name is not whole"
  done
}
