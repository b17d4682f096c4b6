# From schedules to kernels: reads schedules/targets.json and the lines of schedules/*.jsonl, runs the generator once a
# variant, and writes the tables that the runtime is compiled from (kernels.inc, targets.inc). Nothing else enumerates
# variants.
#
#   dwc_add_kernels(<library> TARGETS <name>... GENERATOR <executable> REPORT <custom target>)

include_guard(GLOBAL)

# Values of a key as a list: a JSON array, or a single value; `default` where the key is absent.
function(_dwc_json_list out line key default)
    string(JSON type ERROR_VARIABLE missing TYPE "${line}" ${key})
    if(missing)
        set(${out} "${default}" PARENT_SCOPE)
        return()
    endif()
    set(values "")
    if(type STREQUAL "ARRAY")
        string(JSON count LENGTH "${line}" ${key})
        math(EXPR last "${count} - 1")
        foreach(i RANGE 0 ${last})
            if(count EQUAL 0)
                break()
            endif()
            string(JSON value GET "${line}" ${key} ${i})
            list(APPEND values "${value}")
        endforeach()
    else()
        string(JSON values GET "${line}" ${key})
    endif()
    set(${out} "${values}" PARENT_SCOPE)
endfunction()

# Reads the table of targets: DWC_ALL_TARGETS, and per target DWC_TARGET_<name>_{HALIDE,PROCESSOR,PARENT,LANES,CPU,FMA}.
macro(dwc_read_targets)
    set(_dwc_targets_file "${PROJECT_SOURCE_DIR}/schedules/targets.json")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${_dwc_targets_file}")
    file(READ "${_dwc_targets_file}" _dwc_targets)
    string(JSON _dwc_count LENGTH "${_dwc_targets}" targets)
    math(EXPR _dwc_last "${_dwc_count} - 1")
    set(DWC_ALL_TARGETS "")
    foreach(_dwc_i RANGE ${_dwc_last})
        string(JSON _dwc_target GET "${_dwc_targets}" targets ${_dwc_i})
        string(JSON _dwc_name GET "${_dwc_target}" name)
        list(APPEND DWC_ALL_TARGETS "${_dwc_name}")
        foreach(_dwc_key halide processor parent lanes fma)
            string(TOUPPER ${_dwc_key} _dwc_upper)
            string(JSON DWC_TARGET_${_dwc_name}_${_dwc_upper} ERROR_VARIABLE _dwc_missing GET "${_dwc_target}"
                   ${_dwc_key})
            if(_dwc_missing)
                set(DWC_TARGET_${_dwc_name}_${_dwc_upper} "")
            endif()
        endforeach()
        _dwc_json_list(DWC_TARGET_${_dwc_name}_CPU "${_dwc_target}" cpu "")
    endforeach()
endmacro()

# One generator run. Appends the object file to `objects` of the caller.
function(_dwc_generate symbol target generator)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.o")
    add_custom_command(
        OUTPUT "${object}"
        COMMAND "${CMAKE_COMMAND}" "-DGENERATOR=$<TARGET_FILE:${generator}>" "-DSYMBOL=${symbol}"
                "-DFOLDER=${CMAKE_CURRENT_BINARY_DIR}" "-DARGUMENTS=${ARGN}"
                "-DTARGET=${DWC_TARGET_${target}_HALIDE}-user_context-no_runtime-no_bounds_query"
                -P "${PROJECT_SOURCE_DIR}/cmake/run_generator.cmake"
        DEPENDS ${generator} "${PROJECT_SOURCE_DIR}/cmake/run_generator.cmake"
        COMMENT "Kernel ${symbol}"
        VERBATIM)
    set(objects ${objects} "${object}" PARENT_SCOPE)
endfunction()

