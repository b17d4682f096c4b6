# Installation: headers, libraries, the CMake package `dwconv` (targets dwconv::dwconv, dwconv::keras) and dwconv.pc.
# Included last by the top CMakeLists.txt, when the targets exist.

option(DWC_INSTALL "Install dwconv with the project it is part of" ${PROJECT_IS_TOP_LEVEL})
if(NOT DWC_INSTALL)
    return()
endif()

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(dwc_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dwconv")

# The keras component has an export file of its own: who asks for dwconv alone needs no HDF5, libzip or BLAS.
install(TARGETS dwconv EXPORT dwconvTargets)
install(EXPORT dwconvTargets NAMESPACE dwconv:: DESTINATION "${dwc_package_dir}")
set(dwc_shared_targets dwconv)
set(dwc_header_patterns PATTERN "dwconv.h*" PATTERN "steps.h")
if(TARGET dwconv_keras)
    set_target_properties(dwconv_keras PROPERTIES EXPORT_NAME keras)
    install(TARGETS dwconv_keras EXPORT dwconvKerasTargets)
    install(EXPORT dwconvKerasTargets NAMESPACE dwconv:: DESTINATION "${dwc_package_dir}")
    list(APPEND dwc_shared_targets dwconv_keras)
    list(APPEND dwc_header_patterns PATTERN "keras.hpp" PATTERN "dwconv/keras/*.hpp")
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/dwconv" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING ${dwc_header_patterns})

# Until 1.0 a minor version may change the binary interface.
set_target_properties(${dwc_shared_targets} PROPERTIES VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
if(BUILD_SHARED_LIBS)
    # Installed programs and libraries find each other wherever the tree is moved.
    file(RELATIVE_PATH dwc_bin_to_lib "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
    set_target_properties(${dwc_shared_targets} PROPERTIES INSTALL_RPATH "$ORIGIN")
    if(TARGET dwconv_cli)
        set_target_properties(dwconv_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${dwc_bin_to_lib}")
    endif()
endif()

# What a static dwconv_keras leaves to the final link, found as runtime/keras/CMakeLists.txt finds it.
set(DWC_KERAS_FIND_DEPENDENCIES "")
if(NOT BUILD_SHARED_LIBS)
    set(DWC_KERAS_FIND_DEPENDENCIES [[
        find_dependency(PkgConfig)
        find_dependency(HDF5 COMPONENTS C)
        if(NOT TARGET PkgConfig::libzip)
            pkg_check_modules(libzip QUIET IMPORTED_TARGET libzip)
        endif()
        if(NOT TARGET PkgConfig::dwc_cblas)
            pkg_search_module(dwc_cblas QUIET IMPORTED_TARGET openblas cblas)
        endif()
        if(NOT TARGET PkgConfig::libzip OR NOT TARGET PkgConfig::dwc_cblas)
            set(dwconv_FOUND FALSE)
            set(dwconv_NOT_FOUND_MESSAGE "dwconv's component keras needs libzip and OpenBLAS (or another BLAS with \
<cblas.h>), each with its pkg-config file")
            return()
        endif()]])
    string(STRIP "${DWC_KERAS_FIND_DEPENDENCIES}" DWC_KERAS_FIND_DEPENDENCIES)
endif()
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/dwconv-config.cmake.in"
                              "${PROJECT_BINARY_DIR}/cmake/dwconv-config.cmake"
                              INSTALL_DESTINATION "${dwc_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/dwconv-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/cmake/dwconv-config.cmake"
              "${PROJECT_BINARY_DIR}/cmake/dwconv-config-version.cmake"
        DESTINATION "${dwc_package_dir}")

# A C program that links the static library needs the C++ library behind it, and pkg-config's users do not say --static
# where there is nothing but a static library.
set(DWC_PC_LIBS "")
set(DWC_PC_LIBS_PRIVATE "-lstdc++ -lm -ldl -pthread")
if(NOT BUILD_SHARED_LIBS)
    set(DWC_PC_LIBS " ${DWC_PC_LIBS_PRIVATE}")
    set(DWC_PC_LIBS_PRIVATE "")
endif()
file(RELATIVE_PATH DWC_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" DWC_PC_UP "${DWC_PC_UP}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/dwconv.pc.in" "${PROJECT_BINARY_DIR}/cmake/dwconv.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/dwconv.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
