#!/usr/bin/env bash
# Installs the real servers that the tests, the demo and the benchmarks start, and staticcheck.
#   scripts/install-servers.sh [postgres] [kafka] [clickhouse] [s3] [tools]     (default: all)
# Everything goes to ${CONNECTD_SERVERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectd}, except
# Debian packages that are missing (PostgreSQL 15, Java, Maven, …). What is there is left alone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../internal/testenv/versions.env"
dir=${CONNECTD_SERVERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectd}

# ---- what is where (package testenv looks at the same places) ----

postgres15_debian=/usr/lib/postgresql/15/bin
postgis=/usr/share/postgresql/15/extension/postgis.control # of Debian's PostgreSQL only
for major in 13 14 15 16 17 18; do
  version=POSTGRES_$major
  declare "postgres$major=$dir/postgresql-${!version}"
done
postgres_all=(postgres15 postgres17 postgres18 postgres16 postgres14 postgres13)
kafka=$dir/kafka-$KAFKA
clickhouse=$dir/clickhouse-chdb-$CHDB
versitygw=$dir/versitygw-$VERSITYGW
staticcheck=$dir/staticcheck-$STATICCHECK

missing() { # missing THING: is it still to be installed?
  case $1 in
    postgres15) [[ ! -x $postgres15_debian/postgres && ! -x $postgres15/bin/postgres ]] ;;
    *) [[ ! -d ${!1} ]] ;;
  esac
}

things=()
for name in "${@:-all}"; do
  case $name in
    postgres) things+=("${postgres_all[@]}") ;;
    kafka) things+=(kafka) ;;
    clickhouse) things+=(clickhouse) ;;
    s3) things+=(versitygw) ;;
    tools) things+=(staticcheck) ;;
    all) things+=("${postgres_all[@]}" kafka clickhouse versitygw staticcheck) ;;
    *) echo "install-servers.sh: \"$name\" is not a server; want postgres, kafka, clickhouse, s3 or tools" >&2; exit 2 ;;
  esac
done

wanted() { # wanted THING: was it asked for, and is it missing?
  [[ " ${things[*]} " == *" $1 "* ]] && missing "$1"
}

has() { command -v "$1" >/dev/null; }
can_apt() { has apt-get && { ((EUID == 0)) || has sudo; }; }
offers() { can_apt && [[ -n $(apt-cache show "$1" 2>/dev/null) ]]; } # offers PACKAGE
lacks_postgis() {
  [[ " ${things[*]} " == *" postgres15 "* && -x $postgres15_debian/postgres && ! -e $postgis ]] && can_apt
}

todo=0
if lacks_postgis; then todo=1; fi
for thing in "${things[@]}"; do
  if missing "$thing"; then todo=1; fi
done
((todo)) || exit 0

mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9 # two runs at once: the second one waits and then finds everything there
part=$(mktemp -d "$dir/.part-XXXXXX")
trap 'rm -rf "$part"' EXIT

# ---- Debian packages, all in one go ----

packages=()
need() { packages+=("$1"); }
if wanted postgres15 && offers postgresql-15; then
  need postgresql-15 # elsewhere it comes from Maven, as the others do
  if offers postgresql-15-postgis-3; then need postgresql-15-postgis-3; fi
elif lacks_postgis && offers postgresql-15-postgis-3; then
  need postgresql-15-postgis-3
fi
wanted_postgres() { # is any of them still to be installed?
  local thing
  for thing in "${postgres_all[@]}"; do
    if wanted "$thing"; then return; fi
  done
  return 1
}
if wanted_postgres; then
  has xz || need xz-utils
  has unzip || need unzip
fi
if wanted_postgres || wanted kafka; then
  has java || need default-jre-headless
  has mvn || need maven
fi
if wanted clickhouse; then
  has python3 || need python3
  python3 -c 'import ensurepip' 2>/dev/null || need python3-venv
fi

seconds() { # seconds THING COMMAND…: runs it, prints one line
  local from=$SECONDS log=$part/$1.log
  if "${@:2}" >"$log" 2>&1; then
    echo "installed $1 in $((SECONDS - from)) s"
  else
    echo "install $1: ${*:2} ended with an error; its last lines:" >&2
    tail -n 20 "$log" >&2
    return 1
  fi
}

apt_install() {
  local sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

if ((${#packages[@]})); then
  if ! can_apt; then
    echo "install-servers.sh: please install these (names of Debian packages), then run it again: ${packages[*]}" >&2
    exit 1
  fi
  echo "installing Debian packages: ${packages[*]}"
  seconds "Debian packages" apt_install "${packages[@]}"
fi

# ---- one function per thing: fills $part/THING, which is then moved into place ----

maven() { # maven PROFILE OUTPUT -DNAME=VERSION…
  mvn -B -q -f "$here/servers-pom.xml" -P "$1" "${@:3}" \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2"
}

postgres_from_maven() { # postgres_from_maven THING VERSION
  maven postgres "$part/$1-jar" -Dpostgres="$2"
  unzip -q "$part/$1-jar/"embedded-postgres-binaries-*.jar '*.txz' -d "$part/$1-jar"
  mkdir "$part/$1"
  tar -xJf "$part/$1-jar/"*.txz -C "$part/$1"
}
for major in 13 14 15 16 17 18; do
  eval "install_postgres$major() { postgres_from_maven postgres$major \"\$POSTGRES_$major\"; }"
done

# The data directory of a new node is formatted here once and copied at each start,
# which halves the time to start a broker.
install_kafka() {
  maven kafka "$part/kafka/libs" -Dkafka="$KAFKA" -Dlog4j="$LOG4J"
  local id=conNectdTestServersKaf
  cat >"$part/format.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:1
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1
log.dirs=$part/kafka/formatted
PROPERTIES
  java -cp "$part/kafka/libs/*" kafka.tools.StorageTool format -t "$id" -c "$part/format.properties"
}

install_clickhouse() {
  python3 -m venv "$part/clickhouse"
  "$part/clickhouse/bin/python" -m pip install -q --no-deps \
    "chdb-core==$CHDB" "lz4==$LZ4" "zstandard==$ZSTANDARD" "clickhouse-cityhash==$CITYHASH"
}

go_install() { # go_install THING PACKAGE@VERSION
  (cd "$part" && CGO_ENABLED=0 GOBIN="$part/$1" go install -trimpath -ldflags='-s -w' "$2")
}
install_versitygw() { go_install versitygw "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"; }
install_staticcheck() { go_install staticcheck "honnef.co/go/tools/cmd/staticcheck@$STATICCHECK"; }

install() { # install THING…: one after the other
  local thing
  for thing in "$@"; do
    wanted "$thing" || continue
    seconds "$thing" bash -c "set -euo pipefail; install_$thing" || return 1
    chmod -R u+rwX,go+rX "$part/$thing"
    mv -T "$part/$thing" "${!thing}"
  done
}
export here part ${!POSTGRES_*} KAFKA LOG4J CHDB LZ4 ZSTANDARD CITYHASH VERSITYGW STATICCHECK
export -f maven postgres_from_maven go_install
for thing in "${things[@]}"; do export -f "install_$thing"; done

# Three lines at once: Maven's local repository, pip and the Go build do not share files.
names=()
for thing in "${things[@]}"; do
  if missing "$thing"; then names+=("$thing"); fi
done
((${#names[@]})) || exit 0
echo "installing into $dir (a few minutes, once): ${names[*]}"
install "${postgres_all[@]}" kafka & maven=$!
install clickhouse & pip=$!
install staticcheck versitygw & gobuild=$!
status=0
for job in $maven $pip $gobuild; do wait "$job" || status=1; done
exit $status
