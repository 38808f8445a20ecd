"""Mininet topologies of a live stream: a broadcaster, a distant CDN node, viewers.

    sudo mn --custom deploy/mininet/livestream.py --topo livestreaming_single,4 \\
        --link tc --mac --controller remote --switch ovsk

Hosts are always addressed alike, so one controller configuration fits every
topology and any number of viewers:

    hb    10.0.0.1  broadcaster, and the relay next to it
    hs    10.0.0.2  CDN node, the address every viewer dials
    hv1.. 10.0.0.3  viewers, upward

A delay is that of one link in one direction. Without --link tc Mininet ignores
bandwidths and delays.
"""

from mininet.topo import Topo

HOST_LINK = {"bw": 4, "delay": "100ms"}  # Mb/s: a subscriber's line
LONG_LINK = {"bw": 2, "delay": "300ms"}  # the CDN, or the core, is far away


class _LiveStreaming(Topo):
    """What the topologies share: the hosts and their addresses."""

    def host(self, name, number):
        return self.addHost(name, ip="10.0.%d.%d/8" % divmod(number, 256))

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
        # Mininet derives a datapath id from the digits of the name, and Open
        # vSwitch refuses 0, so s0 has to be given one.
        core = self.addSwitch("s0", dpid="0000000000000100")
        edges = [self.addSwitch("s1"), self.addSwitch("s2")]
        for edge in edges:
            self.addLink(edge, core, **LONG_LINK)
        self.addLink(self.host("hb", 1), edges[0], **HOST_LINK)
        self.addLink(self.host("hs", 2), core)
        for index, viewer in enumerate(self.viewers(int(n))):
            self.addLink(viewer, edges[index % 2], **HOST_LINK)


topos = {"livestreaming_single": Single, "livestreaming_multi": Multi}
