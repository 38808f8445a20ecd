"""One run of the experiment: builds the network, streams through it, captures.

    /usr/bin/python3 net.py SPEC.json

The caller (the Go program beside this file; the fields are in experiment.go) has
started the controller already and measures from what is left in the run's
folder: a capture of every interface that matters and facts.json. Progress goes
to standard output, one JSON object a line. Every process started here is ended
here, by its own PID.
"""

import heapq
import json
import os
import signal
import subprocess
import sys
import time
import traceback

from mininet.link import TCLink
from mininet.net import Mininet
from mininet.node import OVSKernelSwitch, RemoteController

PORT = 1935
KEY = "a"
BUILD_S = 90  # longest time for Mininet to build a network
TRY_AGAIN = 75  # exit status, after sysexits.h: nothing has been measured, and it was by chance

# Viewers are unmodified players that know only the CDN's address.
PLAYERS = {
    "ffmpeg": lambda url: [
        "ffmpeg", "-nostdin", "-loglevel", "warning", "-fflags", "nobuffer",
        "-rtmp_live", "live", "-i", url, "-c", "copy", "-f", "null", "-"],
    "rtmpdump": lambda url: ["rtmpdump", "--quiet", "--live", "-r", url, "-o", "/dev/null"],
    "mplayer": lambda url: [
        "mplayer", "-vo", "null", "-ao", "null", "-nolirc", "-noconsolecontrols",
        "-nocache", "-msglevel", "all=2", url],
}


def say(event, **fields):
    print(json.dumps(dict(fields, event=event, at=time.time())), flush=True)


def delay_ms(link):
    """The delay of a topology's link in one direction, in milliseconds."""
    return float(link.get("delay", "0ms").removesuffix("ms"))


def path_ms(topo, source, target):
    """The least sum of link delays from one node to another: Dijkstra."""
    queue, done = [(0.0, source)], set()
    while queue:
        cost, node = heapq.heappop(queue)
        if node == target:
            return cost
        if node in done:
            continue
        done.add(node)
        for a, b, link in topo.links(withInfo=True):
            if node in (a, b):
                heapq.heappush(queue, (cost + delay_ms(link), b if node == a else a))
    raise ValueError("no path from %s to %s" % (source, target))


class Processes:
    """What runs on the hosts, so that all of it ends with the run."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, host, name, argv, output=None):
        """Starts a program that logs into a file, and writes output, if given, to another."""
        log = os.path.join(self.folder, "%s-%s.log" % (host.name, name))
        with open(log, "wb") as errors, open(output or os.devnull, "wb") as out:
            process = host.popen(argv, stdin=subprocess.DEVNULL,
                                 stdout=out if output else errors, stderr=errors)
        process.label, process.log = "%s on %s" % (name, host.name), log
        self.running.append(process)
        return process

    def stop(self, process, sig=signal.SIGTERM, patience=5.0):
        """Ends a process and returns its exit status, or None if it was killed."""
        if process in self.running:
            self.running.remove(process)
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def stop_all(self):
        for process in reversed(list(self.running)):
            self.stop(process)


def wait_until(what, condition, patience):
    """Polls until condition() is true; an error says what never came."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("%s: not within %g s" % (what, patience))
        time.sleep(0.1)


def listening(host):
    """Whether anything on the host accepts connections on the RTMP port."""
    suffix = ":%04X" % PORT
    for line in host.cmd("cat /proc/net/tcp /proc/net/tcp6").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[1].endswith(suffix) and fields[3] == "0A":
            return True
    return False


def counters(host):
    """Bytes received and sent by the host's first interface."""
    for line in host.cmd("cat /proc/net/dev").splitlines():
        name, _, rest = line.strip().partition(":")
        if name == host.defaultIntf().name:
            fields = rest.split()
            return {"in": int(fields[0]), "out": int(fields[8])}
    raise RuntimeError("%s: no counters" % host.name)


def nginx(processes, host, config):
    """Starts nginx in the foreground with a folder of its own for pid and logs."""
    prefix = os.path.join(processes.folder, host.name + "-nginx")
    os.makedirs(prefix, exist_ok=True)
    return processes.start(host, "nginx", [
        "nginx", "-e", "stderr", "-p", prefix, "-c", config, "-g", "daemon off;"])


def capture(processes, host, interface, name):
    """Captures RTMP on an interface; returns when nothing can be missed."""
    # Not -w FILE: tcpdump gives its file away, which only root may.
    process = processes.start(host, "tcpdump-" + name, [
        "tcpdump", "-Z", "root", "-n", "-s", "0", "-B", "8192", "-U", "-i", interface,
        "-w", "-", "tcp port %d" % PORT], os.path.join(processes.folder, name + ".pcap"))

    def started():
        with open(process.log, errors="replace") as log:
            return "listening on" in log.read()

    wait_until(process.label, started, 10)
    return process


