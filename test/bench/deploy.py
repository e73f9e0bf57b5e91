from pyinfra.operations import files, server, systemd

AT = __import__("os").environ["BENCH_FILES"]

server.group(group="bench", gid=4100, system=True)
server.user(
    user="bench", uid=4100, group="bench", system=True, home="/var/lib/bench", create_home=False,
    shell="/usr/sbin/nologin",
)
server.user(user="operator", uid=4200, comment="Operator", groups=["bench"], append=True, shell="/bin/sh")
files.directory(path="/var/lib/bench", user="bench", group="bench", mode="750")
files.directory(path="/etc/bench", user="root", group="bench", mode="750")
files.directory(path="/opt/bench", user="root", group="root", mode="755")
archive = files.put(src=f"{AT}/archive.tar.gz", dest="/var/lib/bench/archive.tar.gz")
server.shell(commands="tar -xzf /var/lib/bench/archive.tar.gz -C /opt/bench", _if=archive.did_change)
files.put(src=f"{AT}/bench-tool", dest="/usr/local/bin/bench-tool", user="root", group="root", mode="755")
files.put(src=f"{AT}/bench.conf", dest="/etc/bench/bench.conf", user="root", group="bench", mode="640")
files.put(src=f"{AT}/logging.conf", dest="/etc/bench/logging.conf", user="root", group="bench", mode="640")
unit = files.put(
    src=f"{AT}/bench.service", dest="/etc/systemd/system/bench.service", user="root", group="root", mode="644"
)
systemd.service(service="bench.service", running=True, enabled=True, daemon_reload=False)
files.put(src=f"{AT}/motd", dest="/etc/motd", user="root", group="root", mode="644")
files.put(src=f"{AT}/limits.conf", dest="/etc/security/limits.d/bench.conf", user="root", group="root", mode="644")
files.put(src=f"{AT}/profile.sh", dest="/etc/profile.d/bench.sh", user="root", group="root", mode="644")
files.put(src=f"{AT}/list.txt", dest="/opt/bench/list.txt", user="root", group="root", mode="644")
files.link(path="/usr/local/bin/bench", target="/usr/local/bin/bench-tool")
files.line(path="/etc/environment", line="^BENCH=.*", replace="BENCH=/opt/bench")
server.shell(commands="test -e /var/lib/bench/ready || /usr/local/bin/bench-tool init /var/lib/bench/ready")
server.shell(commands="/usr/local/bin/bench-tool status")
