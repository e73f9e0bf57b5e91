#!/bin/sh
# The Debian packages that the lab and the tests need, in one place: installs those that are missing, as root, where there is
# apt. `scripts/system-packages.sh lab` for what boots the lab, `... tests` for what the tests use besides.
set -eu

lab='debootstrap systemd-container openssh-server openssh-client procps'
servers='zip unzip python3-venv gcc libc6-dev' # that the lab's hosts run are made with these
shells='busybox mksh ksh93u+m yash zsh fish tcsh' # that the loop runs under, or comes through
used='sudo libcap2-bin'                         # by modules
hsm='softhsm2 opensc openssl g++ make'          # tokens of this machine

case ${1-} in
lab) wanted="$lab $servers" ;;
tests) wanted="$lab $servers $shells $used $hsm" ;;
*) echo "usage: $0 lab|tests" >&2 && exit 2 ;;
esac
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then exit 0; fi

missing=
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -q '^installed' || missing="$missing $package"
done
command -v npm >/dev/null || missing="$missing nodejs npm"
[ -n "$missing" ] || exit 0

echo "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
