# cmake -DCLI=<dwconv> -DORACLE=<folder> -P oracle_cases.cmake
#
# `dwconv check ORACLE --only cases`: every case of cases.jsonl is judged, and none fails but for activations over the
# last axis (softmax and its like), which no elementwise kernel computes.

execute_process(COMMAND "${CLI}" check "${ORACLE}" --only cases OUTPUT_VARIABLE out ERROR_VARIABLE err
                RESULT_VARIABLE code)
message("${out}${err}")
string(REGEX MATCHALL "\nFAIL[^\n]*" failures "\n${out}")
set(expected "${failures}")
list(FILTER expected INCLUDE REGEX "functions over the last axis")
list(LENGTH failures failed)
list(LENGTH expected expected_count)
string(REGEX MATCH "([0-9]+) passed, ([0-9]+) failed, 0 skipped\n$" summary "${out}")
set(passed "${CMAKE_MATCH_1}")
set(total 0)
file(STRINGS "${ORACLE}/cases.jsonl" lines REGEX "^{")
foreach(line IN LISTS lines)
    math(EXPR total "${total} + 1")
endforeach()
math(EXPR judged "${passed} + ${failed}")
if(NOT failed EQUAL expected_count OR NOT failed EQUAL "${CMAKE_MATCH_2}" OR NOT judged EQUAL total OR passed EQUAL 0
   OR NOT err STREQUAL "" OR NOT code EQUAL 1)
    message(FATAL_ERROR "exit code ${code}; of ${total} cases ${passed} passed and ${failed} failed, "
                        "${expected_count} of them for an activation over the last axis")
endif()
