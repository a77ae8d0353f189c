# What is wanted of packages is told in words: NAME, NAME=VERSION, +NAME (the newest), -NAME (absent), !NAME (absent, and
# with no configuration left). An answer has first the lines of what is there. Where anything is due, or the newest is
# wanted, there follow:
#   #lists WORDS   why the lists of packages are not current: none, sources (changed since), old; nothing if they are
#   #failed URL    what could not be fetched with them
#   #policy        and what the lists have of the packages
#   #names         names that begin as one does that is unknown
#   #provides      what provides one that is only a name: `NAME PACKAGE`
#   #changes       and what the package manager would do, simulated; #status STATUS ends it
# At last, always: #end

# Names alone, of words.
bare() { for w do w=${w#[-+!]}; printf ' %s' "${w%%=*}"; done; }

# $1: the stamp that trueup keeps; $2: what changes when lists are fetched; then the sources. Sets `lists`.
package_lists() {
  stamp=$1 at= lists= failed=
  for f in "$1" $2; do
    if [ -e "$f" ] && { [ -z "$at" ] || [ "$f" -nt "$at" ]; }; then at=$f; fi
  done
  shift 2
  was=
  if [ -r "$stamp" ]; then
    while IFS= read -r l; do
      case $l in
        'failed '*) if [ "$at" = "$stamp" ]; then failed="$failed#$l$nl"; fi ;;
        *) was="$was$l$nl" ;;
      esac
    done <"$stamp"
  fi
  for f do if [ -n "$at" ] && [ -e "$f" ] && [ "$f" -nt "$at" ]; then lists=sources; fi; done
  if [ -z "$at" ] || [ -z "$have_lists" ]; then lists="$lists none"; fi
  # A source may have a time in the future: what counts is whether it is as it was when the lists were fetched.
  if [ -n "$lists$failed" ] && [ -n "$was" ] && [ "$was" = "$(cksum "$@" 2>/dev/null)$nl" ]; then lists=; fi
  # What failed is worth another try soon.
  if [ -n "$failed" ]; then old='-mmin +10'; else old='-mtime +0'; fi
  if [ -n "$at" ] && [ -n "$(find -H "$at" -prune $old 2>/dev/null)" ]; then lists="$lists old"; fi
  printf '#lists %s\n%s' "$lists" "$failed"
}

# Sets `due`, `gone` and `new` of the words, from `have` (` NAME=VERSION `) and `half` (` NAME= `). Both come sorted by name,
# and so each is looked for where the one before it stood: a search from the start for each would take the square of
# their number. What is not found there is looked for in all.
package_due() {
  due= gone= new= rest=$have
  for w do
    case $w in
      [-!]*) w=${w#?}; case $have$half in *" $w="*) gone="$gone $w" ;; esac; continue ;;
      +*) new="$new $w"; continue ;;
      *=*) is="$w " ;;
      *) is=$w= ;;
    esac
    case $rest in
      *" $is"*) rest=" ${rest#*" $is"}" ;;
      *) case $have in *" $is"*) ;; *) due="$due $w" ;; esac ;;
    esac
  done
}

# Reads what `apt-cache policy` says, and passes it on. Sets `known` (` NAME NAME=VERSION `) and `newest` (` NAME=VERSION `).
apt_policy() {
  known=' ' newest=' ' p=
  while IFS= read -r l; do
    printf '%s\n' "$l"
    case $l in
      '  Candidate: (none)') ;;
      '  Candidate: '*) known="$known$p ${p%%:*} "; newest="$newest$p=${l#*: } ${p%%:*}=${l#*: } " ;;
      [!\ ]*:) p=${l%:} ;;
      '        '*) ;;
      '     '[!\ ]* | ' *** '*) l=${l#?????}; known="$known$p=${l%% *} ${p%%:*}=${l%% *} " ;;
    esac
  done
}

