# Cross build for 64-bit ARM Linux with Debian's g++-aarch64-linux-gnu; programs run under qemu-user-static.
#   cmake -S . -B build/arm -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-toolchain.cmake [-DDWC_SYSROOT=<folder>]
# DWC_SYSROOT: a folder with libraries for that processor, as scripts/arm_sysroot.sh makes it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
if(DWC_SYSROOT)
    list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DWC_SYSROOT)
    set(CMAKE_SYSROOT "${DWC_SYSROOT}")
    set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
    set(CMAKE_LIBRARY_PATH /usr/lib/aarch64-linux-gnu/hdf5/serial)
    set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
    set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L "${DWC_SYSROOT}")
    # qemu looks for the loader in the folder, and the loader for these.
    set(dwc_libraries "${DWC_SYSROOT}/usr/lib/aarch64-linux-gnu")
    list(APPEND CMAKE_CROSSCOMPILING_EMULATOR -E
         "LD_LIBRARY_PATH=${dwc_libraries}:${dwc_libraries}/openblas-pthread:${dwc_libraries}/hdf5/serial")
    string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,-rpath-link,${dwc_libraries}")
    set(ENV{PKG_CONFIG_SYSROOT_DIR} "${DWC_SYSROOT}")
    set(ENV{PKG_CONFIG_LIBDIR} "${dwc_libraries}/pkgconfig:${DWC_SYSROOT}/usr/share/pkgconfig")
else()
    # The C library of the cross compiler lies in its own tree, where qemu finds the loader through -L.
    set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
    set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu)
endif()
