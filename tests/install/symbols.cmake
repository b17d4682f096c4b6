# cmake -DLIBRARY=<libdwconv.a or .so> -DEXPORTS=<list of public functions> -DNM=<nm> -P symbols.cmake
#
# The library defines exactly the public functions for the outside, nothing more and nothing less, and leaves no Halide
# symbol open. Checked on the finished file, because a user's linker sees nothing else.

function(names_of out)
    execute_process(COMMAND "${NM}" ${ARGN} "${LIBRARY}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[^\n]+" lines "${text}")
    set(names "")
    foreach(line IN LISTS lines)
        if(line MATCHES "^([0-9a-f]+)? *[A-Za-z] ([^ @]+)")
            list(APPEND names "${CMAKE_MATCH_2}")
        endif()
    endforeach()
    set(${out} "${names}" PARENT_SCOPE)
endfunction()

set(dynamic "")
if(LIBRARY MATCHES "\\.so[.0-9]*$")
    set(dynamic "--dynamic")
endif()
names_of(defined ${dynamic} --extern-only --defined-only)
names_of(open ${dynamic} --undefined-only)
file(STRINGS "${EXPORTS}" wanted)

set(extra ${defined})
list(REMOVE_ITEM extra ${wanted})
set(missing ${wanted})
list(REMOVE_ITEM missing ${defined})
set(leaking ${open})
list(FILTER leaking INCLUDE REGEX "^(_?halide_|dwc_|_ZN?K?(3dwc|6Halide))")

list(LENGTH wanted count)
if(count EQUAL 0 OR extra OR missing OR leaking)
    message(FATAL_ERROR "${LIBRARY}, of ${count} public functions:\n  visible but not public: ${extra}\n"
                        "  public but not visible: ${missing}\n  left open: ${leaking}")
endif()
message(STATUS "${count} public functions, nothing else")