# Takes the architecture, and words.
apt_packages() {
  native=$1
  shift
  words=$*
  set -- $(bare "$@")
  dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n' -- "$@" 2>/dev/null | {
    have=' ' half=' '
    while IFS="$tab" read -r s p a v; do
      printf '%s\t%s\t%s\t%s\n' "$s" "$p" "$a" "$v"
      case $a in "$native" | all | '') ;; *) p=$p:$a ;; esac
      case $s in
        ?i[!R]) have="$have$p=$v " ;;
        ?[nc]?) ;;
        *) half="$half$p= " ;;
      esac
    done
    package_due $words
    if [ -n "$due$gone$new" ]; then
      have_lists=
      for f in /var/lib/apt/lists/*Packages*; do if [ -e "$f" ]; then have_lists=1; fi; done
      package_lists /var/lib/trueup/package-lists '/var/lib/apt/lists /var/lib/apt/periodic/update-success-stamp' APT_SOURCES
      set -- $(bare $due $new)
      if [ $# -gt 0 ]; then
        printf '#policy\n'
        apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy -- "$@" 2>/dev/null
      fi | {
        apt_policy
        todo= unknown=
        for w in $due; do
          case $known in *" $w "*) todo="$todo $w" ;; *" ${w%%=*} "*) ;; *) unknown="$unknown $w" ;; esac
        done
        for w in $new; do
          w=${w#+}
          case $newest in
            *" $w="*) c=${newest#*" $w="}; case $have in *" $w=${c%% *} "*) ;; *) todo="$todo $w" ;; esac ;;
            *) case $have in *" $w="*) ;; *) unknown="$unknown $w" ;; esac ;;
          esac
        done
        if [ -n "$unknown" ] && [ -z "$lists" ]; then
          printf '#names\n'
          set --
          for w in $unknown; do
            if [ $# -lt 20 ]; then w=${w%%=*}; r=${w#??}; set -- "$@" -e "^${w%"$r"}"; fi
          done
          apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= pkgnames 2>/dev/null | grep -m 5000 "$@"
          printf '#provides\n'
          apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= showpkg -- $(bare $unknown) 2>/dev/null | awk '
            /^Package: / { p = $2; of = 0 }
            /^[A-Z][A-Za-z ]*:/ { of = /^Reverse Provides:/; next }
            of && NF && n++ < 1000 { print p, $1 }'
        fi
        for w in $gone; do todo="$todo $w-"; done
        if [ -n "$todo" ]; then
          printf '#changes\n'
          # Even a simulation logs what its planner was asked.
          apt-get -s -y -q -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Log::Planner=/dev/null \
            -o Dir::Log::Solver=/dev/null -o Debug::pkgDepCache::AutoInstall=1 -o Debug::pkgProblemResolver=1 \
            --allow-downgrades install -- $todo 2>&1
          printf '#status %s\n' $?
        fi
      }
    fi
    printf '#end\n'
  }
}

# Takes the architecture, and words.
dnf_packages() {
  native=$1
  shift
  words=$*
  set -- $(bare "$@")
  rpm -q --qf '%{NAME}\t%{EVR}\t%{ARCH}\n' -- "$@" 2>/dev/null | {
    have=' ' half=
    while IFS="$tab" read -r p v a; do
      case $a in '') continue ;; esac
      printf '%s\t%s\t%s\n' "$p" "$v" "$a"
      v=${v#(none):}
      case $a in "$native" | noarch) have="$have$p=$v " ;; *) have="$have$p=$v $p.$a=$v " ;; esac
    done
    package_due $words
    if [ -n "$due$gone$new" ]; then
      have_lists= at=
      for f in /var/cache/dnf/*.solv /var/cache/libdnf5/*; do
        if [ -e "$f" ]; then have_lists=1; if [ -z "$at" ] || [ "$f" -nt "$at" ]; then at=$f; fi; fi
      done
      package_lists /var/lib/trueup/package-lists "/var/cache/dnf /var/cache/libdnf5 $at" DNF_SOURCES
      todo=
      if [ -n "$due$new" ]; then
        printf '#policy\n'
        policy=$(dnf -C -q repoquery --qf '%{name} %{evr} %{arch}\n' -- $(bare $due $new) 2>/dev/null)
        printf '%s\n' "$policy"
        for w in $due; do
          p=${w%%=*}
          case $nl$policy in *"$nl${p%".$native"} "*) todo="$todo $p${w#"$p"}" ;; *"$nl${p%.*} "*) todo="$todo $w" ;; esac
        done
        for w in $new; do todo="$todo ${w#+}"; done
      fi
      # NAME=VERSION is NAME-VERSION to dnf.
      set --
      for w in $todo; do case $w in *=*) w=${w%%=*}-${w#*=} ;; esac; set -- "$@" "$w"; done
      if [ -n "$todo" ]; then
        printf '#changes\n'
        COLUMNS=200 dnf -C --assumeno --best install -- "$@" 2>&1
        printf '#status %s\n' $?
      fi
      if [ -n "$gone" ]; then
        printf '#changes\n'
        COLUMNS=200 dnf -C --assumeno remove -- $gone 2>&1
        printf '#status %s\n' $?
      fi
    fi
    printf '#end\n'
  }
}

# Takes the architecture, and words.
apk_packages() {
  shift
  words=$*
  set -- $(bare "$@")
  apk info -e -v -- "$@" 2>/dev/null | {
    have=' ' half=
    while IFS= read -r l; do
      printf '%s\n' "$l"
      v=${l%-*}
      have="$have${v%-*}=${l#"${v%-*}"-} "
    done
    package_due $words
    if [ -n "$due$gone$new" ]; then
      have_lists=
      for f in /var/cache/apk/APKINDEX* /etc/apk/cache/APKINDEX*; do if [ -e "$f" ]; then have_lists=1; fi; done
      package_lists /var/lib/trueup/package-lists '/var/cache/apk /etc/apk/cache' APK_SOURCES
      todo=
      if [ -n "$due$new" ]; then
        printf '#policy\n'
        policy=$(apk policy -- $(bare $due $new) 2>/dev/null)
        printf '%s\n' "$policy"
        for w in $due $new; do
          w=${w#+}
          case $nl$policy in *"$nl${w%%=*} policy:"*) todo="$todo $w" ;; esac
        done
      fi
      if [ -n "$todo" ]; then
        printf '#changes\n'
        apk add --simulate --no-network --upgrade -- $todo 2>&1
        printf '#status %s\n' $?
      fi
      if [ -n "$gone" ]; then
        printf '#changes\n'
        apk del --simulate --no-network -- $gone 2>&1
        printf '#status %s\n' $?
      fi
    fi
    printf '#end\n'
  }
}
