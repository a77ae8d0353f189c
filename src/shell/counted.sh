# What a run that died had told the ledger of so far: it sets `x3`, as a gate does, for each change whose note does not
# count. A step that was begun may have made what it makes; what it removes is gone for sure once it is done.
counted() {
  while read -r what n f; do
    case $n in '' | *[!0-9]*) continue ;; esac
    case "$what $f" in
      begin\ *) eval "came$n=begun" ;;
      done\ 0) eval "came$n=done" ;;
      done\ *) eval "came$n=failed" ;;
    esac
  done <"$1/journal"
  while read -r n changes; do
    case $n$changes in '' | *[!0-9\ ]*) continue ;; esac
    eval "v=\${came$n:-left}"
    for n in $changes; do eval "of$n=\"\${of$n-} $v\""; done
  done <"$1/serves"
  while read -r n _ f; do
    case $n in '' | *[!0-9]*) continue ;; esac
    eval "v=\${of$n-}"
    case "$v $f" in
      *done*failed*\ ?* | *failed*done*\ ?*) continue ;;
      *failed*) ;;
      *begun*\ | *left*\ ) ;;
      *begun* | *done*) continue ;;
    esac
    eval "x$n=$n"
  done <"$1/notes"
}