def stream(net, spec, processes):
    """Publishes the clip, lets every viewer watch it, and returns the facts."""
    hb, hs = net["hb"], net["hs"]
    viewers = spec["viewers"]
    cdn = "rtmp://%s:%d/live" % (hs.IP(), PORT)

    if spec["initcwnd"]:
        for host in (hs, hb):
            host.cmd("ip route change 10.0.0.0/8 dev %s src %s initcwnd %d" % (
                host.defaultIntf(), host.IP(), spec["initcwnd"]))
    nginx(processes, hs, spec["cdn_config"])
    if spec["peer"] == "nginx":
        nginx(processes, hb, spec["peer_config"])
    else:
        processes.start(hb, "relay", [
            spec["daemon"], "relay", "--listen", ":%d" % PORT,
            "--upstream", cdn, "--push", cdn, "--drain", "1s", "--log-format", "text"]
            + spec["relay_flags"])
    for host in (hs, hb):
        wait_until("server on " + host.name, lambda: listening(host), 15)

    captures = [capture(processes, hb, "lo", "publisher")]
    for host in [hb, hs] + [net[v["host"]] for v in viewers]:
        captures.append(capture(processes, host, host.defaultIntf().name, host.name))

    # Viewers' joins are relative to the publisher's start and may precede it.
    joins = sorted(viewers, key=lambda v: v["join_s"])
    begin = time.monotonic() - min(0, joins[0]["join_s"])
    before = counters(hs)
    publisher, players = None, {}

    def join_until(offset):
        while joins and joins[0]["join_s"] <= offset:
            viewer = joins.pop(0)
            time.sleep(max(0, begin + viewer["join_s"] - time.monotonic()))
            argv = PLAYERS[viewer["player"]]("%s/%s" % (cdn, KEY))
            players[viewer["host"]] = processes.start(
                net[viewer["host"]], viewer["player"], argv)
            say("joined", host=viewer["host"], player=viewer["player"])

    join_until(-0.001)
    time.sleep(max(0, begin - time.monotonic()))
    publisher = processes.start(hb, "ffmpeg", [
        "ffmpeg", "-nostdin", "-loglevel", "warning", "-re", "-i", spec["clip"],
        "-c", "copy", "-f", "flv", "rtmp://%s:%d/live/%s" % (hb.IP(), PORT, KEY)])
    say("publishing")
    join_until(float("inf"))
    try:
        status = publisher.wait(spec["seconds"] + 30)
    except subprocess.TimeoutExpired:
        raise RuntimeError("the publisher did not finish")
    # Not later: when the stream is over, its server may well close.
    ended_early = [h for h, p in players.items() if p.poll() is not None]
    say("published", status=status)

    # What is still queued on the way belongs to the measurement: wait until no
    # viewer has received anything for longer than the network can hide it.
    hosts = [net[v["host"]] for v in viewers]
    received, quiet_since = None, time.monotonic()
    deadline = quiet_since + spec["drain_s"]
    while time.monotonic() - quiet_since < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
        now = [counters(h)["in"] // 4096 for h in hosts]
        if now != received:
            received, quiet_since = now, time.monotonic()
    after = counters(hs)

    for player in players.values():
        processes.stop(player, signal.SIGINT)
    for process in captures:
        processes.stop(process, signal.SIGINT)
    return {
        "publisher_status": status,
        "ended_early": ended_early,
        "cdn_link_bytes": {k: after[k] - before[k] for k in after},
        "floor_ms": {h.name: path_ms(net.topo, "hb", h.name) for h in hosts},
        "via_cdn_ms": {h.name: path_ms(net.topo, "hb", "hs")
                       + path_ms(net.topo, "hs", h.name) for h in hosts},
        "rtt_min_ms": {h.name: rtt_ms(hb, h) for h in hosts[:1]},
        "address": {h.name: h.IP() for h in [hb, hs] + hosts},
    }


def rtt_ms(a, b):
    """The least of ten round trips, which should be twice the path's delay."""
    line = a.cmd("ping -q -n -c 10 -i 0.2 -W 5 " + b.IP()).strip().splitlines()[-1]
    return float(line.split("=")[1].split("/")[0]) if "=" in line else None


def build(topo):
    """Builds and starts the network. Mininet can wait for ever for a shell's
    prompt that it has overlooked, so an alarm ends the attempt."""
    def give_up(*_):
        raise TimeoutError("Mininet did not build the network within %d s" % BUILD_S)

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(BUILD_S)
    try:
        for switch in topo.switches():
            subprocess.run(["ovs-vsctl", "--if-exists", "del-br", switch], check=True)
        net = Mininet(topo=topo, switch=OVSKernelSwitch, link=TCLink, autoSetMacs=True,
                      controller=lambda name: RemoteController(name, ip="127.0.0.1", port=6653))
        net.start()
    finally:
        signal.alarm(0)
    return net


def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    sys.path.insert(0, os.path.dirname(spec["topologies"]))
    topologies = __import__(os.path.basename(spec["topologies"]).removesuffix(".py"))
    topo = topologies.topos["livestreaming_" + spec["topology"]](len(spec["viewers"]))
    # Ends like an exception, so that the finally clauses below run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    try:
        net = build(topo)
    except TimeoutError as error:
        traceback.print_exc()
        say("failed", error=str(error))
        return TRY_AGAIN  # what was built ends with this process
    processes = Processes(spec["folder"])
    try:
        if not net.waitConnected(timeout=20):
            raise RuntimeError("the switches found no controller on port 6653")
        say("built")
        facts = stream(net, spec, processes)
        with open(os.path.join(spec["folder"], "facts.json"), "w") as file:
            json.dump(facts, file, indent=2)
    except RuntimeError as error:
        say("failed", error=str(error))
        return 1
    finally:
        processes.stop_all()
        for switch in net.switches:
            flows = switch.dpctl("dump-flows")
            with open(os.path.join(spec["folder"], switch.name + "-flows.txt"), "w") as file:
                file.write(flows)
        net.stop()
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
