# shellcheck shell=bash disable=SC2034  # the variables are for those who source this
# Throw-away servers on loopback for the tests, the benchmarks and the examples. Source this file, then
#
#     servers_install                      apt packages that are missing (nothing is asked of apt when none is)
#     servers_begin                        a private folder, and an EXIT trap that stops everything started here
#     servers_postgres NAME [SETTING...]   a PostgreSQL cluster; sets POSTGRES_PORT and POSTGRES_URL
#     servers_kafka                        a Kafka broker; sets KAFKA_BOOTSTRAP and KAFKA_KIND
#
# Servers never run as root: started by root, they run as the user `postgres` (or `nobody`). They listen on 127.0.0.1
# only, die with the script that started them even when that script is killed, and leave no file behind when it ends.

readonly NOIDA_VERSION=0.2.3
readonly KAFKA_IMAGE=apache/kafka:4.0.0

SERVERS_DIR=
declare -A SERVERS_SIGNALS=()    # of each server's process: the signal that ends it
SERVERS_CONTAINERS=()
SERVERS_PG_BIN=
SERVERS_AS=()          # prefix of a command that runs as the servers' user
POSTGRES_PORT='' POSTGRES_URL=''
KAFKA_BOOTSTRAP='' KAFKA_KIND=''

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# timed LABEL COMMAND...: runs it and says how long it took.
timed() {
    local label=$1 begin=$SECONDS status=0
    shift
    "$@" || status=$?
    say "$label: $( ((status == 0)) || echo "failed after ")$((SECONDS - begin)) s"
    return "$status"
}

# servers_missing PACKAGE...: prints those that dpkg does not have installed.
servers_missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

