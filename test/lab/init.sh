#!/bin/sh
# First process of the user-mode kernel: makes the host's files, seen read-only,
# into a machine that Mininet can work on, and runs the experiment in it.
#
# Kernel arguments arrive as environment: LAB_REPO and LAB_OUT are the folders to
# see and to write, LAB_EXE and LAB_PLAN what to run.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts
for folder in /etc/openvswitch /var/log/openvswitch /var/lib/openvswitch /var/log/nginx /var/lib/nginx; do
	[ -d $folder ] && mount -t tmpfs tmpfs $folder
done

# Either folder may lie below /tmp or /run, which have just been covered.
mkdir -p "$LAB_REPO" "$LAB_OUT"
[ -e "$LAB_REPO/go.mod" ] || mount -t hostfs -o ro,"$LAB_REPO" none "$LAB_REPO"
mount -t hostfs -o "$LAB_OUT" none "$LAB_OUT"

# The modules are not where modprobe looks, and that may not exist to mount on.
mkdir -p /run/modules/lib
ln -s /usr/lib/uml/modules /run/modules/lib/modules
for module in veth sch_netem sch_htb openvswitch; do
	modprobe -d /run/modules $module
done

ip link set lo up
hostname lab

# What the host shows of the console begins and ends at these lines.
echo "=== lab begins ==="
"$LAB_EXE" inside "$LAB_PLAN"
echo "=== lab ends $? ==="
halt -f
