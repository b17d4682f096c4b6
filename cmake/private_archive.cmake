# One object, one namespace: how libdwconv hides Halide.
#
# Every Halide ahead-of-time kernel needs a Halide runtime, and every Halide runtime defines the same weak symbols
# (halide_error, halide_do_par_for, ...). Two libraries that each carry one would share them in a program: error
# handlers and thread pools of one would serve the other. So the library's own objects, its kernels and its runtime
# are linked into one relocatable object, and every symbol but the functions of the public header is made local.
#
#   dwc_private_library(<name>
#       OBJECTS <object library or object file>...
#       ARCHIVES <library target or archive file>...   kernels, helpers, the Halide runtime; taken whole
#       HEADERS <public header>...                     functions marked DWC_API there stay visible
#   )
#     A STATIC or SHARED library target (by BUILD_SHARED_LIBS), to link, install and export like any other. The list of
#     public functions is left in <name>.exports in the current binary directory.
#
#   dwc_private_archive(<name> OUT <archive> OBJECTS ... ARCHIVES ... HEADERS ... [TOOLCHAIN_PREFIX aarch64-linux-gnu-])
#     The same static library, written to <archive>. With TOOLCHAIN_PREFIX the binutils of that prefix are used, which
#     makes an archive for another machine inside this build; <name> is then an IMPORTED library.
#
# Link-time optimisation must be off for what goes in: `ld -r` needs real object code. With DWC_PRIVATE_SYMBOLS=OFF a
# static library keeps all symbols global (for looking at its insides with a debugger or an unusual linker).

include_guard(GLOBAL)

option(DWC_PRIVATE_SYMBOLS "Make every symbol of the static library local but the public functions" ON)
set(DWC_PRIVATE_ARCHIVE_DIR "${CMAKE_CURRENT_LIST_DIR}")

# Binutils by prefix: cached in DWC_LD<prefix>, DWC_OBJCOPY<prefix>, DWC_AR<prefix>. GNU ld is asked for by name: other
# linkers lack --force-group-allocation.
function(_dwc_find_binutils prefix)
    if(prefix STREQUAL "")
        set(hint "${CMAKE_OBJCOPY}")
        cmake_path(GET hint PARENT_PATH hint_dir)
        cmake_path(GET hint FILENAME hint_name)
        if(CMAKE_CROSSCOMPILING)
            string(REGEX REPLACE "objcopy$" "" prefix "${hint_name}")
        endif()
    endif()
    string(MAKE_C_IDENTIFIER "_${prefix}" key)
    find_program(DWC_LD${key} NAMES ${prefix}ld.bfd ${prefix}ld HINTS ${hint_dir} REQUIRED)
    find_program(DWC_OBJCOPY${key} NAMES ${prefix}objcopy HINTS ${hint_dir} REQUIRED)
    find_program(DWC_AR${key} NAMES ${prefix}ar HINTS ${hint_dir} REQUIRED)
    mark_as_advanced(DWC_LD${key} DWC_OBJCOPY${key} DWC_AR${key})
    set(_dwc_ld "${DWC_LD${key}}" PARENT_SCOPE)
    set(_dwc_objcopy "${DWC_OBJCOPY${key}}" PARENT_SCOPE)
    set(_dwc_ar "${DWC_AR${key}}" PARENT_SCOPE)
endfunction()

# The names marked DWC_API in the headers, as a keep list for objcopy and as a version script for ld.
function(_dwc_export_lists name)
    set(keep "${CMAKE_CURRENT_BINARY_DIR}/${name}.exports")
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${name}.map")
    list(TRANSFORM ARGN REPLACE "^([^/].*)$" "${CMAKE_CURRENT_SOURCE_DIR}/\\1")
    add_custom_command(
        OUTPUT "${keep}" "${script}"
        COMMAND "${CMAKE_COMMAND}" "-DHEADERS=${ARGN}" "-DKEEP=${keep}" "-DSCRIPT=${script}" -P
                "${DWC_PRIVATE_ARCHIVE_DIR}/export_list.cmake"
        DEPENDS ${ARGN} "${DWC_PRIVATE_ARCHIVE_DIR}/export_list.cmake"
        COMMENT "Listing the public functions of ${name}"
        VERBATIM)
    set(_dwc_keep "${keep}" PARENT_SCOPE)
    set(_dwc_script "${script}" PARENT_SCOPE)
endfunction()

