#!/usr/bin/env bash
# Runs a command on real Linux CAN interfaces: vcan0, vcan1, ...
#
#   ci/vcan.sh [--buses N] [--cores N] [--memory MB] [--timeout SECONDS] -- COMMAND ARGS...
#   ci/vcan.sh                          an interactive shell instead of a command
#
# Why. The rig talks to its devices through AF_CAN raw sockets, and that code is only tested where
# the kernel has them. Many CI runners and containers have neither the vcan module nor the right to
# load it, so this script provides the interfaces whichever way the machine allows:
#
#  native  The kernel has vcan and we may create links (as root, or with sudo -n). Interfaces that
#          are there already are used as they are; those the script adds, it removes at exit.
#  vm      Otherwise Debian's own kernel (linux-image-amd64) boots in QEMU under plain emulation
#          (TCG, never KVM: nested KVM hangs on some hosts), takes the host's root directory over 9p
#          as its own, and runs the command there, in the same directory, with the same programs.
#          Boot to command is 2-3 s. Missing tools are installed with apt-get; the kernel package is
#          only downloaded and unpacked, under ${XDG_CACHE_HOME:-~/.cache}/bessrig/vcan-vm.
#
# Exit code: that of the command; 124 after --timeout; 130/143 when interrupted; 125 when the
# interfaces could not be provided (the reason is on stderr); 2 for wrong usage.
#
# Environment: BESSRIG_VCAN_MODE=auto|native|vm, and defaults for the options: BESSRIG_VCAN_BUSES
# (10), _CORES (1), _MEMORY (1024), _TIMEOUT (0 = none). Cores and memory concern the VM only.
# The command finds BESSRIG_VCAN_HOST=native or vm.
#
# Inside the VM:
#  - The environment is PATH, HOME and a few like it, BESSRIG_*, and the names in PASS_ENV below.
#  - The host's files are read and written through 9p: whatever lies there when the command ends is
#    on the host. /dev/shm is a tmpfs that ends with the VM. 9p is slow per operation (and slower
#    for many small writes), so write logs to /dev/shm (TMPDIR points there) and copy what matters
#    to a 9p path as the command's last step. Everything is synced before power-off, but not when
#    the VM is killed (Ctrl-C, or a command that does not react to --timeout).
#  - The guest caches what it read: a file the host changes or creates during the run may not be
#    seen. Other file systems of the host are visible too, except its /dev, /proc and /sys.
#  - There is no network but lo. The command runs under the caller's uid, stdin is passed on unless
#    it is a terminal; with no command the caller's terminal is the console.
#  - Clock: there is no kvm-clock. The clocksource is the TSC, which QEMU takes from the host's, so
#    it is steady and cheap to read (70 ns); Linux calibrates its rate against an emulated timer,
#    which came out within 70 ppm of the host's (250 ppm on an overloaded host). The other choices,
#    hpet and acpi_pm, cost an exit to QEMU for every reading. The time of day is whole seconds
#    from the CMOS clock (-rtc base=utc), then set from the time stamp of a file made through 9p:
#    35-80 ms behind the host.
#  - Emulated code is slow, floating point (12-13x) most of all. More --cores add throughput where
#    the host has them to spare, but waking a process on another, sleeping core takes milliseconds
#    at times; with one core latency is steadier. Python: use /usr/bin/python3, not a pyenv shim.
set -euo pipefail

