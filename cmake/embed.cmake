# SPDX-License-Identifier: Apache-2.0
# Run as a script: cmake -DOUT=file.c -DNAME=page_files -DFILES=a;b -P embed.cmake
# Writes a C file with the bytes of each file as a table of {name, bytes, size}.
set(bodies "")
set(rows "")
set(number 0)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND bodies "static const unsigned char bytes_${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", bytes_${number}, sizeof bytes_${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT}.new "/* Made by cmake/embed.cmake. */\n#include \"server/page.h\"\n\n${bodies}\nconst page_file ${NAME}[] = {\n${rows}    {0},\n};\n")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