# Targets become files plus something to depend on; files stay.
function(_dwc_inputs)
    set(files "")
    set(depends "")
    foreach(item IN LISTS ARGN)
        if(NOT TARGET "${item}")
            list(APPEND files "${item}")
            list(APPEND depends "${item}")
            continue()
        endif()
        get_target_property(type "${item}" TYPE)
        if(type STREQUAL "OBJECT_LIBRARY")
            set_target_properties("${item}" PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                                       VISIBILITY_INLINES_HIDDEN ON)
            # objcopy cannot localise unique symbols; as weak ones it can.
            target_compile_options("${item}" PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
            list(APPEND files "$<TARGET_OBJECTS:${item}>")
            list(APPEND depends "$<TARGET_OBJECTS:${item}>")
        else()
            list(APPEND files "$<TARGET_FILE:${item}>")
            list(APPEND depends "${item}" "$<TARGET_FILE:${item}>")
        endif()
    endforeach()
    set(_dwc_files "${files}" PARENT_SCOPE)
    set(_dwc_depends "${depends}" PARENT_SCOPE)
endfunction()

# Adds the command that makes `object`. The linker's input goes through a response file: there are hundreds of kernels.
function(_dwc_private_object name object keep objects archives)
    _dwc_inputs(${objects})
    set(object_files "${_dwc_files}")
    set(depends ${_dwc_depends})
    _dwc_inputs(${archives})
    list(APPEND depends ${_dwc_depends})
    set(response "${object}.rsp")
    list(JOIN object_files "\n" object_lines)
    list(JOIN _dwc_files "\n" archive_lines)
    # $<TARGET_OBJECTS> expands to a list, which JOIN turns into lines.
    file(GENERATE OUTPUT "${response}" CONTENT
         "$<JOIN:${object_lines},\n>\n--whole-archive\n${archive_lines}\n--no-whole-archive\n")
    set(hide "")
    if(DWC_PRIVATE_SYMBOLS)
        set(hide COMMAND "${_dwc_objcopy}" "--keep-global-symbols=${keep}" "${object}.all.o")
    endif()
    add_custom_command(
        OUTPUT "${object}"
        # COMDAT groups (inline functions, templates) are dissolved: otherwise the final link could throw away our copy
        # in favour of another library's, while our local symbols still point at it.
        COMMAND "${_dwc_ld}" -r --force-group-allocation -o "${object}.all.o" "@${response}"
        ${hide}
        COMMAND "${CMAKE_COMMAND}" -E rename "${object}.all.o" "${object}"
        DEPENDS ${depends} "${keep}" "${response}"
        COMMENT "Linking the private object of ${name}"
        VERBATIM)
endfunction()

# The private object as a library of this build, STATIC, SHARED or (type empty) as BUILD_SHARED_LIBS says.
function(_dwc_private_target name type objects archives headers)
    _dwc_find_binutils("")
    _dwc_export_lists(${name} ${headers})
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}_private.o")
    _dwc_private_object(${name} "${object}" "${_dwc_keep}" "${objects}" "${archives}")
    set_source_files_properties("${object}" PROPERTIES GENERATED TRUE EXTERNAL_OBJECT TRUE)
    add_library(${name} ${type} "${object}")
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
    get_target_property(type ${name} TYPE)
    if(type STREQUAL "SHARED_LIBRARY")
        target_link_options(${name} PRIVATE "LINKER:--version-script=${_dwc_script}" LINKER:-z,defs)
        set_target_properties(${name} PROPERTIES LINK_DEPENDS "${_dwc_script}")
    else()
        # CMake cannot see that the object came from C++, so a C program would be linked without its library.
        target_link_libraries(${name} INTERFACE $<$<LINK_LANGUAGE:C>:stdc++>)
    endif()
endfunction()

function(dwc_private_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "OBJECTS;ARCHIVES;HEADERS")
    _dwc_private_target(${name} "" "${arg_OBJECTS}" "${arg_ARCHIVES}" "${arg_HEADERS}")
endfunction()

function(dwc_private_archive name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUT;TOOLCHAIN_PREFIX" "OBJECTS;ARCHIVES;HEADERS")
    cmake_path(ABSOLUTE_PATH arg_OUT BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}" NORMALIZE)
    if(NOT arg_TOOLCHAIN_PREFIX)
        _dwc_private_target(${name} STATIC "${arg_OBJECTS}" "${arg_ARCHIVES}" "${arg_HEADERS}")
        cmake_path(GET arg_OUT PARENT_PATH directory)
        cmake_path(GET arg_OUT FILENAME file)
        string(REGEX REPLACE "^lib(.*)\\.a$" "\\1" output "${file}")
        set_target_properties(${name} PROPERTIES OUTPUT_NAME "${output}" ARCHIVE_OUTPUT_DIRECTORY "${directory}")
        return()
    endif()

    _dwc_find_binutils("${arg_TOOLCHAIN_PREFIX}")
    _dwc_export_lists(${name} ${arg_HEADERS})
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}_private.o")
    _dwc_private_object(${name} "${object}" "${_dwc_keep}" "${arg_OBJECTS}" "${arg_ARCHIVES}")
    add_custom_command(
        OUTPUT "${arg_OUT}"
        COMMAND "${CMAKE_COMMAND}" -E rm -f "${arg_OUT}"
        COMMAND "${_dwc_ar}" rcs "${arg_OUT}" "${object}"
        DEPENDS "${object}"
        VERBATIM)
    add_custom_target(${name}_archive DEPENDS "${arg_OUT}")
    add_library(${name} STATIC IMPORTED GLOBAL)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION "${arg_OUT}")
    add_dependencies(${name} ${name}_archive)
endfunction()
