# From schedules to kernels: reads schedules/targets.json, the points of schedules/*.jsonl and the records of
# schedules/db/*.jsonl, runs the generator once a variant, and writes the tables that the runtime is compiled from
# (kernels.inc, records.inc, targets.inc). Nothing else enumerates variants.
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

# Reads the table of targets: DWC_ALL_TARGETS, and per target DWC_TARGET_<name>_{HALIDE,PROCESSOR,PARENT,LANES,CPU,FMA,
# POINTS,DEVICE}.
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
        foreach(_dwc_key halide processor parent lanes fma device)
            string(TOUPPER ${_dwc_key} _dwc_upper)
            string(JSON DWC_TARGET_${_dwc_name}_${_dwc_upper} ERROR_VARIABLE _dwc_missing GET "${_dwc_target}"
                   ${_dwc_key})
            if(_dwc_missing)
                set(DWC_TARGET_${_dwc_name}_${_dwc_upper} "")
            endif()
        endforeach()
        _dwc_json_list(DWC_TARGET_${_dwc_name}_CPU "${_dwc_target}" cpu "")
        # A target without points is there for its records to come; until then its parent serves it.
        file(GLOB _dwc_lines "${PROJECT_SOURCE_DIR}/schedules/*.jsonl"
             "${PROJECT_SOURCE_DIR}/schedules/db/${_dwc_name}.jsonl")
        set(DWC_TARGET_${_dwc_name}_POINTS OFF)
        foreach(_dwc_file IN LISTS _dwc_lines)
            file(STRINGS "${_dwc_file}" _dwc_found LIMIT_COUNT 1 REGEX "\"target\":[^}]*\"${_dwc_name}\"")
            if(_dwc_found)
                set(DWC_TARGET_${_dwc_name}_POINTS ON)
            endif()
        endforeach()
    endforeach()
endmacro()

# One generator run. Appends the object file to `objects` of the caller. `form`: step, or see run_generator.cmake.
function(_dwc_generate symbol target generator form)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.o")
    set(features user_context-no_runtime-no_bounds_query)
    if(form STREQUAL "step")
        # Checking its many buffers, which one place of the runtime makes, would take as long as 500 channels.
        string(APPEND features -no_asserts)
        set(form "")
    endif()
    add_custom_command(
        OUTPUT "${object}"
        COMMAND "${CMAKE_COMMAND}" "-DGENERATOR=$<TARGET_FILE:${generator}>" "-DSYMBOL=${symbol}"
                "-DFOLDER=${CMAKE_CURRENT_BINARY_DIR}" "-DARGUMENTS=${ARGN}"
                "-DFORM=${form}" "-DCOMPILER=${CMAKE_C_COMPILER}"
                "-DTARGET=${DWC_TARGET_${target}_HALIDE}-${features}"
                -P "${PROJECT_SOURCE_DIR}/cmake/run_generator.cmake"
        DEPENDS ${generator} "${PROJECT_SOURCE_DIR}/cmake/run_generator.cmake"
        COMMENT "Kernel ${symbol}"
        VERBATIM)
    set(objects ${objects} "${object}" PARENT_SCOPE)
endfunction()

# The lines of a file as a list, in which the brackets of JSON cannot upset CMake's own list syntax (_dwc_json_line).
function(_dwc_read_lines out file)
    file(READ "${file}" text)
    string(REPLACE ";" "\\;" text "${text}")
    string(REPLACE "[" "<(" text "${text}")
    string(REPLACE "]" ")>" text "${text}")
    string(REGEX MATCHALL "[^\n]+" lines "${text}")
    set(${out} "${lines}" PARENT_SCOPE)
endfunction()

# Puts the brackets back into `line` of the caller and reads its `targets`, which must be known.
macro(_dwc_json_line)
    string(REPLACE "<(" "[" line "${line}")
    string(REPLACE ")>" "]" line "${line}")
    _dwc_json_list(targets "${line}" target "")
    foreach(target IN LISTS targets)
        if(NOT target IN_LIST DWC_ALL_TARGETS)
            message(FATAL_ERROR "${file}: target ${target} is not in schedules/targets.json")
        endif()
    endforeach()
endmacro()

