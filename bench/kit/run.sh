#!/bin/sh
# Measures dwconv on this machine and writes one file of records, with everything the system tells of the machine.
# Needs no network, no compiler and no library.
#
#   ./run.sh [-o FILE] [arguments of `dwconv bench`]     for example: ./run.sh -o board.json --repeats 101
#
# Without arguments: the shapes of peers.problems and the models' workloads of workloads.problems, on one thread and on
# all, then what planning and executing add. Minutes on a server, longer on a small board; leave the machine alone
# meanwhile. Then, where dwconv is: dwconv report FILE other-machine.json -o report.html
# EMULATOR: a command that runs ./dwconv; records taken under one say so.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out="dwconv-$(uname -m)-$(date -u +%Y%m%dT%H%M%SZ).json"
problems=yes threads=yes
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 0
fi
if [ "${1:-}" = -o ]; then
    [ -n "${2:-}" ] || { echo "run.sh: -o needs a file to write" >&2; exit 2; }
    out=$2
    shift 2
fi
for word in "$@"; do
    case $word in
        --problem | --problem=* | --problems | --problems=*) problems=no ;;
        --threads | --threads=*) threads=no ;;
    esac
done

governor=$(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null)
case $governor in
    '' | performance) ;;
    *) echo "note: the clock's governor is \"$governor\"; with \"performance\" times are steadier" >&2 ;;
esac

status=0
bench() {
    echo "dwconv bench $*" >&2
    # shellcheck disable=SC2086  # EMULATOR is a command with its arguments
    ${EMULATOR:-} "$here/dwconv" bench --json "$@" >>"$out.unfinished"
    code=$?
    [ $code -gt $status ] && status=$code
    return 0
}
trap 'rm -f "$out.unfinished"; exit 130' INT TERM HUP
: >"$out.unfinished" || { echo "run.sh: $out: the file cannot be written" >&2; exit 2; }
measure() {
    if [ $problems = yes ]; then
        bench --problems "$here/peers.problems" "$@"
        bench --problems "$here/workloads.problems" "$@"
    else
        bench "$@"
    fi
}
if [ $threads = yes ]; then
    measure --threads 1 "$@"
    [ "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)" -gt 1 ] && measure --threads 0 "$@"
else
    measure "$@"
fi
[ $problems = yes ] && bench --overhead
if [ ! -s "$out.unfinished" ]; then
    rm -f "$out.unfinished"
    echo "run.sh: nothing could be measured" >&2
    [ $status -eq 0 ] && status=1
    exit $status
fi
mv "$out.unfinished" "$out"
echo "$out: $(grep -c . "$out") records"
[ $status -eq 0 ] || echo "run.sh: some problems could not be measured, see above" >&2
exit $status
