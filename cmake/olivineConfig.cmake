# find_package(olivine): the targets olivine::olivine (C++20), olivine::nn (its layers and
# optimizers), olivine::olivine_c (C99) and olivine::mlx (C++20, with MLX's header names as well).
include("${CMAKE_CURRENT_LIST_DIR}/olivineTargets.cmake")

# olivine_add_python_module(NAME SOURCE...): a Python module of C++ code that uses nanobind and
# arrays (olivine/nanobind.h). The Python found, or Python_EXECUTABLE, must have nanobind installed.
function(olivine_add_python_module name)
  if(NOT Python_Development.Module_FOUND)
    find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
  endif()
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
    OUTPUT_VARIABLE nanobind_dir
    OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE missing)
  if(missing)
    message(FATAL_ERROR "olivine_add_python_module needs nanobind for ${Python_EXECUTABLE}; install "
                        "it with: ${Python_EXECUTABLE} -m pip install nanobind")
  endif()
  find_package(nanobind CONFIG REQUIRED PATHS "${nanobind_dir}" NO_DEFAULT_PATH)
  nanobind_add_module(${name} NB_STATIC ${ARGN})
  target_link_libraries(${name} PRIVATE olivine::olivine)
endfunction()
