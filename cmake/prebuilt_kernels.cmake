# Kernels that another machine generated, for processors on which Halide does not run: a folder with libdwc_kernels.a,
# the tables that the runtime is compiled from (tables/), Halide's runtime headers (include/) and kernels.json, which
# says for which sources it was made. cmake/release.cmake writes it, -DDWC_KERNELS=<folder> uses it.
#
#   dwc_kernels_digest(<out> <source>)        what kernels and tables are made from, as one hash
#   dwc_read_prebuilt_kernels()               checks the folder; sets DWC_PREBUILT_TARGETS and of Halide, with which
#                                             they were made, DWC_HALIDE_VERSION and DWC_HALIDE_HEADERS
#   dwc_use_prebuilt_kernels(<library>)       the imported library in place of dwc_add_kernels
#   dwc_add_release(<library>)                target dwc_release: the tarball of this build's processor; its command
#                                             but for -DOUT=<folder> is left in DWC_RELEASE_COMMAND

include_guard(GLOBAL)

function(dwc_kernels_digest out source)
    file(GLOB files RELATIVE "${source}" "${source}/generators/*" "${source}/schedules/*.json*"
         "${source}/schedules/db/*.jsonl" "${source}/schedules/space.hpp" "${source}/cmake/kernels.cmake"
         "${source}/cmake/run_generator.cmake")
    list(SORT files)
    set(all "")
    foreach(file IN LISTS files)
        file(SHA256 "${source}/${file}" hash)
        string(APPEND all "${file} ${hash}\n")
    endforeach()
    string(SHA256 all "${all}")
    set(${out} "${all}" PARENT_SCOPE)
endfunction()

function(dwc_read_prebuilt_kernels)
    set(note "${DWC_KERNELS}/kernels.json")
    foreach(file IN ITEMS kernels.json libdwc_kernels.a tables/kernels.inc tables/records.inc tables/targets.inc
                          include/HalideRuntime.h)
        if(NOT EXISTS "${DWC_KERNELS}/${file}")
            message(FATAL_ERROR "DWC_KERNELS=${DWC_KERNELS}: must hold ${file}, as the target dwc_release writes it")
        endif()
    endforeach()
    file(READ "${note}" text)
    set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${note}")
    foreach(key processor sources halide)
        string(JSON ${key} GET "${text}" ${key})
    endforeach()
    string(JSON targets GET "${text}" targets)
    string(REGEX MATCHALL "[a-z][^\", ]*" targets "${targets}")
    if(NOT processor STREQUAL CMAKE_SYSTEM_PROCESSOR)
        message(FATAL_ERROR "DWC_KERNELS=${DWC_KERNELS}: the kernels are for ${processor}, this build is for "
                            "${CMAKE_SYSTEM_PROCESSOR}")
    endif()
    dwc_kernels_digest(here "${PROJECT_SOURCE_DIR}")
    if(NOT sources STREQUAL here)
        message(FATAL_ERROR "DWC_KERNELS=${DWC_KERNELS}: the kernels were made from other sources (generators/, "
                            "schedules/) than these; take both from one release")
    endif()
    set(DWC_PREBUILT_TARGETS "${targets}" PARENT_SCOPE)
    set(DWC_HALIDE_VERSION "${halide}" PARENT_SCOPE)
    set(DWC_HALIDE_HEADERS "${DWC_KERNELS}/include" PARENT_SCOPE)
endfunction()

function(dwc_use_prebuilt_kernels library)
    add_library(${library} STATIC IMPORTED GLOBAL)
    set_target_properties(${library} PROPERTIES IMPORTED_LOCATION "${DWC_KERNELS}/libdwc_kernels.a"
                                                INTERFACE_INCLUDE_DIRECTORIES "${DWC_KERNELS}/tables")
endfunction()

function(dwc_add_release library)
    get_target_property(folder ${library} BINARY_DIR)
    set(name "dwconv-${PROJECT_VERSION}-kernels-${CMAKE_SYSTEM_PROCESSOR}")
    list(JOIN DWC_NATIVE_TARGETS "," targets)
    set(command "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DNAME=${name}" "-DPROCESSOR=${CMAKE_SYSTEM_PROCESSOR}"
                "-DTARGETS=${targets}" "-DHALIDE=${DWC_HALIDE_VERSION}" "-DARCHIVE=$<TARGET_FILE:${library}>"
                "-DTABLES=${folder}/tables" "-DHEADERS=${DWC_HALIDE_HEADERS}" -P
                "${PROJECT_SOURCE_DIR}/cmake/release.cmake")
    add_custom_target(
        dwc_release
        COMMAND "${CMAKE_COMMAND}" "-DOUT=${PROJECT_BINARY_DIR}" ${command}
        DEPENDS ${library}
        COMMENT "Writing ${name}.tar.xz"
        VERBATIM)
    set(DWC_RELEASE_COMMAND ${command} PARENT_SCOPE)
endfunction()
