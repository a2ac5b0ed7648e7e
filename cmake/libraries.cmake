# Names and versions of the shared libraries.
#
# The file of a library is called by its SONAME, so that an archive without symbolic links (a wheel)
# holds it once. `lib<name>.so`, which only linkers read, is a link to it, and in a wheel a linker
# script (cmake/install.cmake).
#
# The C library keeps its ABI as long as OLIVINE_C_ABI stays: functions are added, never changed.
# That of the C++ library may change with every minor version.
set(OLIVINE_C_ABI 0)

set(libraries olivine)
foreach(library IN ITEMS olivine_nn olivine_c)
  if(TARGET ${library})
    list(APPEND libraries ${library})
  endif()
endforeach()

set_target_properties(
  ${libraries} PROPERTIES SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")

if(TARGET olivine_c)
  set_target_properties(olivine_c PROPERTIES SOVERSION ${OLIVINE_C_ABI})
  # What it shows are olivine_* and _olivine_*, all of one symbol version.
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/olivine_c.map" @ONLY CONTENT
       "OLIVINE_C_@OLIVINE_C_ABI@ {\n  global: olivine_*; _olivine_*;\n  local: *;\n};\n")
  target_link_options(
    olivine_c PRIVATE "LINKER:--version-script,${PROJECT_BINARY_DIR}/olivine_c.map")
  set_property(TARGET olivine_c APPEND PROPERTY LINK_DEPENDS "${PROJECT_BINARY_DIR}/olivine_c.map")
endif()
