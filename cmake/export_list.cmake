# cmake -DHEADERS="a.h;b.h" -DKEEP=<file> -DSCRIPT=<file> -P export_list.cmake
#
# Writes the names of the functions declared with DWC_API in the headers: one a line to KEEP (for objcopy and the
# tests), and as a linker version script to SCRIPT. Fails when a header declares none, or when a line with DWC_API is
# not understood: a function that silently stayed hidden would only be missed by a user.

set(names "")
foreach(header IN LISTS HEADERS)
    file(READ "${header}" text)
    # Comments, preprocessor lines and the lists' own separator would confuse the search.
    string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" " " text "${text}")
    string(REGEX REPLACE "//[^\n]*" " " text "${text}")
    string(REGEX REPLACE "(^|\n)[ \t]*#[^\n]*(\\\\\n[^\n]*)*" "\n" text "${text}")
    string(REGEX REPLACE "[;\n\t]" " " text "${text}")
    string(REGEX MATCHALL "DWC_API" marks "${text}")
    string(REGEX MATCHALL "DWC_API[ A-Za-z0-9_*]*[ *]dwc_[a-z0-9_]+ *\\(" declarations "${text}")
    list(LENGTH marks mark_count)
    list(LENGTH declarations declaration_count)
    if(mark_count EQUAL 0 OR NOT mark_count EQUAL declaration_count)
        message(FATAL_ERROR "${header}: ${mark_count} DWC_API marks but ${declaration_count} function declarations of "
                            "the form `DWC_API type dwc_name(`")
    endif()
    foreach(declaration IN LISTS declarations)
        string(REGEX REPLACE "^.*[ *](dwc_[a-z0-9_]+) *\\($" "\\1" name "${declaration}")
        list(APPEND names "${name}")
    endforeach()
endforeach()
list(REMOVE_DUPLICATES names)
list(SORT names)

list(JOIN names "\n" lines)
file(WRITE "${KEEP}" "${lines}\n")
list(JOIN names ";\n        " lines)
file(WRITE "${SCRIPT}" "{\n    global:\n        ${lines};\n    local:\n        *;\n};\n")
