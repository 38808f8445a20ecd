#!/bin/sh
# Installs those of the named Debian packages that are missing, and nothing else.
#
#     deploy/install-deps.sh [--check] PACKAGE[|ALTERNATIVE]...
#
# With --check it only tells what is missing, by its exit status too. Nothing is started by what it installs: who needs a
# server starts his own.

set -eu

check=
if [ "${1-}" = --check ]; then
	check=yes
	shift
fi

if ! command -v dpkg-query >/dev/null; then
	echo "install-deps: this is no Debian; please install yourself: $*" >&2
	exit 1
fi

missing=
for wanted in "$@"; do
	found=
	for package in $(echo "$wanted" | tr '|' ' '); do
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then
			found=yes
		fi
	done
	[ -n "$found" ] || missing="$missing ${wanted%%|*}"
done
[ -n "$missing" ] || exit 0

echo "install-deps: missing:$missing" >&2
[ -z "$check" ] || exit 1

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "install-deps: run as root: apt-get install$missing" >&2
		exit 1
	fi
	as_root=sudo
fi

# policy-rc.d forbids Debian's packages to start their services meanwhile.
$as_root sh -eu -c '
	export DEBIAN_FRONTEND=noninteractive
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
	fi
	apt-get update -q
	apt-get install -q -y --no-install-recommends "$@"
' install $missing
