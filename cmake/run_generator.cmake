# cmake -DGENERATOR= -DSYMBOL= -DFOLDER= -DTARGET= -DARGUMENTS="-g;name;param=value..." -P run_generator.cmake
# Compiles one kernel to FOLDER/SYMBOL.o and notes its seconds for the report.
string(TIMESTAMP start "%s%f" UTC)
execute_process(
    COMMAND "${GENERATOR}" ${ARGUMENTS} -f ${SYMBOL} -n ${SYMBOL} -o "${FOLDER}" -e object "target=${TARGET}"
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    file(REMOVE "${FOLDER}/${SYMBOL}.o")
    message(FATAL_ERROR "the generator failed on ${SYMBOL}: ${result}")
endif()
string(TIMESTAMP end "%s%f" UTC)
math(EXPR microseconds "${end} - ${start}")
file(WRITE "${FOLDER}/${SYMBOL}.microseconds" "${microseconds}")
