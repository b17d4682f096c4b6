# cmake -DGENERATOR= -DSYMBOL= -DFOLDER= -DTARGET= -DARGUMENTS="-g;name;param=value..." [-DSTREAM=ON -DCOMPILER=]
#       -P run_generator.cmake
# Compiles one kernel to FOLDER/SYMBOL.o and notes its seconds for the report. With STREAM the kernel's vector stores
# become non-temporal ones: Halide has no way to say so, and the loops are the same, so its assembly is edited.
string(TIMESTAMP start "%s%f" UTC)
set(emit object)
if(STREAM)
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
if(STREAM AND result EQUAL 0)
    set(assembly "${FOLDER}/${SYMBOL}.s")
    file(READ "${assembly}" text)
    string(REPLACE ";" "<semicolon>" text "${text}")
    # Stores to the stack are spilled registers, which are read again at once.
    string(REGEX REPLACE "(\n[ \t]*)(v?)mov[ua]ps([ \t]+%[xyz]mm[0-9]+, [^\n%]*\\(%r([^s\n]|s[^p\n])[^\n]*)"
           "\\1\\2movntps\\3" text "${text}")
    string(REGEX MATCHALL "movntps" streamed "${text}")
    string(REPLACE "<semicolon>" ";" text "${text}")
    if(NOT streamed)
        message(FATAL_ERROR "${SYMBOL}: no vector store was found in its assembly")
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
