#!/bin/bash
# Installs what the service runs on, where it is missing: Python with the libraries that scripts use most, bubblewrap, Redis. Nothing is
# done, in some milliseconds, where it is all there. `make run` calls it, and `make test` with the word that also asks for a C compiler,
# curl, and the linters of Python and of scripts.
#
#     scripts/setup.sh [test]
#
# Installs with apt-get on Debian 12 and 13, Ubuntu 24.04 and their like, as root or through a sudo that asks for no password.
# Elsewhere it names what is missing, and fails only when the service could not run at all.
set -euo pipefail

python=/usr/bin/python3
# Debian's packages and what they are imported as; the service can do without all but the first two.
libraries=(
	python3-numpy=numpy python3-pandas=pandas python3-matplotlib=matplotlib python3-scipy=scipy python3-openpyxl=openpyxl
	python3-tabulate=tabulate python3-lxml=lxml python3-pil=PIL
)
# A policy that was there before us, while ours is in its place.
policy=/usr/sbin/policy-rc.d
policy_aside=$policy.before-safepy

say() { printf 'setup: %s\n' "$*" >&2; }

main() {
	# Run again by as_root, below.
	if [[ ${1:-} == install ]]; then
		shift
		apt_install "$@"
		return
	fi

	local -a missing
	mapfile -t missing < <(missing_packages "${1:-run}")
	if ((${#missing[@]} == 0)); then
		return
	fi
	if ! command -v apt-get >/dev/null; then
		say "missing here: ${missing[*]} (Debian's names). Install what your distribution calls them."
		need_what_cannot_be_spared
		return
	fi
	if ! as_root install "${missing[@]}"; then
		say "cannot install: ${missing[*]}"
		say "as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
		need_what_cannot_be_spared
	fi
}

# missing_packages run|test: one name per line. What is on PATH counts, whoever put it there; the Python libraries must be those
# of /usr/bin/python3, for which its own package manager answers in 5 ms where asking Python takes 300.
missing_packages() {
	[[ -x $python ]] || echo python3
	local library package known=
	# All at once, which is 5 ms; for a package that is unknown it says nothing but its exit code.
	if command -v dpkg-query >/dev/null; then
		known=$(dpkg-query -W -f '${Package}=${db:Status-Status}\n' "${libraries[@]%%=*}" 2>/dev/null || true)
	fi
	for library in "${libraries[@]}"; do
		package=${library%%=*}
		if [[ $'\n'$known$'\n' != *$'\n'"$package=installed"$'\n'* ]] && ! imports "${library#*=}"; then
			echo "$package"
		fi
	done
	command -v bwrap >/dev/null || echo bubblewrap
	command -v redis-server >/dev/null || echo redis-server
	# Go's downloads are over TLS; slim images come without any certificate.
	[[ -e /etc/ssl/certs/ca-certificates.crt || -d /etc/pki/tls || -e /etc/ssl/cert.pem ]] || echo ca-certificates
	if [[ $1 == test ]] && ! command -v "${CC:-gcc}" >/dev/null; then
		# The race detector is linked by a C compiler.
		printf '%s\n' gcc libc6-dev
	fi
	if [[ $1 == test ]] && ! command -v curl >/dev/null; then
		# The examples of the documents are run as they stand.
		echo curl
	fi
	if [[ $1 == test ]]; then
		command -v shellcheck >/dev/null || echo shellcheck
		imports mypy || echo python3-mypy
	fi
}

imports() {
	[[ -x $python ]] && "$python" -I -c "import $1" 2>/dev/null
}

# as_root ARGS...: this script again, with root's rights; false when there is no way to have them.
as_root() {
	if ((EUID == 0)); then
		"$BASH" "$0" "$@"
	elif sudo -n true 2>/dev/null; then
		sudo -n "$BASH" "$0" "$@"
	else
		say "not root, and no sudo without a password"
		return 1
	fi
}

# Redis is replaced by one in memory and bubblewrap by nsjail, so their absence is said and no more.
need_what_cannot_be_spared() {
	local -a need=()
	imports numpy && imports pandas || need+=("$python with numpy and pandas")
	command -v bwrap >/dev/null || command -v nsjail >/dev/null || need+=("bubblewrap or nsjail")
	if ((${#need[@]})); then
		say "cannot go on without: $(printf '%s; ' "${need[@]}")"
		exit 1
	fi
	local library
	for library in "${libraries[@]:2}"; do
		imports "${library#*=}" || say "without ${library#*=}, which scripts then cannot import"
	done
	command -v redis-server >/dev/null || say "without redis-server jobs are kept in memory and do not survive a restart"
}

apt_install() {
	local package new_redis=
	for package in "$@"; do
		[[ $package != redis-server ]] || new_redis=yes
	done
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
	say "installing $*"
	if [[ $new_redis ]]; then
		trap give_back_policy EXIT
		forbid_redis_start
	fi
	apt-get update -qq || say "apt-get update failed; trying with the package lists there are"
	apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null
	if [[ $new_redis ]]; then
		forget_redis_service
	fi
}

# The package starts a system-wide Redis and has it started at boot. The service runs its own instead, on a socket of its own, so
# the first is forbidden by the hook that Debian has for it (invoke-rc.d asks it before each start) and the second taken back.
# Only when the package was not there before: a Redis that somebody runs is left alone.
forbid_redis_start() {
	# Ours may still be in place if an earlier run was killed.
	if [[ -e $policy ]] && ! grep -q safe-python-execution "$policy"; then
		mv "$policy" "$policy_aside"
	fi
	cat >"$policy" <<-END
		#!/bin/sh
		# Put here by safe-python-execution's setup.sh while it installs redis-server.
		case "\$1" in redis*) exit 101 ;; esac
		[ ! -x $policy_aside ] || exec $policy_aside "\$@"
		exit 0
	END
	chmod 755 "$policy"
}

give_back_policy() {
	rm -f "$policy"
	if [[ -e $policy_aside ]]; then
		mv "$policy_aside" "$policy"
	fi
}

forget_redis_service() {
	local alias=/etc/systemd/system/redis.service
	update-rc.d redis-server disable >/dev/null 2>&1 || true
	# The alias stays behind where systemd itself is not installed.
	if [[ -L $alias && $(readlink "$alias") == */redis-server.service ]]; then
		rm "$alias"
	fi
}

main "$@"
