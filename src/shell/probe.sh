apt_packages() {
  always=
  for p do case $p in +*) always="$always ${p#+}" ;; esac; done
  n=$#
  for p do set -- "$@" "${p#+}"; done
  shift $n
  { dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n' -- "$@" 2>&1; } | {
    set -- $always
    while IFS= read -r l; do
      case $l in
        [ih]i*) printf '%s\n' "$l" ;;
        'dpkg-query: no packages found matching '*) set -- "$@" "${l##* }" ;;
        *"$tab"*) printf '%s\n' "$l"; l=${l#*"$tab"}; set -- "$@" "${l%%"$tab"*}" ;;
      esac
    done
    printf 'policy\n'
    if [ $# -gt 0 ]; then apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy -- "$@" 2>/dev/null; fi
  }
}
authorized_keys() {
  { if command -v getent >/dev/null; then getent passwd -- "$@"; else cat /etc/passwd; fi; } 2>/dev/null | while IFS=: read -r n _ _ _ _ h _; do
    for u do
      if [ "$u" = "$n" ]; then
        if [ -d "$h/.ssh" ]; then s=yes; else s=no; fi
        printf 'user\t%s\t%s\t%s\n' "$n" "$h" "$s"
        if [ -r "$h/.ssh/authorized_keys" ]; then
          while IFS= read -r l || [ -n "$l" ]; do printf 'key\t%s\n' "$l"; done <"$h/.ssh/authorized_keys"
        fi
      fi
    done
  done
}
