# cmake -DCLI=<dwconv> -DORACLE=<folder> -P oracle_cases.cmake
#
# `dwconv check ORACLE`, every category but grads (training is not part of this version): every row is judged, and none
# fails. A row that the library departs from on purpose says so in a note and counts as passed.

set(categories cases activations models errors accepted initializers regularizers constraints keras_json)
list(JOIN categories "," only)
execute_process(COMMAND "${CLI}" check "${ORACLE}" --only ${only} OUTPUT_VARIABLE out ERROR_VARIABLE err
                RESULT_VARIABLE code)
message("${out}${err}")
string(REGEX MATCH "\n([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped\n$" summary "${out}")
set(passed "${CMAKE_MATCH_1}")
set(failed "${CMAKE_MATCH_2}")
set(skipped "${CMAKE_MATCH_3}")

# Every row of the files of lines is counted somewhere, and every category said its part.
foreach(category IN LISTS categories)
    if(NOT "\n${out}" MATCHES "\n${category}: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped\n")
        message(FATAL_ERROR "the category ${category} said nothing")
    endif()
    math(EXPR count "${CMAKE_MATCH_1} + ${CMAKE_MATCH_2} + ${CMAKE_MATCH_3}")
    if(CMAKE_MATCH_1 EQUAL 0)
        message(FATAL_ERROR "no row of ${category} passed")
    endif()
    if(EXISTS "${ORACLE}/${category}.jsonl")
        file(READ "${ORACLE}/${category}.jsonl" text)
        string(REGEX MATCHALL "\n{" lines "\n${text}")
        list(LENGTH lines lines_count)
        if(NOT count EQUAL lines_count)
            message(FATAL_ERROR "${count} rows of ${category} were judged, and there are ${lines_count}")
        endif()
    endif()
endforeach()
if(NOT failed EQUAL 0 OR NOT skipped EQUAL 0 OR NOT err STREQUAL "" OR NOT code EQUAL 0)
    message(FATAL_ERROR "exit code ${code}: ${passed} passed, ${failed} failed, ${skipped} skipped")
endif()
