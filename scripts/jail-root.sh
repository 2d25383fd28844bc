#!/bin/bash
# Lays out a root tree that holds Python, its libraries and nothing else, for jails that cannot mount one.
#
#     scripts/jail-root.sh [--link] [DIR]        DIR: /var/lib/safepy/jailroot unless given
#
# Where namespaces are forbidden (a container under Docker's own seccomp profile) nsjail cannot bind-mount a root for a job,
# but it can chroot into one that is there already. Both images that run jobs lay it out when they are built; on a bare machine
# run this once as root and set JAIL_CHROOT to DIR.
#
# --link makes hard links instead of copies: no space at all, when done in the same image layer as the installation of Python.
# Not for a bare machine, where the tree would then share its inodes with the system's own files.
#
# The shared libraries are those that the loader itself names for the interpreter and every extension module, each followed
# link by link (libblas.so.3 is four of them through /etc/alternatives). There is no shell, no setuid file, no second program.
set -euo pipefail
umask 022

python=/usr/bin/python3
copy=(cp -a)
if [[ ${1:-} == --link ]]; then
	copy=(cp -al)
	shift
fi
root=${1:-/var/lib/safepy/jailroot}

fail() {
	printf 'jail-root: %s\n' "$*" >&2
	exit 1
}
[[ $EUID -eq 0 ]] || fail "must be root: the tree belongs to root, and its devices are made with mknod"
[[ $root == /?* ]] || fail "not an absolute path: $root"
[[ -x $python ]] || fail "$python is missing: install python3"
if [[ -e $root && ! -e $root/etc/jail-root && -n $(ls -A "$root") ]]; then
	fail "$root is there and was not made by this script"
fi

# The directories that are links in a merged /usr (/bin, /lib, /lib64) must be links in the tree too, or the loader's path
# would lead nowhere.
make_skeleton() {
	rm -rf "$root"
	mkdir -p "$root"
	chmod 755 "$root"
	mkdir -m 755 "$root"/{dev,etc,usr,usr/bin,usr/lib,usr/share}
	: >"$root/etc/jail-root"
	local dir
	for dir in bin sbin lib lib32 lib64 libx32; do
		if [[ -L /$dir ]]; then
			cp -a "/$dir" "$root/$dir"
			mkdir -p "$root/usr/$dir"
		fi
	done
	# Each job gets a directory of its own in /tmp from the worker. Nobody can list them, and no job can make one.
	mkdir -m 711 "$root/tmp"
}

# add PATH...: copies files and directories to the same place in the tree, and whatever a link points at along with it.
add() {
	local path target
	for path in "$@"; do
		path=$(cd "$(dirname "$path")" && pwd -P)/$(basename "$path")
		if [[ -e $root$path || -L $root$path ]]; then
			continue
		fi
		mkdir -p "$root$(dirname "$path")"
		"${copy[@]}" "$path" "$root$path"
		if [[ -L $path ]]; then
			target=$(readlink "$path")
			[[ $target == /* ]] || target=$(dirname "$path")/$target
			if [[ -e $target ]]; then
				add "$target"
			fi
		fi
	done
}

# Paths that some libraries read at run time and some installations do not have.
add_if_there() {
	local path
	for path in "$@"; do
		if [[ -e $path ]]; then
			add "$path"
		fi
	done
}

add_python() {
	local version
	version=$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	add "$python" "/usr/bin/python$version" "/usr/lib/python$version" /usr/lib/python3
	add_if_there "/etc/python$version" "/usr/local/lib/python$version"
	add_if_there /usr/share/zoneinfo /usr/lib/locale/C.utf8 /usr/lib/terminfo /etc/ssl/certs/ca-certificates.crt
	add_if_there /etc/matplotlibrc /usr/share/matplotlib /usr/share/fonts /etc/fonts
}

# The standard library may hold links that leave it (sitecustomize.py into /etc, say): follow them.
add_outward_links() {
	local link
	while IFS= read -r -d '' link; do
		if [[ -e $link ]]; then
			add "$(readlink -f "$link")"
		fi
	done < <(find /usr/lib/python3* -xtype f -type l -print0)
}

add_shared_libraries() {
	local lib
	while read -r lib; do
		add "$lib"
	done < <(
		{
			readlink -f "$python"
			find "$root/usr" -name '*.so*' -type f | sed "s|^$root||"
		} | xargs -r ldd 2>/dev/null | sed -nE 's|^.*[[:space:]](/[^ ]+) \(0x[0-9a-f]+\)$|\1|p' | sort -u
	)
	# glibc opens this one by itself when a thread is cancelled or exits through an exception.
	add_if_there /usr/lib/*-linux-gnu/libgcc_s.so.1
	add_if_there /etc/ld.so.cache
}

# Python takes its random numbers from getrandom(2) and needs none of these: libraries that open them by name do. Where mknod is
# forbidden (a rootless image build) the tree serves without.
add_devices() {
	local name minor
	while read -r name minor; do
		if ! mknod -m 666 "$root/dev/$name" c 1 "$minor" 2>/dev/null; then
			printf 'jail-root: no /dev/%s: mknod is not permitted here\n' "$name" >&2
		fi
	done <<-END
		null 3
		zero 5
		full 7
		random 8
		urandom 9
	END
}

make_skeleton
add_python
add_outward_links
add_shared_libraries
add_devices

setuid=$(find "$root" -xdev -type f -perm /6000)
[[ -z $setuid ]] || fail "setuid files in the tree: $setuid"
chroot "$root" "$python" -I -c 'import encodings, ctypes, decimal, json, ssl' || fail "Python does not start in $root"
