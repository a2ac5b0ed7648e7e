# The Python module olivine.core, and the package staged in the build tree for development.
#
# Put <build>/python on PYTHONPATH: its olivine/ holds the built module and links to python/olivine.
if(NOT Python_Development.Module_FOUND)
  message(FATAL_ERROR "no Python.h for ${Python_EXECUTABLE}; on Debian and Ubuntu: "
                      "apt-get install python3-dev")
endif()
execute_process(
  COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
  OUTPUT_VARIABLE nanobind_ROOT
  OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE nanobind_missing)
if(nanobind_missing)
  message(FATAL_ERROR "olivine needs the Python package nanobind for ${Python_EXECUTABLE}")
endif()
find_package(nanobind CONFIG REQUIRED)

file(GLOB python_sources CONFIGURE_DEPENDS bindings/python/*.cpp bindings/python/generated/*.cpp)
if(python_sources)
  nanobind_add_module(olivine_python NB_STATIC FREE_THREADED NOMINSIZE NB_SUPPRESS_WARNINGS
                      ${python_sources})
  target_include_directories(olivine_python PRIVATE bindings/python)
  target_link_libraries(olivine_python PRIVATE olivine olivine_options)
  set_target_properties(
    olivine_python
    PROPERTIES OUTPUT_NAME core
               LIBRARY_OUTPUT_DIRECTORY "${OLIVINE_STAGE}"
               BUILD_RPATH "\$ORIGIN/lib"
               INSTALL_RPATH "\$ORIGIN/lib"
               BUILD_WITH_INSTALL_RPATH ON)
endif()

# Links, not copies: an edit in python/olivine is live, and only a new top-level entry reconfigures.
file(GLOB package_entries CONFIGURE_DEPENDS LIST_DIRECTORIES true python/olivine/*)
file(GLOB staged_links LIST_DIRECTORIES true "${OLIVINE_STAGE}/*")
foreach(link IN LISTS staged_links)
  if(IS_SYMLINK "${link}")
    file(REMOVE "${link}")
  endif()
endforeach()
foreach(entry IN LISTS package_entries)
  cmake_path(GET entry FILENAME name)
  if(NOT name STREQUAL "__pycache__")
    file(CREATE_LINK "${entry}" "${OLIVINE_STAGE}/${name}" SYMBOLIC)
  endif()
endforeach()
file(CREATE_LINK "${PROJECT_SOURCE_DIR}/include" "${OLIVINE_STAGE}/include" SYMBOLIC)