PROG=${0##*/}
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/bessrig/vcan-vm
PASS_ENV=(PATH HOME USER LOGNAME SHELL LANG LC_ALL TZ TERM CI RUST_LOG RUST_BACKTRACE
  CARGO_TARGET_DIR CARGO_HOME RUSTUP_HOME)
MODULE_DIRS=(drivers/virtio drivers/char/virtio_console.ko net/9p fs/9p fs/netfs fs/fscache
  net/can drivers/net/can/dev drivers/net/can/vcan.ko)

buses=${BESSRIG_VCAN_BUSES:-10}
cores=${BESSRIG_VCAN_CORES:-1}
memory=${BESSRIG_VCAN_MEMORY:-1024}
limit=${BESSRIG_VCAN_TIMEOUT:-0}
mode=${BESSRIG_VCAN_MODE:-auto}
command=()
created=()   # native links to remove again
run=         # the VM's run directory
vm_pid=
tail_pids=()
split=       # 1: stdout and stderr are different files

say() { printf '%s: %s\n' "$PROG" "$*" >&2; }
cannot() { say "cannot provide vcan: $*"; exit 125; }
usage() {
  say "$*"
  say "usage: $PROG [--buses N] [--cores N] [--memory MB] [--timeout SECONDS] [-- COMMAND ARGS...]"
  exit 2
}
as_root() { if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi; }
have() { PATH=$PATH:/usr/sbin:/sbin type -P "$1" >/dev/null; }

parse() {
  local name
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
      --buses | --cores | --memory | --timeout)
        (($# > 1)) || usage "$1 needs a value"
        name=${1#--}
        printf -v "${name/timeout/limit}" %s "$2"
        shift 2 ;;
      --) shift; command=("$@"); break ;;
      -*) usage "unknown option $1" ;;
      *) command=("$@"); break ;;
    esac
  done
  for name in buses cores memory limit; do
    [[ ${!name} =~ ^(0|[1-9][0-9]{0,6})$ ]] || usage "$name is not a whole number: ${!name}"
  done
  ((buses >= 1 && buses <= 99)) || usage "buses must be 1..99"
  ((cores >= 1 && cores <= 64)) || usage "cores must be 1..64"
  ((memory >= 256)) || usage "memory must be 256 MB or more"
  [[ $mode == auto || $mode == native || $mode == vm ]] || usage "BESSRIG_VCAN_MODE is '$mode'"
}

# --- native ------------------------------------------------------------------------------------

ip_() { PATH=$PATH:/usr/sbin:/sbin ip "$@"; }
is_vcan() { ip_ -d link show dev "$1" 2>/dev/null | grep -qw vcan; }
is_up() { ip_ link show dev "$1" | grep -q '[<,]UP[,>]'; }

remove_links() {
  local dev
  for dev in "${created[@]}"; do as_root ip link del dev "$dev" 2>/dev/null || true; done
  created=()
}

# Sets up the interfaces on this kernel; on failure $why says why not.
native_links() {
  local dev k err
  why="this kernel has no AF_CAN vcan links"
  have ip || { why="no ip command (package iproute2)"; return 1; }
  for ((k = 0; k < buses; k++)); do
    dev=vcan$k
    if ! ip_ link show dev "$dev" >/dev/null 2>&1; then
      if ((k == 0)) && have modprobe; then
        as_root modprobe -a vcan can-raw >/dev/null 2>&1 || true
      fi
      err=$(as_root ip link add dev "$dev" type vcan 2>&1) || { why="$dev: ${err:-refused}"; return 1; }
      created+=("$dev")
    elif ! is_vcan "$dev"; then
      why="$dev exists and is not a vcan link"; return 1
    fi
    is_up "$dev" || err=$(as_root ip link set dev "$dev" up 2>&1) || { why="$dev: $err"; return 1; }
  done
}

# Runs a command for at most $limit seconds; also part of the job in the VM.
limited() {
  local rc=0
  SECONDS=0
  if ((limit)); then timeout -k 5 "$limit" "$@" || rc=$?; else "$@" || rc=$?; fi
  if ((limit && rc == 137 && SECONDS >= limit)); then rc=124; fi # it ignored SIGTERM
  return "$rc"
}

