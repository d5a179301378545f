# SPDX-License-Identifier: Apache-2.0
# cmake --install build/release --prefix FOLDER: program, library, header, pkg-config file, CMake package, manual pages
# and shell completions. The result may be moved: paths are relative to the files that hold them.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/topn)
set_target_properties(topn PROPERTIES INSTALL_RPATH ${OPENBLAS_FOLDER})
install(TARGETS topn EXPORT topn_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/topn/topn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/topn)
install(EXPORT topn_targets FILE topn-targets.cmake NAMESPACE topn:: DESTINATION ${package_folder})
configure_package_config_file(cmake/topn-config.cmake.in ${CMAKE_BINARY_DIR}/topn-config.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/topn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/topn-config.cmake ${CMAKE_BINARY_DIR}/topn-config-version.cmake
        DESTINATION ${package_folder})

file(RELATIVE_PATH PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" PC_PREFIX "${PC_PREFIX}")
configure_file(cmake/topn.pc.in ${CMAKE_BINARY_DIR}/topn.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/topn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(NOT TARGET topn_program)
  return()
endif()
set_target_properties(topn_program PROPERTIES
                      INSTALL_RPATH "\$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${OPENBLAS_FOLDER}")
install(TARGETS topn_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
