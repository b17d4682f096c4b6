# Targets of other processors: a build of its own for each processor, inside this one, with the cross compiler of
# cmake/<processor>-toolchain.cmake and the generator program of this build. The folder is called after the processor's
# first target. Tests of that build are tests of this one: `ctest` here runs them under an emulator.
include(ExternalProject)

set(dwc_foreign_processors "")
foreach(target IN LISTS DWC_FOREIGN_TARGETS)
    list(APPEND dwc_foreign_processors "${DWC_TARGET_${target}_PROCESSOR}")
    list(APPEND dwc_foreign_targets_${DWC_TARGET_${target}_PROCESSOR} "${target}")
endforeach()
list(REMOVE_DUPLICATES dwc_foreign_processors)
cmake_host_system_information(RESULT dwc_host_cores QUERY NUMBER_OF_LOGICAL_CORES)

# A missing cross compiler is said here, not by the inner build in the middle of the outer one.
function(_dwc_check_toolchain file targets)
    if(NOT EXISTS "${file}")
        message(FATAL_ERROR "DWC_TARGETS: ${targets} need ${file}, which does not exist")
    endif()
    include("${file}")
    set(programs "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}")
    if(DWC_BUILD_TESTS)
        list(GET CMAKE_CROSSCOMPILING_EMULATOR 0 emulator)
        list(APPEND programs "${emulator}")
    endif()
    foreach(program IN LISTS programs)
        find_program(path "${program}" NO_CACHE)
        if(NOT path)
            message(FATAL_ERROR "DWC_TARGETS: ${targets} need the program ${program} (Debian: packages "
                                "g++-aarch64-linux-gnu and qemu-user-static); install it or leave them out")
        endif()
        unset(path)
    endforeach()
endfunction()

foreach(processor IN LISTS dwc_foreign_processors)
    set(targets ${dwc_foreign_targets_${processor}})
    list(GET targets 0 name)
    set(toolchain "${PROJECT_SOURCE_DIR}/cmake/${processor}-toolchain.cmake")
    _dwc_check_toolchain("${toolchain}" "${targets}")
    set(folder "${PROJECT_BINARY_DIR}/${name}")
    list(JOIN targets "|" joined)
    ExternalProject_Add(
        dwc_foreign_${processor}
        PREFIX "${folder}/external"
        SOURCE_DIR "${PROJECT_SOURCE_DIR}"
        BINARY_DIR "${folder}"
        LIST_SEPARATOR "|"
        CMAKE_ARGS "-DCMAKE_TOOLCHAIN_FILE=${toolchain}"
                   "-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}"
                   "-DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}"
                   "-DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}"
                   "-DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}"
                   "-DBUILD_SHARED_LIBS=${BUILD_SHARED_LIBS}"
                   "-DDWC_GENERATOR=$<TARGET_FILE:dwc_generator>"
                   "-DDWC_TARGETS=${joined}"
                   "-DDWC_BUILD_TESTS=${DWC_BUILD_TESTS}"
                   "-DDWC_WARNINGS_AS_ERRORS=${DWC_WARNINGS_AS_ERRORS}"
                   "-DHalide_DIR=${Halide_DIR}"
                   "-DDWC_BUILD_CLI=${DWC_BUILD_CLI}"
                   -DDWC_BUILD_KERAS=OFF -DDWC_BUILD_BENCH=OFF
        BUILD_COMMAND "${CMAKE_COMMAND}" --build <BINARY_DIR> --parallel ${dwc_host_cores}
        BUILD_ALWAYS TRUE
        INSTALL_COMMAND ""
        DEPENDS dwc_generator
        USES_TERMINAL_CONFIGURE TRUE
        USES_TERMINAL_BUILD TRUE)

    # From here, so that generator and kernels are those of the sources.
    if(EXISTS "${PROJECT_SOURCE_DIR}/.git")
        add_custom_target(dwc_release_${processor}
            COMMAND "${CMAKE_COMMAND}" --build "${folder}" --target dwc_release
            DEPENDS dwc_foreign_${processor}
            USES_TERMINAL)
    endif()

    # The kit of schedules/tuner/remote for that processor.
    if(DWC_BUILD_CLI AND PROJECT_IS_TOP_LEVEL)
        install(DIRECTORY "${folder}/remote/${processor}" DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/dwconv/remote"
                OPTIONAL)
    endif()

    if(DWC_BUILD_TESTS)
        # ctest reads the inner build's list of tests where this build's list ends.
        set(tests "${PROJECT_BINARY_DIR}/${name}-tests.cmake")
        file(WRITE "${tests}" "\
if(EXISTS \"${folder}/CTestTestfile.cmake\")
    subdirs(\"${folder}\")
else()
    add_test(${name}.is_not_built \"${CMAKE_COMMAND}\" -E false)
endif()
")
        set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY TEST_INCLUDE_FILES "${tests}")
    endif()
endforeach()
