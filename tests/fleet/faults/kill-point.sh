#!/bin/sh
# Stands before the host's own programs, and counts their calls while an apply holds the host: each is a moment at which
# the apply may die. At the call whose number is in `at` it brings that about as `how` says.
name=${0##*/}
PATH=/usr/sbin:/usr/bin:/sbin:/bin
k=/srv/kill-point
"$name" "$@"
status=$?
if [ -e $k/at ] && held=$(readlink /var/lib/trueup/lock); then
  # A confirmation comes by another connection, so that two may call at once: each has a number of its own.
  n=$(flock $k/lock sh -c "echo >>$k/count; wc -l <$k/count")
  set -- $held
  printf '%s %s %s\n' "$n" "$name" "$(grep -v ^beside "/var/lib/trueup/runs/$4/journal" 2>/dev/null | tail -n 1)" >>$k/log
  if [ "$n" = "$(cat $k/at)" ]; then
    rm $k/at
    case $(cat $k/how) in
    shell)
      echo >$k/reached
      kill -9 "-$(ps -o pgid= -p "$1" | tr -d ' ')"
      kill -9 $$
      ;;
    connection)
      # The session's sshd, of the connection's two the one that is nearer.
      p=$1
      until [ "$(cat "/proc/$p/comm")" = sshd ]; do p=$(ps -o ppid= -p "$p" | tr -d ' '); done
      kill -9 "$p"
      echo >$k/reached
      ;;
    *)
      echo >$k/reached
      until [ -e $k/go ]; do sleep 0.05; done
      ;;
    esac
  fi
fi
exit $status