# One kernel, unless it is there already. `recorded`: 1 where the default order passes it over. `large`: ON for the forms
# that serve large problems. Reads and appends to objects, rows and symbols of the caller.
macro(_dwc_add_kernel target generator recorded large family dtype k m stride activation v t block)
    # The rule of variant_name in schedules/space.hpp.
    set(_name "${family}_${dtype}_k${k}_m${m}_s${stride}_${activation}_v${v}_t${t}")
    string(REGEX REPLACE "_([kms])0_" "_\\1any_" _name "${_name}")
    string(REGEX REPLACE "_([kms])0_" "_\\1any_" _name "${_name}")
    if(NOT "${block}" EQUAL 4)
        string(APPEND _name "_b${block}")
    endif()
    string(MAKE_C_IDENTIFIER "${target}" _target_id)
    set(_symbol "dwc_k_${_name}_${_target_id}")
    if(NOT _symbol IN_LIST symbols)
        string(REPLACE "bf16" "bfloat16" _type "${dtype}")
        string(REPLACE "f32" "float32" _type "${_type}")
        set(_arguments family=${family} activation=${activation} k=${k} stride=${stride} m=${m} v=${v} t=${t}
                       block=${block})
        if(DWC_TARGET_${target}_DEVICE)
            list(PREPEND _arguments -g dwconv_gpu)
        else()
            list(PREPEND _arguments -g dwconv)
            list(APPEND _arguments x.type=${_type} w.type=${_type} b.type=${_type} y.type=${_type})
        endif()
        _dwc_generate(${_symbol} ${target} ${generator} "" ${_arguments})
        set(_ahead 0)
        set(_stream 0)
        if("${large}")
            set(_stream 1)
            if("${family}" STREQUAL "channels")
                set(_ahead 1)
                _dwc_generate(${_symbol}_ahead ${target} ${generator} ahead ${_arguments} ahead=2)
                list(APPEND _arguments ahead=1)
            endif()
            _dwc_generate(${_symbol}_stream ${target} ${generator} stream ${_arguments})
        endif()
        # One step of sequences, whose few taps stay in registers on their way from row to row.
        set(_steps "")
        foreach(_taps 2 3 4)
            set(_step 0)
            if("${family}_${dtype}_m${m}_t${t}_k${k}" MATCHES "^flat_f32_m1_t1_k(0|${_taps})$")
                set(_step 1)
                set(_arguments -g dwconv_step k=${_taps} activation=${activation} v=${v})
                _dwc_generate(${_symbol}_step${_taps} ${target} ${generator} step ${_arguments})
                _dwc_generate(${_symbol}_step${_taps}_apart ${target} ${generator} step ${_arguments} in_place=false)
            endif()
            string(APPEND _steps "${_step}, ")
        endforeach()
        string(TOUPPER "${dtype}" _dtype_id)
        list(APPEND rows "DWC_KERNEL(${_symbol}, ${_ahead}, ${_stream}, ${_steps}\"${_name}@${target}\", ${family}, ${_target_id}, ${activation}, \
DWC_${_dtype_id}, ${k}, ${stride}, ${m}, ${v}, ${t}, ${block}, ${recorded})")
        list(APPEND symbols ${_symbol})
    endif()
endmacro()

# Every kernel of one line of points, the `line` of the caller: a macro's argument would lose its backslashes.
macro(_dwc_add_points target generator)
    string(JSON family GET "${line}" family)
    string(JSON v GET "${line}" v)
    if(family STREQUAL "activation")
        string(MAKE_C_IDENTIFIER "${target}" target_id)
        _dwc_json_list(functions "${line}" function "")
        foreach(function IN LISTS functions)
            set(symbol "dwc_k_activation_${function}_${target_id}")
            _dwc_generate(${symbol} ${target} ${generator} "" -g dwconv_activation function=${function} vector_width=${v})
            list(APPEND rows "DWC_ACTIVATION_KERNEL(${symbol}, \"${function}\", ${target_id}, ${v})")
            list(APPEND symbols ${symbol})
        endforeach()
    else()
        string(JSON t GET "${line}" t)
        _dwc_json_list(dtypes "${line}" dtype "f32")
        _dwc_json_list(ks "${line}" k "")
        _dwc_json_list(strides "${line}" stride "")
        _dwc_json_list(multipliers "${line}" m "")
        _dwc_json_list(activations "${line}" activation "")
        _dwc_json_list(block "${line}" block "4")
        _dwc_json_list(large "${line}" large OFF)
        _dwc_json_list(default "${line}" default ON)
        set(recorded 1)
        if(default)
            set(recorded 0)
        endif()
        foreach(dtype IN LISTS dtypes)
            foreach(k IN LISTS ks)
                foreach(stride IN LISTS strides)
                    foreach(m IN LISTS multipliers)
                        foreach(activation IN LISTS activations)
                            _dwc_add_kernel(${target} ${generator} ${recorded} ${large} ${family} ${dtype} ${k} ${m}
                                            ${stride} ${activation} ${v} ${t} ${block})
                        endforeach()
                    endforeach()
                endforeach()
            endforeach()
        endforeach()
    endif()
endmacro()


foreach(_dwc_target x86-64-avx512-intel x86-64-avx512 x86-64-avx2)
    list(APPEND _dwc_large_records ${_dwc_target}/channels/f32 ${_dwc_target}/width/f32)
endforeach()

