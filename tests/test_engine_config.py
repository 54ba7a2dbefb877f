from __future__ import annotations

from slimtasks.engine.config import ContainerConfig, Mount, Port, Ulimit, body


def test_a_bare_config_leaves_all_to_image_and_engine() -> None:
    assert body(ContainerConfig("tiny"), {"a": "b"}) == {"Image": "tiny", "Labels": {"a": "b"}, "HostConfig": {}}


def test_everything_reaches_the_api() -> None:
    config = ContainerConfig(
        "tiny",
        entrypoint=("/gate", "x"),
        command=(),
        env=(("A", "1"), ("SECRET", None), ("EMPTY", "")),
        user="1:1",
        working_dir="/w",
        binds=(Mount("/host", "/b", read_only=True),),
        volumes=(Mount("data", "/v", no_copy=True), Mount("", "/anonymous")),
        tmpfs=(("/run", "size=1m"),),
        published=(Port(80), Port(53, "udp", "0.0.0.0", 5353)),
        exposed=("443/tcp",),
        cap_add=("SYS_PTRACE",),
        cap_drop=("ALL",),
        security_opt=("no-new-privileges",),
        read_only=True,
        privileged=True,
        init=False,
        tty=True,
        stdin_open=True,
        stdin_once=True,
        hostname="h",
        extra_hosts=("a:1.2.3.4",),
        ulimits=(Ulimit("nofile", 1, 2),),
        shm_size=64,
        sysctls=(("net.a", "1"),),
        devices=("/dev/a", "/dev/b:/dev/c:r"),
        mem_limit=100,
        stop_signal="INT",
        stop_timeout=0,
        network="net",
        network_aliases=("web",),
        pid_mode="host",
        userns_mode="host",
        ipc_mode="host",
        group_add=("5",),
        log_driver="none",
        healthcheck=False,
        labels=(("own", "label"),),
    )
    assert body(config, {"a": "b"}) == {
        "Image": "tiny",
        "Entrypoint": ["/gate", "x"],
        "Cmd": [],
        "Env": ["A=1", "EMPTY="],
        "User": "1:1",
        "WorkingDir": "/w",
        "Hostname": "h",
        "Tty": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "StopSignal": "INT",
        "StopTimeout": 0,
        "ExposedPorts": {"443/tcp": {}, "80/tcp": {}, "53/udp": {}},
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {"own": "label", "a": "b"},
        "NetworkingConfig": {"EndpointsConfig": {"net": {"Aliases": ["web"]}}},
        "HostConfig": {
            "Mounts": [
                {"Type": "bind", "Source": "/host", "Target": "/b", "ReadOnly": True},
                {
                    "Type": "volume",
                    "Source": "data",
                    "Target": "/v",
                    "ReadOnly": False,
                    "VolumeOptions": {"NoCopy": True},
                },
                {"Type": "volume", "Target": "/anonymous", "ReadOnly": False},
            ],
            "Tmpfs": {"/run": "size=1m"},
            "PortBindings": {
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
                "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5353"}],
            },
            "CapAdd": ["SYS_PTRACE"],
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "Privileged": True,
            "Init": False,
            "ExtraHosts": ["a:1.2.3.4"],
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
            "ShmSize": 64,
            "Sysctls": {"net.a": "1"},
            "Devices": [
                {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"},
                {"PathOnHost": "/dev/b", "PathInContainer": "/dev/c", "CgroupPermissions": "r"},
            ],
            "Memory": 100,
            "NetworkMode": "net",
            "PidMode": "host",
            "UsernsMode": "host",
            "IpcMode": "host",
            "GroupAdd": ["5"],
            "LogConfig": {"Type": "none"},
        },
    }


def test_an_empty_entrypoint_takes_the_images_away() -> None:
    assert body(ContainerConfig("tiny", entrypoint=(), command=("ls",)), {})["Entrypoint"] == [""]
