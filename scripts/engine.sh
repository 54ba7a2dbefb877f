# Starts and stops a dockerd of ./run's own, which sources this file where no engine answers, and for ./run stop.
# shellcheck shell=bash disable=SC2154

containerd=/var/run/docker/containerd # the state of a dockerd's own containerd
state=/run/slimtasks                  # engine: who was started by which checkout; dockerd.log

start_engine() {     # PACKAGES that were just installed
    local answer=0
    engine_answers || answer=$?
    [ $answer != 2 ] || die "you may not use the engine at $socket: sudo usermod -aG docker ${USER:-$(id -un)}, then log in again"
    has_apt || die "no container engine answers at $socket: install and start Docker 20.10 or newer, or set DOCKER_HOST"
    is_root || die "no container engine answers at $socket: start it (sudo service docker start), or set DOCKER_HOST"
    mkdir -p $state
    exec 8<$state
    flock 8                           # checkouts take turns
    if [[ $1 = *docker.io* ]] || ! engine_answers; then
        launch "$1"
        await_engine
    fi
    exec 8<&-
}

launch() {
    if [ -d /run/systemd/system ]; then
        systemctl start docker || die "docker.service did not start: see journalctl -u docker"
        echo "docker.service - - $PWD" >$state/engine
        say "started docker.service; ./run stop stops it"
    elif ! default_dockerd >/dev/null; then
        rm -f $state/engine
        remove_leftovers
        launch_dockerd
    elif [[ $1 = *docker.io* ]]; then # the package has started it
        record "$(default_dockerd)"
    fi
}

launch_dockerd() {
    local path
    grep -qs cgroup /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup
    path=$(iptables_path)
    (
        record "$BASHPID"             # before it is dockerd: at no moment is there one that ./run stop does not know
        PATH=$path exec setsid dockerd </dev/null >$state/dockerd.log 2>&1 8<&- 9<&-
    ) &
    say "starting dockerd (log: $state/dockerd.log); ./run stop stops it"
}

await_engine() {
    local deadline=$((SECONDS + 60))
    until engine_answers; do
        sleep 0.2
        if [ $SECONDS -lt $deadline ] && { started_by_us || default_dockerd >/dev/null; }; then continue; fi
        [ -s $state/engine ] || die "dockerd runs, not started by ./run, but does not answer at $socket: see its log"
        tail -n 15 $state/dockerd.log >&2 || true
        die "no engine answers at $socket; dockerd's last words stand above, all of them in $state/dockerd.log.
    Cure what they name and call ./run again, or set DOCKER_HOST to another engine"
    done
}

stop_engine() {
    local pid start boot checkout
    if ! read -r pid start boot checkout 2>/dev/null <$state/engine; then
        say "no engine to stop: ./run has started none"
        return
    fi
    if [ "$checkout" != "$PWD" ]; then
        say "no engine to stop here: $checkout/run has started it"
        return
    fi
    is_root || die "only root can stop the engine that root started: sudo ./run stop"
    exec 8<$state
    flock 8
    if [ "$pid" = docker.service ]; then
        systemctl stop docker.socket docker.service
        say "stopped docker.service"
    elif started_by_us; then
        say "stopping dockerd (pid $pid)"
        kill "$pid"
        ended "$pid" 90 || die "dockerd (pid $pid) has not ended after 90 s; see $state/dockerd.log"
        end_containerd
    else
        say "no engine to stop: the one that ./run had started has ended"
    fi
    rm -f $state/engine
}

# --- which process is which

record() { echo "$(identity "$1") $PWD" >$state/engine; }

# A name that no other process has or gets: number, start in clock ticks since boot (proc(5), stat), boot.
identity() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086
    set -- "$1" ${stat##*) }
    echo "$1 ${21} $(cat /proc/sys/kernel/random/boot_id)"
}

started_by_us() {
    local pid start boot checkout
    read -r pid start boot checkout 2>/dev/null <$state/engine && [ "$(identity "$pid")" = "$pid $start $boot" ]
}

# The dockerd that holds the default paths, answering or not: by its pid file, or as its containerd's parent.
default_dockerd() {
    local pid
    for pid in $(cat /var/run/docker.pid 2>/dev/null) \
        $(sed -n 's/^PPid:\t//p' "/proc/$(cat $containerd/containerd.pid 2>/dev/null)/status" 2>/dev/null); do
        if is_running "$pid" dockerd; then echo "$pid" && return; fi
    done
    return 1
}

is_running() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }    # PID NAME

ended() {       # PID SECONDS
    local deadline=$((SECONDS + $2))
    while [ -d "/proc/$1" ] && ! grep -qs '^State:.*Z' "/proc/$1/status"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# --- what an earlier dockerd left

# What a killed dockerd, or a /run that outlived a reboot, leaves in the way of the next one (tried with 20.10.24): a pid
# file is believed, whatever process has that number now; of a containerd that outlived its dockerd the socket is deleted,
# and then waited for; so is a dead socket of the system's containerd. Containers, bridges and rules it takes over itself.
remove_leftovers() {
    rm -f /var/run/docker.pid
    end_containerd
    if [ -S /run/containerd/containerd.sock ] && ! listens /run/containerd/containerd.sock; then
        rm -f /run/containerd/containerd.sock
    fi
}

end_containerd() {
    local pid
    pid=$(cat $containerd/containerd.pid 2>/dev/null || true)
    if [ -n "$pid" ] && is_running "$pid" containerd && grep -qs $containerd "/proc/$pid/cmdline"; then
        kill "$pid"
        ended "$pid" 10 || kill -9 "$pid"
    fi
    rm -f $containerd/containerd.pid
}

# PATH with the iptables for dockerd: the kind that has an earlier dockerd's rules, since each kind is blind to the other's
# and both apply; else the system's choice; else the kind that this kernel knows.
iptables_path() {
    local kind name
    kind=$(iptables_kind)
    mkdir -p $state/bin
    for name in iptables ip6tables; do
        ln -sf "$(command -v "$name$kind" || echo "/usr/sbin/$name$kind")" $state/bin/$name
    done
    echo "$state/bin:$PATH:/usr/sbin:/sbin"
}

iptables_kind() {
    local kind
    for kind in -nft -legacy; do
        # Asking loads the legacy tables where they are not in use.
        if [ $kind = -legacy ] && ! [ -s /proc/net/ip_tables_names ]; then continue; fi
        if "iptables$kind" -w -t nat -nL DOCKER >/dev/null 2>&1; then echo $kind && return; fi
    done
    for kind in "" -nft -legacy; do
        if "iptables$kind" -w -t nat -nL >/dev/null 2>&1; then echo "$kind" && return; fi
    done
}
