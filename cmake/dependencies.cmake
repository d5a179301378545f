# SPDX-License-Identifier: Apache-2.0
# What the library and the program link with. OpenBLAS: the OpenMP flavour, found by its folder and kept as RUNPATH,
# since all flavours share one soname and the system's default is another one.
find_package(PkgConfig REQUIRED)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)

pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)

set(openblas_flavour openblas-openmp)
if(NOT TOPN_OPENMP)
  set(openblas_flavour openblas-serial)
endif()
find_library(OPENBLAS_LIBRARY NAMES openblas PATH_SUFFIXES ${openblas_flavour} x86_64-linux-gnu/${openblas_flavour}
             aarch64-linux-gnu/${openblas_flavour} REQUIRED)
find_path(OPENBLAS_INCLUDE cblas.h PATH_SUFFIXES ${openblas_flavour} x86_64-linux-gnu/${openblas_flavour}
          x86_64-linux-gnu/openblas-openmp openblas REQUIRED)
get_filename_component(OPENBLAS_FOLDER ${OPENBLAS_LIBRARY} DIRECTORY)

add_library(topn_dependencies INTERFACE)
target_include_directories(topn_dependencies SYSTEM INTERFACE ${OPENBLAS_INCLUDE})
target_link_libraries(topn_dependencies INTERFACE PkgConfig::jansson PkgConfig::yaml PkgConfig::zlib PkgConfig::zstd
                      PkgConfig::xxhash ${OPENBLAS_LIBRARY} m)
if(TOPN_CHOLMOD)
  find_library(CHOLMOD_LIBRARY NAMES cholmod REQUIRED)
  find_path(CHOLMOD_INCLUDE cholmod.h PATH_SUFFIXES suitesparse REQUIRED)
  target_include_directories(topn_dependencies SYSTEM INTERFACE ${CHOLMOD_INCLUDE})
  target_link_libraries(topn_dependencies INTERFACE ${CHOLMOD_LIBRARY})
endif()
set(CMAKE_BUILD_RPATH ${OPENBLAS_FOLDER})
set(CMAKE_INSTALL_RPATH ${OPENBLAS_FOLDER} ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR})

add_library(topn_cli_dependencies INTERFACE)
target_link_libraries(topn_cli_dependencies INTERFACE PkgConfig::jansson m)

add_library(topn_server_dependencies INTERFACE)
target_link_libraries(topn_server_dependencies INTERFACE PkgConfig::microhttpd PkgConfig::jansson PkgConfig::sqlite
                      PkgConfig::libpq PkgConfig::xxhash m)

add_library(topn_study_dependencies INTERFACE)
target_link_libraries(topn_study_dependencies INTERFACE PkgConfig::jansson PkgConfig::sqlite PkgConfig::yaml m)
