"""Mininet topologies of a live stream: a broadcaster, a distant CDN node, viewers.

    sudo mn --custom deploy/mininet/livestream.py --topo livestreaming_single,4 \\
        --link tc --mac --controller remote --switch ovsk

Hosts are always addressed alike, so one controller configuration fits every
topology and any number of viewers:

    hb    10.0.0.1  broadcaster, and the relay next to it
    hs    10.0.0.2  CDN node, the address every viewer dials
    hv1.. 10.0.0.3  viewers, upward
    hp0.. 10.0.0.101  peers, upward, where a topology has hosts of their own for them

A delay is that of one link in one direction. Without --link tc Mininet ignores
bandwidths and delays.
"""

from mininet.topo import Topo

HOST_LINK = {"bw": 4, "delay": "100ms"}  # Mb/s: a subscriber's line
LONG_LINK = {"bw": 2, "delay": "300ms"}  # the CDN, or the core, is far away
WIDE_LINK = {"bw": 8, "delay": "300ms"}  # as far, with room for eight copies of a stream
EDGE_LINK = {"bw": 20, "delay": "100ms"}
PEER_LINK = {"bw": 20, "delay": "1ms"}  # a server beside its switch


class _LiveStreaming(Topo):
    """What the topologies share: the hosts and their addresses."""

    def host(self, name, number):
        return self.addHost(name, ip="10.0.%d.%d/8" % divmod(number, 256))

    def fan(self, link):
        """Adds a core s0 and, each by such a link, the edges s1 and s2."""
        # Mininet derives a datapath id from the digits of the name, and Open
        # vSwitch refuses 0, so s0 has to be given one.
        core = self.addSwitch("s0", dpid="0000000000000100")
        edges = [self.addSwitch("s1"), self.addSwitch("s2")]
        for edge in edges:
            self.addLink(edge, core, **link)
        return core, edges

    def audience(self, count, edges):
        """Adds viewers to the edges in turn: hv1 to the first, hv2 to the second."""
        for index, viewer in enumerate(self.viewers(count)):
            self.addLink(viewer, edges[index % len(edges)], **HOST_LINK)

    def viewers(self, count):
        """Adds hv1..hv<count>; they follow hb and hs in the address plan."""
        if count < 1:
            raise ValueError("livestreaming: at least one viewer, not %d" % count)
        return [self.host("hv%d" % n, n + 2) for n in range(1, count + 1)]


class Single(_LiveStreaming):
    """One switch s1: broadcaster and viewers near, the CDN 300 ms away."""

    def build(self, n=1, **_):
        s1 = self.addSwitch("s1")
        self.addLink(self.host("hb", 1), s1, **HOST_LINK)
        self.addLink(self.host("hs", 2), s1, **LONG_LINK)
        for viewer in self.viewers(int(n)):
            self.addLink(viewer, s1, **HOST_LINK)


class Multi(_LiveStreaming):
    """Edge switches s1 and s2 on a core s0, which holds the CDN.

    The broadcaster is on s1; viewers alternate, hv1 on s1, hv2 on s2, and so on.
    """

    def build(self, n=2, **_):
        core, edges = self.fan(LONG_LINK)
        self.addLink(self.host("hb", 1), edges[0], **HOST_LINK)
        self.addLink(self.host("hs", 2), core)
        self.audience(int(n), edges)


class Crowd(_LiveStreaming):
    """Peers with hosts of their own: hp0 on the core s0, hp1 and hp2 on its edges.

    The broadcaster is on the core, with nothing between, and the CDN is far from
    it. Viewers alternate, hv1 on s1, hv2 on s2, and so on.
    """

    def build(self, n=8, **_):
        core, edges = self.fan(EDGE_LINK)
        self.addLink(self.host("hb", 1), core)
        self.addLink(self.host("hs", 2), core, **WIDE_LINK)
        for index, switch in enumerate([core] + edges):
            self.addLink(self.host("hp%d" % index, 101 + index), switch, **PEER_LINK)
        self.audience(int(n), edges)


topos = {"livestreaming_single": Single, "livestreaming_multi": Multi, "livestreaming_crowd": Crowd}