function(dwc_add_kernels library)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "GENERATOR;REPORT" "TARGETS")
    set(objects "")
    set(rows "")
    set(symbols "")
    file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/schedules/*.jsonl"
         "${PROJECT_SOURCE_DIR}/schedules/db/*.jsonl")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
    foreach(file IN LISTS files)
        file(READ "${file}" text)
        # CMake's own list syntax must not see the brackets and semicolons of JSON.
        string(REPLACE ";" "\\;" text "${text}")
        string(REPLACE "[" "<(" text "${text}")
        string(REPLACE "]" ")>" text "${text}")
        string(REGEX MATCHALL "[^\n]+" lines "${text}")
        foreach(line IN LISTS lines)
            string(REPLACE "<(" "[" line "${line}")
            string(REPLACE ")>" "]" line "${line}")
            string(JSON target GET "${line}" target)
            if(NOT target IN_LIST DWC_ALL_TARGETS)
                message(FATAL_ERROR "${file}: target ${target} is not in schedules/targets.json")
            endif()
            if(NOT target IN_LIST arg_TARGETS)
                continue()
            endif()
            string(MAKE_C_IDENTIFIER "${target}" target_id)
            string(JSON family GET "${line}" family)
            string(JSON v GET "${line}" v)
            if(family STREQUAL "activation")
                _dwc_json_list(functions "${line}" function "")
                foreach(function IN LISTS functions)
                    set(symbol "dwc_k_activation_${function}_${target_id}")
                    _dwc_generate(${symbol} ${target} ${arg_GENERATOR} -g dwconv_activation function=${function}
                                  vector_width=${v})
                    list(APPEND rows "DWC_ACTIVATION_KERNEL(${symbol}, \"${function}\", ${target_id}, ${v})")
                    list(APPEND symbols ${symbol})
                endforeach()
                continue()
            endif()
            string(JSON t GET "${line}" t)
            _dwc_json_list(dtypes "${line}" dtype "f32")
            _dwc_json_list(ks "${line}" k "")
            _dwc_json_list(strides "${line}" stride "")
            _dwc_json_list(multipliers "${line}" m "")
            _dwc_json_list(activations "${line}" activation "")
            _dwc_json_list(block "${line}" block "4")
            foreach(dtype IN LISTS dtypes)
                string(REPLACE "bf16" "bfloat16" type "${dtype}")
                string(REPLACE "f32" "float32" type "${type}")
                foreach(k IN LISTS ks)
                    foreach(stride IN LISTS strides)
                        foreach(m IN LISTS multipliers)
                            foreach(activation IN LISTS activations)
                                set(name "${family}_${dtype}_k${k}_m${m}_s${stride}_${activation}_v${v}_t${t}")
                                string(REGEX REPLACE "_([kms])0_" "_\\1any_" name "${name}")
                                string(REGEX REPLACE "_([kms])0_" "_\\1any_" name "${name}")
                                if(NOT block EQUAL 4)
                                    string(APPEND name "_b${block}")
                                endif()
                                set(symbol "dwc_k_${name}_${target_id}")
                                if(symbol IN_LIST symbols)
                                    continue() # a record that repeats a default point
                                endif()
                                _dwc_generate(
                                    ${symbol} ${target} ${arg_GENERATOR} -g dwconv family=${family}
                                    activation=${activation} k=${k} stride=${stride} m=${m} v=${v} t=${t}
                                    block=${block} x.type=${type} w.type=${type} b.type=${type} y.type=${type})
                                string(TOUPPER "${dtype}" dtype_id)
                                list(APPEND rows "DWC_KERNEL(${symbol}, \"${name}@${target}\", ${family}, ${target_id}, \
${activation}, DWC_${dtype_id}, ${k}, ${stride}, ${m}, ${v}, ${t}, ${block})")
                                list(APPEND symbols ${symbol})
                            endforeach()
                        endforeach()
                    endforeach()
                endforeach()
            endforeach()
        endforeach()
    endforeach()

    set(target_rows "")
    foreach(target IN LISTS DWC_ALL_TARGETS)
        string(MAKE_C_IDENTIFIER "${target}" target_id)
        set(built 0)
        if(target IN_LIST arg_TARGETS)
            set(built 1)
        endif()
        set(fma 0)
        if(DWC_TARGET_${target}_FMA)
            set(fma 1)
        endif()
        list(JOIN DWC_TARGET_${target}_CPU "," cpu)
        list(APPEND target_rows "DWC_TARGET(${target_id}, \"${target}\", \"${DWC_TARGET_${target}_PARENT}\", \
\"${DWC_TARGET_${target}_PROCESSOR}\", \"${cpu}\", ${DWC_TARGET_${target}_LANES}, ${fma}, ${built})")
    endforeach()
    list(JOIN rows "\n" rows)
    list(JOIN target_rows "\n" target_rows)
    set(note "// Written by cmake/kernels.cmake from schedules/; edit those.\n")
    file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/tables/kernels.inc" CONTENT "${note}${rows}\n" @ONLY)
    file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/tables/targets.inc" CONTENT "${note}${target_rows}\n" @ONLY)

    # One Halide runtime for all of them, for the plainest target of the processor.
    set(runtime "${CMAKE_CURRENT_BINARY_DIR}/dwc_halide_runtime.o")
    list(GET arg_TARGETS 0 first)
    string(REGEX MATCH "^[a-z0-9]+-[0-9]+-linux" base "${DWC_TARGET_${first}_HALIDE}")
    add_custom_command(
        OUTPUT "${runtime}"
        COMMAND ${arg_GENERATOR} -r dwc_halide_runtime -o "${CMAKE_CURRENT_BINARY_DIR}" -e object
                "target=${base}-user_context"
        DEPENDS ${arg_GENERATOR}
        COMMENT "Halide runtime for ${base}"
        VERBATIM)

    add_library(${library} STATIC ${objects} "${runtime}")
    set_target_properties(${library} PROPERTIES LINKER_LANGUAGE CXX POSITION_INDEPENDENT_CODE ON)
    set_source_files_properties(${objects} "${runtime}" PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    target_include_directories(${library} INTERFACE "${CMAKE_CURRENT_BINARY_DIR}/tables")
    add_custom_target(
        ${arg_REPORT} ALL
        COMMAND "${CMAKE_COMMAND}" "-DFOLDER=${CMAKE_CURRENT_BINARY_DIR}" "-DTARGETS=${arg_TARGETS}" -P
                "${PROJECT_SOURCE_DIR}/cmake/kernel_report.cmake"
        DEPENDS ${library}
        VERBATIM)
endfunction()