run_native() {
  local rc=0
  export BESSRIG_VCAN_HOST=native
  if ((${#command[@]} == 0)); then
    "${SHELL:-/bin/bash}" || rc=$?
  else
    limited "${command[@]}" || rc=$?
  fi
  return "$rc"
}

# --- what the VM needs ---------------------------------------------------------------------------

need_packages() {
  local missing=()
  have qemu-system-x86_64 || missing+=(qemu-system-x86)
  have xz || missing+=(xz-utils)
  [[ -x /bin/busybox ]] && ! ldd /bin/busybox >/dev/null 2>&1 || missing+=(busybox-static)
  have setpriv || missing+=(util-linux)
  ((${#missing[@]})) || return 0
  have apt-get || cannot "missing ${missing[*]}, and there is no apt-get to install them"
  say "installing ${missing[*]}"
  apt_install "${missing[@]}" >&2 ||
    cannot "apt-get could not install ${missing[*]} (as root, or with sudo without a password)"
}

apt_install() {
  local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends)
  as_root "${get[@]}" install "$@" ||
    { as_root apt-get -qq update && as_root "${get[@]}" install "$@"; }
}

kernel_package() {
  apt-cache depends linux-image-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

# The kernel is kept as $CACHE/kernel: vmlinux (or vmlinuz), lib/modules/*, and 'complete', last.
need_kernel() {
  local pkg work
  [[ -e $CACHE/kernel/complete ]] && return
  mkdir -p "$CACHE" || cannot "no cache directory $CACHE"
  work=$(mktemp -d "$CACHE/get.XXXXXX")
  pkg=$(kernel_package)
  [[ $pkg ]] || { as_root apt-get -qq update >&2 || true; pkg=$(kernel_package); }
  [[ $pkg ]] || { rm -rf "$work"; cannot "apt knows no linux-image-amd64"; }
  say "fetching $pkg (once, into $CACHE)"
  if ! fetch_kernel "$pkg" "$work"; then
    rm -rf "$work"
    cannot "no usable kernel from the package $pkg"
  fi
  rm -rf "$CACHE/kernel"
  mv -T "$work/kernel" "$CACHE/kernel"
  rm -rf "$work"
}

# Unpacks only the kernel and the few modules, which apt's hooks and postinst need not know about.
fetch_kernel() {
  local pkg=$1 work=$2 tree=$2/kernel version dir globs=()
  (cd "$work" && apt_download "$pkg") >&2 || return 1
  for dir in "${MODULE_DIRS[@]}"; do globs+=("./*lib/modules/*/kernel/$dir*"); done
  mkdir "$tree"
  # tar fails for patterns that match nothing, which is no matter: newer kernels moved some.
  dpkg-deb --fsys-tarfile "$work"/*.deb |
    tar -x -C "$tree" --wildcards './boot/vmlinuz-*' './*lib/modules/*/modules.*' "${globs[@]}" \
      2>/dev/null || true
  [[ -d $tree/lib ]] || mv "$tree/usr/lib" "$tree/lib" || return 1
  version=$(basename "$tree"/lib/modules/*)
  find "$tree" -name '*.ko.xz' -exec xz -d {} +
  /bin/busybox depmod -b "$tree" "$version" || return 1
  [[ $(find "$tree" -name vcan.ko) ]] || return 1
  mv "$tree"/boot/vmlinuz-* "$tree/vmlinuz" || return 1
  unpack_vmlinux "$tree" || say "booting the compressed kernel (some seconds slower)"
  printf '%s\n' "$pkg" >"$tree/complete"
}

apt_download() {
  apt-get -qq -o APT::Sandbox::User=root download "$1" ||
    { as_root apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download "$1"; }
}

# QEMU starts an uncompressed kernel directly (PVH), which saves 3 s of emulated decompression.
unpack_vmlinux() {
  local tree=$1 at
  at=$(LC_ALL=C grep -obaP '\xfd7zXZ\x00' "$tree/vmlinuz" | head -n 1 | cut -d: -f1) || return 1
  tail -c "+$((at + 1))" "$tree/vmlinuz" | xz -dc >"$tree/vmlinux" 2>/dev/null || true
  [[ $(head -c 4 "$tree/vmlinux") == $'\x7fELF' ]] || { rm -f "$tree/vmlinux"; return 1; }
}

# --- the VM ----------------------------------------------------------------------------------------

# PID 1 of the guest. $run is the tag 'run' (9p), the host's root the tag 'host'.
guest_init() {
  cat <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /h
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
end() { sync; umount /h/dev/run 2>/dev/null; sync; poweroff -f; sleep 9; }
fail() { echo "vcan-vm: $*" >/dev/ttyS0; end; }
P=$(uname -r); P=/lib/modules/$P
modprobe -a virtio_pci virtio_console 9pnet_virtio 9p can can-raw can-dev vcan || fail "modules"
modprobe -a can-bcm can-isotp 2>/dev/null
opt=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o $opt,cache=@CACHE@ host /h || fail "no 9p root"
mount -t devtmpfs dev /h/dev; mkdir -p /h/dev/run /h/dev/pts /h/dev/shm
mount -t 9p -o $opt,cache=none,access=any run /h/dev/run || fail "no 9p run directory"
R=/h/dev/run; . $R/settings
chroot /h "$SHELL_PATH" -c "$CLOCK" >/dev/null
mount -t proc proc /h/proc; mount -t sysfs sys /h/sys
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /h/dev/pts
mount -t tmpfs -o mode=1777 shm /h/dev/shm
ln -sf /proc/self/fd /h/dev/fd; ln -sf fd/0 /h/dev/stdin
ln -sf fd/1 /h/dev/stdout; ln -sf fd/2 /h/dev/stderr
chmod 666 /dev/null /dev/zero /dev/full /dev/tty /dev/random /dev/urandom /dev/ptmx
hostname bessrig-vcan
ip link set lo up
k=0
while [ $k -lt $BUSES ]; do
  ip link add dev vcan$k type vcan && ip link set vcan$k up || fail "vcan$k"
  k=$((k + 1))
done
job="chroot /h $AS $SHELL_PATH /dev/run/job"
if [ "$TTY" ]; then
  eval "stty $TTY" </dev/ttyS1
  chmod 666 /dev/ttyS1
  setsid -c $job </dev/ttyS1 >/dev/ttyS1 2>&1
  echo $? >$R/rc
  end
fi
# Pipes between the command and the ports: a port can be opened once only, and programs do open
# /dev/stderr.
for p in 1 2; do
  k=0
  while [ ! -c /dev/vport0p$p ]; do k=$((k + 1)); [ $k -lt 200 ] || fail "port $p"; usleep 10000; done
done
mkfifo -m 666 /out.pipe /err.pipe
cat /out.pipe >/dev/vport0p1 & drain=$!
exec 4>/out.pipe 5>&4
if [ "$SPLIT" ]; then
  cat /err.pipe >/dev/vport0p2 & drain="$drain $!"
  exec 5>/err.pipe
fi
if [ "$STDIN" ]; then
  mkfifo -m 666 /in.pipe
  (cat /dev/vport0p3 >/in.pipe) 2>/dev/null 4>&- 5>&- &
else
  ln -s dev/null /in.pipe
fi
$job </in.pipe >&4 2>&5 4>&- 5>&-
rc=$?
exec 4>&- 5>&-
k=0   # what the command wrote is on its way; what it left running is not waited for
while [ $k -lt 40 ] && kill -0 $drain 2>/dev/null; do usleep 25000; k=$((k + 1)); done
echo $rc >$R/rc
end
INIT
}

# Sets the guest's time of day: the time stamp of a new file is the host's time, and what passed
# since then is known. (The first 'date' only brings the program into the cache.)
# shellcheck disable=SC2016  # expanded in the guest
CLOCK='PATH=/usr/bin:/bin; cd /dev/run; date; at=$EPOCHREALTIME; : >clock; t=$(date -r clock +%s%6N);
t=$((t + ${EPOCHREALTIME/[.,]/} - ${at/[.,]/})); date -s "@${t%??????}.${t: -6}"'

# The part that runs as the caller, inside the guest's view of the host's files.
guest_job() {
  local name
  printf 'export'
  for name in "${PASS_ENV[@]}" $(compgen -e BESSRIG_); do
    [[ -v $name ]] && printf ' %s=%q' "$name" "${!name}"
  done
  printf ' BESSRIG_VCAN_HOST=vm BESSRIG_VCAN_MODE=native TMPDIR=/dev/shm\n'
  printf 'ulimit -Sn %s 2>/dev/null\n' "$(ulimit -Sn)"
  printf 'cd %q || { echo "cannot enter the working directory in the VM" >&2; exit 125; }\n' "$PWD"
  if ((${#command[@]} == 0)); then
    # shellcheck disable=SC2016  # expanded in the guest
    printf 'exec "${SHELL:-/bin/bash}" -i\n'
    return
  fi
  printf 'limit=%s\n' "$limit"
  declare -f limited
  printf 'limited'
  printf ' %q' "${command[@]}"
  printf '\n'
}

guest_settings() {
  local as='' input='' tty=''
  if ((EUID)); then
    as="/usr/bin/setpriv --reuid=$(id -u) --regid=$(id -g) --groups=$(id -G | tr ' ' ,)"
  fi
  if pass_stdin; then input=1; fi
  if ((${#command[@]} == 0)); then tty="sane $(stty size | sed 's/\(.*\) \(.*\)/rows \1 cols \2/')"; fi
  printf "BUSES=%s AS='%s' SHELL_PATH='%s' SPLIT=%s STDIN=%s TTY='%s'\nCLOCK='%s'\n" \
    "$buses" "$as" "$BASH" "$split" "$input" "$tty" "$CLOCK"
}

pass_stdin() { [[ ! -t 0 && ! /dev/fd/0 -ef /dev/null && -r /dev/fd/0 ]]; }

make_initrd() {
  local tree=$run/initrd.d
  mkdir -p "$tree/bin" "$tree/lib"
  cp /bin/busybox "$tree/bin/busybox"
  cp -r "$CACHE/kernel/lib/modules" "$tree/lib/modules"
  guest_init | sed "s/@CACHE@/${BESSRIG_VCAN_9P_CACHE:-loose}/" >"$tree/init"
  chmod 755 "$tree/init"
  (cd "$tree" && find . | /bin/busybox cpio -o -H newc) >"$run/initrd" 2>/dev/null
  rm -rf "$tree"
}

# Kernel arguments for the clock, see "Clock" above: without 'reliable' a watchdog compares the TSC
# with the HPET, and on a busy host a late reading could make it give up the TSC.
clock_args() { printf 'clocksource=tsc tsc=reliable'; }

# A port of the guest whose output is appended to a file of the host: such a write never blocks the
# guest and is complete before the guest goes on, so nothing is lost at power-off.
out_port() {
  : >"$run/$1"
  qemu+=(-chardev "file,id=$1,path=${run//,/,,}/$1" -device "virtserialport,nr=$2,chardev=$1")
}

share() { # TAG PATH
  local model=none
  ((EUID)) || model=passthrough
  qemu+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=$model,multidevs=remap"
    -device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

qemu_command() {
  local kernel=$CACHE/kernel/vmlinux
  [[ -e $kernel ]] || kernel=$CACHE/kernel/vmlinuz
  qemu=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
    -machine pc -accel "tcg,thread=multi" -cpu max -smp "$cores" -m "$memory" -rtc base=utc
    -kernel "$kernel" -initrd "$run/initrd"
    -append "console=ttyS0 quiet panic=-1 preempt=full mitigations=off audit=0 apparmor=0 \
random.trust_cpu=on $(clock_args) ${BESSRIG_VCAN_KERNEL_ARGS:-}"
    -chardev "file,id=log,path=${run//,/,,}/console.log" -serial chardev:log)
  if ((${#command[@]} == 0)); then
    qemu+=(-chardev 'stdio,id=tty,signal=off' -serial chardev:tty)
  else
    qemu_ports
  fi
  share host /
  share run "$run"
}

# The first virtio device, so that the guest's names for the ports are vport0p1, 2 and 3.
qemu_ports() {
  qemu+=(-device virtio-serial-pci)
  out_port out 1
  out_port err 2
  if pass_stdin; then
    qemu+=(-chardev 'stdio,id=in,signal=off' -device 'virtserialport,nr=3,chardev=in')
  fi
}

# Should this script be killed, the VM goes too.
start_qemu() {
  local hard=0
  if ((limit && ${#command[@]})); then hard=$((limit + 30)); fi
  exec setpriv --pdeathsig TERM timeout --foreground -k 2 "$hard" "${qemu[@]}"
}

watch_output() {
  tail -c +1 -s 0.02 --pid="$vm_pid" -f "$run/out" 2>/dev/null &
  tail_pids+=($!)
  tail -c +1 -s 0.02 --pid="$vm_pid" -f "$run/err" >&2 2>/dev/null &
  tail_pids+=($!)
}

# Directories that killed scripts left behind.
remove_stale() {
  local dir pid
  for dir in "$CACHE"/run.*; do
    pid=${dir##*/run.}
    [[ -e /proc/${pid%%.*} ]] || rm -rf "$dir"
  done
}

run_vm() {
  local rc=0 qemu
  [[ $(uname -m) == x86_64 ]] || cannot "the VM is for x86_64 hosts"
  if ((${#command[@]} == 0)) && ! [[ -t 0 && -t 1 ]]; then usage "a shell needs a terminal"; fi
  need_packages
  need_kernel
  remove_stale
  run=$(mktemp -d "$CACHE/run.$$.XXXXXX") || cannot "cannot write to $CACHE"
  make_initrd
  guest_job >"$run/job"
  guest_settings >"$run/settings"
  qemu_command
  if ((${#command[@]} == 0)); then
    say "a shell in a VM; 'exit' ends it"
    (start_qemu) || rc=$?
  else
    exec 6<&0
    (start_qemu) <&6 >/dev/null 2>"$run/qemu.log" &
    vm_pid=$!
    watch_output
    wait -n "$vm_pid" "${tail_pids[@]}" || rc=$?
    if kill -0 "$vm_pid" 2>/dev/null; then # nobody reads our output any more
      kill "$vm_pid" 2>/dev/null || true
      return 141
    fi
    wait "${tail_pids[@]}" || true
    vm_pid=
  fi
  if [[ -s $run/rc ]]; then return "$(<"$run/rc")"; fi
  if ((rc == 124 || rc == 137)); then
    say "the VM did not end by itself after --timeout $limit"
    return 124
  fi
  cat "$run/qemu.log" >&2 2>/dev/null || true
  tail -n 20 "$run/console.log" 2>/dev/null | tr -d '\r' >&2 || true
  say "cannot provide vcan: the VM ended without a result (QEMU's exit code $rc)"
  return 125
}

# --- main --------------------------------------------------------------------------------------------

clean_up() {
  local rc=$?
  trap - EXIT
  trap '' INT TERM HUP
  if [[ $vm_pid ]]; then
    kill "$vm_pid" 2>/dev/null || true
    wait "$vm_pid" 2>/dev/null || true
  fi
  remove_links
  if [[ $run ]]; then rm -rf "$run"; fi
  exit "$rc"
}

main() {
  local why=''
  [[ /dev/fd/1 -ef /dev/fd/2 ]] || split=1
  parse "$@"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  if [[ $mode != vm ]]; then
    if native_links; then run_native; return; fi
    remove_links
    [[ $mode == auto ]] || cannot "$why"
  fi
  run_vm
}

main "$@"
