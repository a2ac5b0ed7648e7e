# OpenBLAS from the PyPI package scipy-openblas32: copied beside libolivine, opened at first use.
#
# The core calls dlopen on OLIVINE_OPENBLAS_FILE, a file name in the folder of its own library, so
# nothing is linked and the build tree and an installed package work alike.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c
          "import scipy_openblas32 as b; print(b.get_lib_dir(), b.get_include_dir(), sep=';')"
  OUTPUT_VARIABLE openblas_dirs
  OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE openblas_missing)
if(openblas_missing)
  message(FATAL_ERROR "olivine needs the Python package scipy-openblas32 for ${Python_EXECUTABLE}; "
                      "install it with: ${Python_EXECUTABLE} -m pip install scipy-openblas32")
endif()
list(GET openblas_dirs 0 OLIVINE_OPENBLAS_DIR)

# Some builds of the package bring their Fortran runtime along.
file(GLOB OLIVINE_OPENBLAS_FILES "${OLIVINE_OPENBLAS_DIR}/libscipy_openblas.so"
     "${OLIVINE_OPENBLAS_DIR}/libgfortran*.so*" "${OLIVINE_OPENBLAS_DIR}/libquadmath*.so*"
     "${OLIVINE_OPENBLAS_DIR}/../../scipy_openblas32.libs/*.so*")
if(NOT OLIVINE_OPENBLAS_FILES)
  message(FATAL_ERROR "no libscipy_openblas.so in ${OLIVINE_OPENBLAS_DIR}")
endif()
foreach(file IN LISTS OLIVINE_OPENBLAS_FILES)
  cmake_path(GET file FILENAME name)
  file(COPY_FILE "${file}" "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${name}" ONLY_IF_DIFFERENT)
endforeach()

target_compile_definitions(olivine_options INTERFACE OLIVINE_OPENBLAS_FILE="libscipy_openblas.so")
