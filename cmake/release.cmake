# cmake -DSOURCE= -DNAME= -DOUT= -DPROCESSOR= -DTARGETS=a,b -DHALIDE= -DARCHIVE= -DTABLES= -DHEADERS= -P release.cmake
#
# Writes OUT/NAME.tar.xz: the sources of a git checkout as they lie there, and beside them in kernels/PROCESSOR the
# kernels of a build (see prebuilt_kernels.cmake). A build of what it unpacks needs neither Halide nor Python.
include("${CMAKE_CURRENT_LIST_DIR}/prebuilt_kernels.cmake")

set(stage "${OUT}/release")
set(tree "${stage}/${NAME}")
file(REMOVE_RECURSE "${stage}")
file(MAKE_DIRECTORY "${tree}/kernels")

# safe.directory: the checkout may belong to somebody else than who builds.
execute_process(COMMAND git -c "safe.directory=*" -C "${SOURCE}" ls-files --cached --others --exclude-standard
                OUTPUT_VARIABLE files OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" files "${files}")
foreach(file IN LISTS files)
    if(EXISTS "${SOURCE}/${file}") # a file may be deleted and still be known to git
        cmake_path(GET file PARENT_PATH folder)
        file(COPY "${SOURCE}/${file}" DESTINATION "${tree}/${folder}")
    endif()
endforeach()

set(kernels "${tree}/kernels/${PROCESSOR}")
file(GLOB headers "${HEADERS}/HalideRuntime*.h")
file(COPY ${headers} DESTINATION "${kernels}/include")
file(COPY "${TABLES}/" DESTINATION "${kernels}/tables")
file(COPY_FILE "${ARCHIVE}" "${kernels}/libdwc_kernels.a")
dwc_kernels_digest(digest "${tree}")
string(REPLACE "," "\", \"" targets "${TARGETS}")
file(WRITE "${kernels}/kernels.json" "{\"processor\": \"${PROCESSOR}\", \"targets\": [\"${targets}\"], \
\"halide\": \"${HALIDE}\", \"sources\": \"${digest}\"}\n")

execute_process(COMMAND "${CMAKE_COMMAND}" -E tar cJf "${OUT}/${NAME}.tar.xz.new" "${NAME}"
                WORKING_DIRECTORY "${stage}" COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${OUT}/${NAME}.tar.xz.new" "${OUT}/${NAME}.tar.xz")
file(REMOVE_RECURSE "${stage}")
file(SIZE "${OUT}/${NAME}.tar.xz" size)
math(EXPR kib "${size} / 1024")
message("${OUT}/${NAME}.tar.xz: ${kib} KiB")