# The kernel that one record, the `line` of the caller, asks for, and its row of records.inc. What `dwconv promote` keeps
# for later merges only, kernels that were wrong somewhere and problems without a kernel, asks for nothing.
macro(_dwc_add_record target generator)
    string(JSON _source GET "${line}" source)
    string(JSON _kernel GET "${line}" kernel)
    if(_source MATCHES "^(measured|static)$" AND NOT _kernel STREQUAL "")
        foreach(_key problem threads incumbent us ratio cpu date)
            string(JSON _${_key} GET "${line}" ${_key})
        endforeach()
        set(_number "(any|[0-9]+)")
        set(_pattern "^([a-z]+)_(f32|bf16)_k${_number}_m${_number}_s${_number}_([a-z]+)_v([0-9]+)_t([0-9]+)(_b[0-9]+)?$")
        if(NOT _kernel MATCHES "${_pattern}")
            message(FATAL_ERROR "${file}: kernel ${_kernel} is no name of a variant")
        endif()
        set(_fixed ${CMAKE_MATCH_3} ${CMAKE_MATCH_4} ${CMAKE_MATCH_5})
        list(TRANSFORM _fixed REPLACE "any" "0")
        set(_block 4)
        if(NOT "${CMAKE_MATCH_9}" STREQUAL "")
            string(SUBSTRING "${CMAKE_MATCH_9}" 2 -1 _block) # "_b1"; CMake keeps nine groups
        endif()
        # A record also answers for larger problems of its class and for the classes nearest to it.
        set(_large OFF)
        if("${target}/${CMAKE_MATCH_1}/${CMAKE_MATCH_2}" IN_LIST _dwc_large_records)
            set(_large ON)
        endif()
        _dwc_add_kernel(${target} ${generator} 1 ${_large} ${CMAKE_MATCH_1} ${CMAKE_MATCH_2} ${_fixed} ${CMAKE_MATCH_6}
                        ${CMAKE_MATCH_7} ${CMAKE_MATCH_8} ${_block})
        set(_measured 0)
        if(_source STREQUAL "measured")
            set(_measured 1)
        endif()
        string(MAKE_C_IDENTIFIER "${target}" _target_id)
        string(REGEX REPLACE "([\"\\])" "\\\\\\1" _cpu "${_cpu}")
        list(APPEND record_rows "DWC_RECORD(${_target_id}, ${_measured}, \"${_problem}\", ${_threads}, \
\"${_kernel}@${target}\", \"${_incumbent}\", ${_us}, ${_ratio}, \"${_cpu}\", \"${_date}\")")
    endif()
endmacro()

# Calls `add` with every target of every line of the files in the list named `files`.
macro(_dwc_add_lines files add)
    foreach(file IN LISTS ${files})
        _dwc_read_lines(lines "${file}")
        foreach(line IN LISTS lines)
            _dwc_json_line()
            foreach(target IN LISTS targets)
                if(target IN_LIST arg_TARGETS)
                    cmake_language(CALL ${add} ${target} ${arg_GENERATOR})
                endif()
            endforeach()
        endforeach()
    endforeach()
endmacro()

function(dwc_add_kernels library)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "GENERATOR;REPORT" "TARGETS")
    set(objects "")
    set(rows "")
    set(symbols "")
    set(record_rows "")
    # The points come first: a record's kernel that is a default point stays one.
    file(GLOB points CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/schedules/*.jsonl")
    file(GLOB records CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/schedules/db/*.jsonl")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${points} ${records})
    _dwc_add_lines(points _dwc_add_points)
    _dwc_add_lines(records _dwc_add_record)

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
        set(device host)
        if(DWC_TARGET_${target}_DEVICE)
            set(device ${DWC_TARGET_${target}_DEVICE})
        endif()
        list(JOIN DWC_TARGET_${target}_CPU "," cpu)
        list(APPEND target_rows "DWC_TARGET(${target_id}, \"${target}\", \"${DWC_TARGET_${target}_PARENT}\", \
\"${DWC_TARGET_${target}_PROCESSOR}\", \"${cpu}\", ${DWC_TARGET_${target}_LANES}, ${fma}, ${built}, ${device})")
    endforeach()
    list(JOIN rows "\n" rows)
    list(JOIN record_rows "\n" record_rows)
    list(JOIN target_rows "\n" target_rows)
    set(note "// Written by cmake/kernels.cmake from schedules/; edit those.\n")
    file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/tables/kernels.inc" CONTENT "${note}${rows}\n" @ONLY)
    file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/tables/records.inc" CONTENT "${note}${record_rows}\n" @ONLY)
    file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/tables/targets.inc" CONTENT "${note}${target_rows}\n" @ONLY)

    # One Halide runtime for all of them, for the plainest target of the processor. What kernels of devices ask of a
    # runtime is runtime/device_glue.cpp's.
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
