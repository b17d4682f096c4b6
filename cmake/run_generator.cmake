# cmake -DGENERATOR= -DSYMBOL= -DFOLDER= -DTARGET= -DARGUMENTS="-g;name;param=value..." [-DFORM=ahead|stream -DCOMPILER=]
#       -P run_generator.cmake
# Compiles one kernel to FOLDER/SYMBOL.o and notes its seconds for the report. The forms for large problems need what
# Halide has no way to say, so their assembly is edited: what either form fetches ahead goes to the second-level cache,
# since the first one has no room for it, and the vector stores of `stream` become non-temporal ones.
string(TIMESTAMP start "%s%f" UTC)
set(emit object)
if(FORM)
    set(emit assembly)
endif()
execute_process(
    COMMAND "${GENERATOR}" ${ARGUMENTS} -f ${SYMBOL} -n ${SYMBOL} -o "${FOLDER}" -e ${emit} "target=${TARGET}"
    RESULT_VARIABLE result
    ERROR_VARIABLE errors)
# That a tile has the size of a tile need not be checked by the device, too.
string(REGEX REPLACE "Warning: Ignoring assertion inside OpenCL kernel[^\n]*\n" "" errors "${errors}")
if(NOT errors STREQUAL "")
    message("${errors}")
endif()
if(FORM AND result EQUAL 0)
    set(assembly "${FOLDER}/${SYMBOL}.s")
    file(READ "${assembly}" text)
    string(REPLACE ";" "<semicolon>" text "${text}")
    string(REGEX REPLACE "(\n[ \t]*)prefetch(nta|t0|t2|w)([ \t])" "\\1prefetcht1\\3" text "${text}")
    if(FORM STREQUAL "stream")
        # Stores to the stack are spilled registers, which are read again at once.
        string(REGEX REPLACE "(\n[ \t]*)(v?)mov[ua]p[sd]([ \t]+%[xyz]mm[0-9]+, [^\n%]*\\(%r([^s\n]|s[^p\n])[^\n]*)"
               "\\1\\2movntps\\3" text "${text}")
    endif()
    set(mark_ahead "prefetcht1")
    set(mark_stream "movntps")
    string(REGEX MATCHALL "${mark_${FORM}}" found "${text}")
    string(REPLACE "<semicolon>" ";" text "${text}")
    if(NOT found)
        message(FATAL_ERROR "${SYMBOL}: its assembly has no instruction that form ${FORM} is made of")
    endif()
    file(WRITE "${assembly}" "${text}")
    execute_process(COMMAND "${COMPILER}" -c "${assembly}" -o "${FOLDER}/${SYMBOL}.o" RESULT_VARIABLE result)
    file(REMOVE "${assembly}")
endif()
if(NOT result EQUAL 0)
    file(REMOVE "${FOLDER}/${SYMBOL}.o")
    message(FATAL_ERROR "the generator failed on ${SYMBOL}: ${result}")
endif()
string(TIMESTAMP end "%s%f" UTC)
math(EXPR microseconds "${end} - ${start}")
file(WRITE "${FOLDER}/${SYMBOL}.microseconds" "${microseconds}")
