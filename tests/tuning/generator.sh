#!/bin/sh
# Stands in for the generator program: every point of family channels becomes the plain kernel of kernel.c, some points
# a broken one. DWC_TEST_OBJECTS: folder with right.o, wrong.o, hang.o, crash.o and empty.o. DWC_TEST_BROKEN: which t (of
# hang: t/block, or all) are what.
set -eu
while [ $# -gt 0 ]; do
    case "$1" in
        -f) symbol=$2; shift ;;
        -o) folder=$2; shift ;;
        -r) runtime=$2; shift ;;
        t=*) t=${1#t=} ;;
        block=*) block=${1#block=} ;;
    esac
    shift
done
if [ -n "${runtime:-}" ]; then
    cp "$DWC_TEST_OBJECTS/empty.o" "$folder/$runtime.o"
    exit 0
fi
case " ${DWC_TEST_BROKEN:-} " in
    *" wrong=$t "*) kind=wrong ;;
    *" hang=all "* | *" hang=$t/$block "*) kind=hang ;;
    *" crash=$t "*) kind=crash ;;
    *" fail=$t "*) echo "no such luck" >&2; exit 3 ;;
    *" illegal=$t "*) echo "illegal point of family channels: t" >&2; exit 1 ;;
    *) kind=right ;;
esac
objcopy --redefine-sym "dwc_test_kernel=$symbol" "$DWC_TEST_OBJECTS/$kind.o" "$folder/$symbol.o"
