#!/bin/sh
# One Open vSwitch, its userspace datapath, and hosts around it, a namespace each:
#
#     network.sh DIRECTORY HOST=ADDRESS...
#
# It is run in network, mount and process namespaces of the test's own, so that all it starts and makes ends with the test.
# Ports count from 1, in the order of the hosts. The switch has no controller yet.

set -eu

dir=$1
shift
export OVS_RUNDIR="$dir" OVS_DBDIR="$dir" OVS_LOGDIR="$dir"

mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$dir/conf.db" --remote="punix:$dir/db.sock" --pidfile --detach --log-file --verbose=console:off
ovs-vsctl --no-wait init
ovs-vswitchd "unix:$dir/db.sock" --pidfile --detach --log-file --verbose=console:off
ovs-vsctl --timeout=20 add-br s1 -- set bridge s1 datapath_type=netdev fail_mode=secure protocols=OpenFlow10

port=0
for host in "$@"; do
	name=${host%%=*} address=${host#*=}
	port=$((port + 1))
	ip netns add "$name"
	ip link add "s1-$name" type veth peer name eth0 netns "$name"
	ip link set "s1-$name" up
	ip -n "$name" link set lo up
	ip -n "$name" address add "$address/24" dev eth0
	ip -n "$name" link set eth0 up
	# This datapath forwards the unfinished checksums of a veth as they are.
	ip netns exec "$name" ethtool -K eth0 tx off >/dev/null
	ovs-vsctl --timeout=20 add-port s1 "s1-$name" -- set interface "s1-$name" ofport_request=$port
done
