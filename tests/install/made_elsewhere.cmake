# cmake -DWORK=<scratch> -DMODEL=... -DCC=... -DCXX=... -DNINJA=... -P made_elsewhere.cmake -- <arguments of release.cmake>
#
# Writes the release tarball of this build, unpacks it, builds the library from it with neither Halide nor Python to be
# found, and hands the result to the test of installed trees. Kernels of other sources are refused.
set(arguments "")
set(ours ON)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if(NOT ours)
        list(APPEND arguments "${CMAKE_ARGV${i}}")
    elseif(CMAKE_ARGV${i} STREQUAL "--")
        set(ours OFF)
    endif()
endforeach()

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
run("${CMAKE_COMMAND}" "-DOUT=${WORK}" ${arguments})
file(GLOB tarball "${WORK}/dwconv-*.tar.xz")
run("${CMAKE_COMMAND}" -E chdir "${WORK}" "${CMAKE_COMMAND}" -E tar xJf "${tarball}")
file(REMOVE "${tarball}")
file(GLOB source "${WORK}/dwconv-*")

set(configure "${CMAKE_COMMAND}" -S "${source}" -B "${WORK}/build" -G Ninja "-DCMAKE_MAKE_PROGRAM=${NINJA}"
              "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_CXX_COMPILER=${CXX}" -DCMAKE_BUILD_TYPE=Debug
              -DCMAKE_DISABLE_FIND_PACKAGE_Halide=ON -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON
              -DDWC_BUILD_KERAS=OFF -DDWC_BUILD_CLI=OFF)
run(${configure})
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${CMAKE_COMMAND}" "-DBUILD_DIR=${WORK}/build" "-DWORK=${WORK}/users" "-DMODEL=${MODEL}" "-DCC=${CC}" "-DCXX=${CXX}"
    "-DNINJA=${NINJA}" -P "${CMAKE_CURRENT_LIST_DIR}/install_test.cmake")

file(APPEND "${source}/generators/algorithm.hpp" "// changed\n")
execute_process(COMMAND ${configure} RESULT_VARIABLE result ERROR_VARIABLE text)
string(REGEX REPLACE "[ \n]+" " " text "${text}")
if(result EQUAL 0 OR NOT text MATCHES "the kernels were made from other sources")
    message(FATAL_ERROR "kernels of other sources were not refused: ${text}")
endif()
file(REMOVE_RECURSE "${WORK}")
