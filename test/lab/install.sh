#!/bin/sh
# Installs what the experiment needs and this Debian or Ubuntu lacks, and nothing else.
#
#     test/lab/install.sh [--check]
#
# With --check it only tells what is missing, by its exit status too.

set -eu

# Mininet's shaped links call the small tools by name, and do not depend on them.
packages="mininet openvswitch-switch user-mode-linux
	nginx-core|nginx libnginx-mod-rtmp ffmpeg rtmpdump mplayer tcpdump
	ethtool iproute2 iputils-ping iperf kmod net-tools procps psmisc"

if ! command -v dpkg-query >/dev/null; then
	echo "lab: this is no Debian; please install yourself:" $packages >&2
	exit 1
fi

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for entry in $packages; do
	found=
	for package in $(echo "$entry" | tr '|' ' '); do
		if installed "$package"; then found=yes; fi
	done
	[ -n "$found" ] || missing="$missing ${entry##*|}"
done
[ -n "$missing" ] || exit 0

echo "lab: missing:$missing" >&2
[ "${1-}" != --check ] || exit 1

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "lab: run as root: apt-get install$missing" >&2
		exit 1
	fi
	as_root=sudo
fi

# The policy keeps Debian from starting services meanwhile: the experiment starts
# its own, and nobody asked for a web server. What apt does not know is left out;
# user-mode-linux, for one, is only needed where the kernel lacks something.
$as_root sh -eu -c '
	export DEBIAN_FRONTEND=noninteractive
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
	fi
	apt-get update -q
	known=
	for package in "$@"; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			known="$known $package"
		else
			echo "lab: apt knows no $package" >&2
		fi
	done
	apt-get install -q -y --no-install-recommends $known
' install $missing