# servers_install PACKAGE...: installs what is missing. No system PostgreSQL cluster is made or left running by it.
servers_install() {
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: the libraries that README.md names are taken as installed"
        return
    fi
    local missing sudo=() clusters=/etc/postgresql-common/createcluster.conf cluster=''
    mapfile -t missing < <(servers_missing "$@")
    ((${#missing[@]})) || return 0
    if ((EUID)); then
        command -v sudo >/dev/null || die "packages missing and neither root nor sudo: ${missing[*]}"
        sudo=(sudo)
    fi
    say "apt: ${missing[*]}"
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
        cluster=15
        if [[ ! -e $clusters ]]; then
            cluster=''
            "${sudo[@]}" mkdir -p "${clusters%/*}"
            echo 'create_main_cluster = false' | "${sudo[@]}" tee "$clusters" >/dev/null
        fi
    fi
    timed "apt" servers_apt "${missing[@]}"
    [[ -z $cluster ]] || "${sudo[@]}" pg_ctlcluster "$cluster" main stop >/dev/null 2>&1 || true
}

servers_apt() {
    local install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Options::=--force-confold
        install -y --no-install-recommends "$@")
    # The lists of a fresh machine are empty or old: they are fetched only when the first try does not find a package.
    "${install[@]}" >/dev/null 2>&1 </dev/null && return
    "${sudo[@]}" apt-get -qq update </dev/null && "${install[@]}" >&2 </dev/null
}

# servers_begin: the private folder, and the trap that empties it.
servers_begin() {
    local user=''
    SERVERS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/weir.XXXXXX")
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 && user=postgres || user=nobody
        SERVERS_AS=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
        chown "$user" "$SERVERS_DIR"
    fi
    chmod 755 "$SERVERS_DIR"
    trap servers_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# servers_as COMMAND...: runs it as the servers' user, from their folder.
servers_as() { (cd "$SERVERS_DIR" && HOME=$SERVERS_DIR "${SERVERS_AS[@]}" "$@"); }

# servers_spawn SIGNAL LOG COMMAND...: starts a server that SIGNAL ends; SERVERS_PID is its process.
servers_spawn() {
    local signal=$1 log=$2
    shift 2
    # --pdeathsig: it gets the signal also when this script is killed and no trap runs.
    pushd "$SERVERS_DIR" >/dev/null || return
    HOME=$SERVERS_DIR setpriv "${SERVERS_AS[@]:1}" --pdeathsig "$signal" -- "$@" >"$log" 2>&1 </dev/null &
    SERVERS_PID=$!
    popd >/dev/null || return
    SERVERS_SIGNALS[$SERVERS_PID]=$signal
}

# servers_end: stops all, waits for it, removes the folder. Runs on every way out; keeps the exit status.
servers_end() {
    local status=$? pid container
    set +e
    trap '' INT TERM HUP
    trap - EXIT
    if declare -F servers_before_end >/dev/null; then servers_before_end; fi
    # The data is thrown away, so no orderly end is asked for. QUIT is PostgreSQL's immediate shutdown, which takes its
    # children and its shared memory along.
    for pid in "${!SERVERS_SIGNALS[@]}"; do kill -"${SERVERS_SIGNALS[$pid]}" "$pid" 2>/dev/null; done
    for container in "${SERVERS_CONTAINERS[@]}"; do docker rm -f "$container" >/dev/null 2>&1; done
    servers_reap 50 2>/dev/null
    [[ -n $SERVERS_DIR && -d $SERVERS_DIR ]] && rm -rf "$SERVERS_DIR"
    exit "$status"
}

# servers_descendants PID: prints the processes that it started, and those that they started.
servers_descendants() {
    local stat line parents=" $1 " grown=1
    # /proc/PID/stat is: PID (name) state parent ..., where the name may hold anything.
    while ((grown)); do
        grown=0
        for stat in /proc/[0-9]*/stat; do
            { read -r line <"$stat"; } 2>/dev/null || continue
            local pid=${line%% *} rest=${line##*) }
            rest=${rest#* }
            if [[ $parents == *" ${rest%% *} "* && $parents != *" $pid "* ]]; then
                parents+="$pid "
                grown=1
                echo "$pid"
            fi
        done
    done
}

# servers_reap TENTHS: gives the servers that long to end, then kills those that have not.
servers_reap() {
    local left=$1 pid
    for pid in "${!SERVERS_SIGNALS[@]}"; do
        while ((left-- > 0)) && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    SERVERS_SIGNALS=()
}

# servers_port: prints a TCP port that nothing listens on, below the range that outgoing connections take theirs from.
servers_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# servers_await PID PORT LOG: until the server answers on the port; fails when it ends first or takes over 60 s.
servers_await() {
    local pid=$1 port=$2 log=$3 left=600
    while ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        if ! kill -0 "$pid" 2>/dev/null || ((left-- == 0)); then
            tail -n 30 "$log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# servers_find_postgres: sets SERVERS_PG_BIN, the folder of initdb and postgres: WEIR_TEST_PG_BIN, else the newest one.
servers_find_postgres() {
    SERVERS_PG_BIN=${WEIR_TEST_PG_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
    [[ -x $SERVERS_PG_BIN/initdb ]] || die "no initdb in $SERVERS_PG_BIN: set WEIR_TEST_PG_BIN"
}

# servers_postgres NAME [SETTING...]: a cluster with logical replication on and trust authentication, e.g. fsync=off.
servers_postgres() {
    local name=$1 data=$SERVERS_DIR/$1 setting log=$SERVERS_DIR/$1.log
    shift
    [[ -n $SERVERS_PG_BIN ]] || servers_find_postgres
    servers_as "$SERVERS_PG_BIN/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
        >"$log" 2>&1 </dev/null || { cat "$log" >&2; die "initdb failed"; }
    POSTGRES_PORT=$(servers_port)
    local options=(-c "port=$POSTGRES_PORT" -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$SERVERS_DIR"
        -c wal_level=logical -c max_replication_slots=40 -c max_wal_senders=40)
    for setting in "$@"; do options+=(-c "$setting"); done
    servers_spawn QUIT "$log" "$SERVERS_PG_BIN/postgres" -D "$data" "${options[@]}"
    servers_await "$SERVERS_PID" "$POSTGRES_PORT" "$log" || die "PostgreSQL did not start"
    # It listens before it answers: "starting up" is an answer too, and not one that pg_isready waits behind.
    local left=600
    until servers_as "$SERVERS_PG_BIN/pg_isready" -q -t 5 -h 127.0.0.1 -p "$POSTGRES_PORT"; do
        ((left-- > 0)) || die "PostgreSQL does not answer"
        sleep 0.1
    done
    POSTGRES_URL=postgresql://postgres@127.0.0.1:$POSTGRES_PORT/postgres
    say "PostgreSQL '$name' on 127.0.0.1:$POSTGRES_PORT"
}

# servers_kafka: the broker named by WEIR_TEST_KAFKA, else one of KAFKA_HOME, else of Docker, else noida-db.
servers_kafka() {
    if [[ -n ${WEIR_TEST_KAFKA:-} ]]; then
        KAFKA_BOOTSTRAP=$WEIR_TEST_KAFKA KAFKA_KIND=${WEIR_TEST_KAFKA_KIND:-given}
    elif [[ -n ${KAFKA_HOME:-} ]]; then
        servers_kafka_home
    elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then
        servers_kafka_docker
    else
        servers_kafka_noida
    fi
    say "Kafka ($KAFKA_KIND) on $KAFKA_BOOTSTRAP"
}

# The settings of a single KRaft node, as lines of a properties file.
servers_kafka_properties() {
    local port=$1 controller=$2
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$SERVERS_DIR/kafka
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
PROPERTIES
}

servers_kafka_home() {
    local libs=$KAFKA_HOME/libs properties=$SERVERS_DIR/kafka.properties log=$SERVERS_DIR/kafka.log port
    compgen -G "$libs/kafka*.jar" >/dev/null || die "KAFKA_HOME=$KAFKA_HOME has no libs/kafka*.jar"
    servers_as test -r "$libs" || die "KAFKA_HOME=$KAFKA_HOME cannot be read by the servers' user"
    command -v java >/dev/null || die "KAFKA_HOME is set but there is no java (Debian: openjdk-17-jre-headless)"
    port=$(servers_port)
    servers_kafka_properties "$port" "$(servers_port)" >"$properties"
    local java=(java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*")
    servers_as "${java[@]}" kafka.tools.StorageTool format --standalone -t d2Vpci10ZXN0LWJyb2tlcg -c "$properties" \
        >"$log" 2>&1 </dev/null || { cat "$log" >&2; die "Kafka's storage could not be formatted"; }
    servers_spawn KILL "$log" "${java[@]}" kafka.Kafka "$properties"
    servers_await "$SERVERS_PID" "$port" "$log" || die "Kafka did not start"
    KAFKA_BOOTSTRAP=127.0.0.1:$port KAFKA_KIND=apache
}

servers_kafka_docker() {
    local port name line environment=()
    port=$(servers_port)
    name=weir-kafka-$$-$port
    while IFS= read -r line; do
        [[ $line == log.dirs=* ]] && continue
        # Inside the container the listener must take what Docker forwards to it.
        line=${line/listeners=PLAINTEXT:\/\/127.0.0.1/listeners=PLAINTEXT:\/\/0.0.0.0}
        line=${line/advertised.listeners=PLAINTEXT:\/\/0.0.0.0/advertised.listeners=PLAINTEXT:\/\/127.0.0.1}
        # The image formats its storage itself and then wants the voters named.
        line=${line/#controller.quorum.bootstrap.servers=/controller.quorum.voters=1@}
        local key=${line%%=*}
        key=${key//./_}
        environment+=(-e "KAFKA_${key^^}=${line#*=}")
    done < <(servers_kafka_properties "$port" 19093)
    SERVERS_CONTAINERS+=("$name")
    timed "docker run $KAFKA_IMAGE" docker run -d --rm --name "$name" -p "127.0.0.1:$port:$port" \
        "${environment[@]}" "$KAFKA_IMAGE" >/dev/null || die "Docker could not start $KAFKA_IMAGE"
    # Docker's own proxy answers on the port before the broker does, so the broker's log is what tells.
    local left=600
    until docker logs "$name" 2>&1 | grep -q 'Kafka Server started'; do
        ((left-- > 0)) || { docker logs --tail 30 "$name" >&2; die "Kafka did not start in Docker"; }
        sleep 0.1
    done
    KAFKA_BOOTSTRAP=127.0.0.1:$port KAFKA_KIND=apache
}

servers_kafka_noida() {
    local venv=$SERVERS_DIR/venv log=$SERVERS_DIR/noida.log binary port
    timed "noida-db $NOIDA_VERSION from PyPI" servers_noida_install "$venv" "$log" \
        || { cat "$log" >&2; die "pip failed"; }
    # The package is one binary with a Python launcher: run without the launcher, it gets its signals itself.
    binary=$(compgen -G "$venv/lib/python3*/site-packages/noida_db/noida-db") || die "noida-db has no binary"
    chmod 755 "$binary"
    port=$(servers_port)
    servers_as mkdir "$SERVERS_DIR/noida"
    servers_spawn KILL "$log" "$binary" start --only kafka --kafka-port "$port" --data-dir "$SERVERS_DIR/noida"
    servers_await "$SERVERS_PID" "$port" "$log" || die "noida-db did not start"
    KAFKA_BOOTSTRAP=127.0.0.1:$port KAFKA_KIND=noida
}

servers_noida_install() {
    {
        python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check "noida-db==$NOIDA_VERSION"
    } >"$2" 2>&1 </dev/null
}
