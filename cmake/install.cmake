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

# Manual pages and completions are printed by the program from its option tables. A sanitizer or coverage build does not
# make them: it is not one to install.
if(TOPN_SANITIZE OR TOPN_COVERAGE OR NOT EXISTS ${CMAKE_SOURCE_DIR}/cli/reference.c)
  return()
endif()
find_program(SCDOC scdoc)
set(printed_folder ${CMAKE_BINARY_DIR}/printed)
file(MAKE_DIRECTORY ${printed_folder})
set(printed)
function(topn_print file)
  string(REPLACE ";" " " arguments "${ARGN}")
  add_custom_command(OUTPUT ${printed_folder}/${file} DEPENDS topn_program VERBATIM
                     COMMAND sh -ec "\"$0\" reference ${arguments} > \"$1.new\" && mv \"$1.new\" \"$1\""
                             $<TARGET_FILE:topn_program> ${printed_folder}/${file})
  set(printed ${printed} ${printed_folder}/${file} PARENT_SCOPE)
endfunction()

topn_print(topn.bash --format bash)
topn_print(_topn --format zsh)
install(FILES ${printed_folder}/topn.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME topn)
install(FILES ${printed_folder}/_topn DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

if(SCDOC)
  file(STRINGS cli/commands.def rows REGEX "^COMMAND")
  set(pages topn)
  foreach(row ${rows})
    string(REGEX REPLACE "^COMMAND\\(([a-z_]+)\\).*" "\\1" name ${row})
    string(REPLACE "_" "-" name ${name})
    if(NOT name MATCHES "^reference$")
      list(APPEND pages topn-${name})
    endif()
  endforeach()
  foreach(page ${pages})
    string(REGEX REPLACE "^topn-?" "" command ${page})
    topn_print(${page}.scd ${command} --format scdoc)
    add_custom_command(OUTPUT ${printed_folder}/${page}.1 DEPENDS ${printed_folder}/${page}.scd VERBATIM
                       COMMAND sh -ec "\"$0\" < \"$1.scd\" > \"$1.1.new\" && mv \"$1.1.new\" \"$1.1\""
                               ${SCDOC} ${printed_folder}/${page})
    list(APPEND printed ${printed_folder}/${page}.1)
    install(FILES ${printed_folder}/${page}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  endforeach()
else()
  message(STATUS "scdoc is not installed: no manual pages")
endif()
add_custom_target(topn_printed ALL DEPENDS ${printed})
