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

from hosts import PORT, Processes, capture, controller_says, counters, listening, nginx, wait_until

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


def switch_of(topo, host):
    """The switch that a host is on."""
    return next(b if a == host else a for a, b in topo.links() if host in (a, b))


def relay(processes, spec, host, *flags):
    return processes.start(host, "relay", [
        spec["daemon"], "relay", "--listen", ":%d" % PORT, "--drain", "1s", "--log-format", "text",
        *spec["relay_flags"], *flags])


def manage(host, number):
    """Gives a host a line to the controller, beside the network that this
    controls, and returns the controller's address on it. The line ends with
    the host."""
    line, near, far = "manage%d" % number, "198.18.%d.1" % number, "198.18.%d.2" % number
    for command in [
            "ip link add %s type veth peer name manage netns %d" % (line, host.pid),
            "ip address add %s/24 dev %s" % (near, line), "ip link set %s up" % line]:
        subprocess.run(command.split(), check=True)
    host.cmd("ip address add %s/24 dev manage && ip link set manage up" % far)
    return near


def peers_are_well(registered):
    """Whether all peers answer the controller's probes, and so many of them
    have registered. A viewer before that would be sent to the CDN."""
    peers = controller_says("peers")
    return all(p["healthy"] for p in peers) and sum(p["registered"] for p in peers) == registered


def links_are_measured(topo):
    """Whether the controller knows the links' delays, to a fifth. It needs a
    while, for Mininet sets them after its switches have connected."""
    true = sorted(2 * [delay_ms(link) for a, b, link in topo.links(withInfo=True)
                       if topo.isSwitch(a) and topo.isSwitch(b)])
    measured = sorted(link["delay_ms"] for link in controller_says("links"))
    return len(true) == len(measured) and all(
        0.8 * t <= m <= 1.2 * t for t, m in zip(true, measured))


def serve(net, spec, processes):
    """Starts the CDN and the peers, and returns the hosts that they are on."""
    hb, hs = net["hb"], net["hs"]
    peers = [net[name] for name in spec["peers"] or []]
    servers = [hs] + (peers or [hb])
    if spec["initcwnd"]:
        for host in servers:
            host.cmd("ip route change 10.0.0.0/8 dev %s src %s initcwnd %d" % (
                host.defaultIntf(), host.IP(), spec["initcwnd"]))
    nginx(processes, hs, spec["cdn_config"])
    cdn = "rtmp://%s:%d/live" % (hs.IP(), PORT)
    for number, host in enumerate(peers):
        # Where to take a stream from each is told by the controller.
        relay(processes, spec, host, "--name", host.name, "--advertise", host.IP(), "--push", cdn,
              "--controller", "http://%s:9653" % manage(host, number))
    if not peers and spec["peer"] == "nginx":
        nginx(processes, hb, spec["peer_config"])
    elif not peers:
        relay(processes, spec, hb, "--upstream", cdn, "--push", cdn)
    for host in servers:
        wait_until("server on " + host.name, lambda: listening(host), 15)
    wait_until("the peers' health", lambda: peers_are_well(len(peers)), 30)
    wait_until("the links' delays", lambda: links_are_measured(net.topo), 30)
    return servers


def stream(net, spec, processes):
    """Publishes the clip, lets every viewer watch it, and returns the facts."""
    hb, hs = net["hb"], net["hs"]
    viewers = spec["viewers"]
    servers = serve(net, spec, processes)
    cdn = "rtmp://%s:%d/live/%s" % (hs.IP(), PORT, KEY)

    # Where the peer is not on its own host, the broadcaster too knows the CDN
    # only. Its line must have no delay then, which a capture on it would add.
    local = hb in servers
    ingest = "rtmp://%s:%d/live/%s" % (hb.IP(), PORT, KEY) if local else cdn
    watched = servers + [net[v["host"]] for v in viewers]
    captures = capture(processes, [(hb, "lo" if local else hb.defaultIntf().name, "publisher")] + [
        (host, host.defaultIntf().name, host.name) for host in watched])

    # Viewers' joins are relative to the publisher's start and may precede it.
    joins = sorted(viewers, key=lambda v: v["join_s"])
    begin = time.monotonic() - min(0, joins[0]["join_s"])
    before = counters(hs)
    publisher, players = None, {}

    def join_until(offset):
        while joins and joins[0]["join_s"] <= offset:
            viewer = joins.pop(0)
            time.sleep(max(0, begin + viewer["join_s"] - time.monotonic()))
            argv = PLAYERS[viewer["player"]](cdn)
            players[viewer["host"]] = processes.start(
                net[viewer["host"]], viewer["player"], argv)
            say("joined", host=viewer["host"], player=viewer["player"])

    join_until(-0.001)
    time.sleep(max(0, begin - time.monotonic()))
    publisher = processes.start(hb, "ffmpeg", [
        "ffmpeg", "-nostdin", "-loglevel", "warning", "-re", "-i", spec["clip"],
        "-c", "copy", "-f", "flv", ingest])
    say("publishing")
    join_until(float("inf"))
    try:
        status = publisher.wait(spec["seconds"] + 30)
    except subprocess.TimeoutExpired:
        raise RuntimeError("the publisher did not finish")
    # Not later: when the stream is over, its server may well close.
    ended_early = [h for h, p in players.items() if p.poll() is not None]
    say("published", status=status)
    with open(os.path.join(spec["folder"], "controller.json"), "w") as file:
        json.dump({what: controller_says(what) for what in (
            "sessions", "streams", "peers", "links", "hosts")}, file, indent=2)

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
        if player.poll() is None:
            player.send_signal(signal.SIGINT)
    time.sleep(0.5)  # ffmpeg waits for the next frame, which never comes, until it is told twice
    for player in players.values():
        processes.stop(player, signal.SIGINT)
    for process in captures:
        processes.stop(process, signal.SIGINT)
    return {
        "publisher_status": status,
        "ended_early": ended_early,
        "cdn_link_bytes": {k: after[k] - before[k] for k in after},
        "floor_ms": {h.name: path_ms(net.topo, "hb", h.name) for h in hosts},
        "rtt_min_ms": {h.name: rtt_ms(hb, h) for h in hosts[:1]},
        "path_ms": {a.name: {b.name: path_ms(net.topo, a.name, b.name) for b in watched}
                    for a in [hb] + servers},
        "switch": {h.name: switch_of(net.topo, h.name) for h in watched},
        "address": {h.name: h.IP() for h in watched},
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
