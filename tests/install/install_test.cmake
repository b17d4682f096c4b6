# cmake -DBUILD_DIR=<built tree> -DWORK=<scratch> -DMODEL=<a .keras file> -DCC=... -DCXX=... -DNINJA=...
#       -P install_test.cmake
# cmake -DSOURCE=<source tree> -DSHARED=<ON|OFF> -DHALIDE_DIR=... -DHALIDE_HELPERS_DIR=... -DLAUNCHER=...
#       and CC to the end as above
#
# Installs the built tree, moves it (it must not depend on where it was installed to), and builds and runs users'
# projects against it: through find_package, with and without the keras component and without C++, and through
# pkg-config. With SOURCE the tree to install is first built as the subproject of a user's project, for one target.

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Configures the consumer project, builds it and runs its programs.
function(consume name)
    run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${WORK}/${name}" -G Ninja --fresh
        "-DCMAKE_MAKE_PROGRAM=${NINJA}" "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_CXX_COMPILER=${CXX}"
        -DCMAKE_BUILD_TYPE=Release "-DMODEL=${MODEL}" ${ARGN})
    run("${CMAKE_COMMAND}" --build "${WORK}/${name}")
    run("${CMAKE_CTEST_COMMAND}" --test-dir "${WORK}/${name}" --output-on-failure --no-tests=error)
endfunction()

set(keras OFF)
if(SOURCE)
    # One object serves every consumer of the source tree, so this build is kept between runs.
    set(BUILD_DIR "${WORK}/subproject")
    consume(subproject "-DDWCONV_SOURCE=${SOURCE}" -DDWC_INSTALL=ON -DBUILD_SHARED_LIBS=${SHARED}
            -DDWC_TARGETS=x86-64-sse41 -DDWC_BUILD_KERAS=ON "-DHalide_DIR=${HALIDE_DIR}"
            "-DHalideHelpers_DIR=${HALIDE_HELPERS_DIR}"
            "-DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" -DWITH_KERAS=ON)
endif()

file(REMOVE_RECURSE "${WORK}/installed" "${WORK}/moved")
run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK}/installed")
file(RENAME "${WORK}/installed" "${WORK}/moved")
file(GLOB_RECURSE installed RELATIVE "${WORK}/moved" "${WORK}/moved/*")
list(JOIN installed "\n  " text)
message(STATUS "installed:\n  ${text}")
set(strays ${installed})
list(FILTER strays EXCLUDE REGEX "^(include/dwconv/|lib[^/]*/|bin/dwconv$|share/|libexec/dwconv/)")
if(strays)
    message(FATAL_ERROR "installed where nobody expects it: ${strays}")
endif()

set(prefix "-DCMAKE_PREFIX_PATH=${WORK}/moved")
consume(package "${prefix}")
consume(package_c "${prefix}" -DWITH_CXX=OFF)
if(installed MATCHES "dwconvKerasTargets")
    consume(package_keras "${prefix}" -DWITH_KERAS=ON)
endif()

# Through pkg-config, as a makefile would.
file(GLOB_RECURSE pc "${WORK}/moved/dwconv.pc")
cmake_path(GET pc PARENT_PATH pc_dir)
cmake_path(GET pc_dir PARENT_PATH lib_dir)
set(ENV{PKG_CONFIG_PATH} "${pc_dir}")
foreach(arguments "--exists;--print-errors;dwconv >= 0.1" "--cflags;dwconv" "--libs;dwconv")
    execute_process(COMMAND pkg-config ${arguments} OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE
                    COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(output UNIX_COMMAND "${output}")
    list(APPEND flags ${output})
endforeach()
set(consumer "${CMAKE_CURRENT_LIST_DIR}/consumer")
set(ENV{LD_LIBRARY_PATH} "${lib_dir}")
run("${CC}" -std=c11 -Wall -Wextra -Werror -pedantic "${consumer}/consumer.c" ${flags} -o "${WORK}/pc_c")
run("${WORK}/pc_c")
run("${CXX}" -std=c++17 -Wall -Wextra -Werror -pedantic "${consumer}/consumer.cpp" ${flags} -o "${WORK}/pc_cpp")
run("${WORK}/pc_cpp")

# The installed command runs from where it was moved to.
unset(ENV{LD_LIBRARY_PATH})
if(EXISTS "${WORK}/moved/bin/dwconv")
    run("${WORK}/moved/bin/dwconv" list)
endif()
