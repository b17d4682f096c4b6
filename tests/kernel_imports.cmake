# cmake -DOBJECTS="a.o;b.o" -DNM=<nm> [-DDEVICE=cuda] -P kernel_imports.cmake
#
# What kernels may ask of the Halide runtime. Anything else (halide_malloc above all) would allocate, print or start
# threads inside an execution. Also libm: a call per lane is no vector code.

set(allowed "halide_error_[a-z0-9_]+|memset|memcpy|_GLOBAL_OFFSET_TABLE_")
if(DEVICE) # what runtime/device_glue.cpp defines
    string(APPEND allowed "|halide_copy_to_device|halide_${DEVICE}_(device_interface|initialize_kernels|finalize_kernels|run)")
endif()
set(allowed "^(${allowed})$")
set(bad "")
set(count 0)
foreach(object IN LISTS OBJECTS)
    execute_process(COMMAND "${NM}" --undefined-only "${object}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[^ \n]+\n" names "${text}")
    foreach(name IN LISTS names)
        string(STRIP "${name}" name)
        if(NOT name MATCHES "${allowed}")
            cmake_path(GET object FILENAME file)
            string(APPEND bad "${file}: imports ${name}\n")
        endif()
    endforeach()
    math(EXPR count "${count} + 1")
endforeach()
if(bad OR count EQUAL 0)
    message("${bad}")
    message(FATAL_ERROR "of ${count} objects")
endif()
message(STATUS "${count} objects import nothing but error reporting")
