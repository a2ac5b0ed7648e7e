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

# What a library shows, given as a linker's version script.
function(olivine_show library script)
  set(path "${PROJECT_BINARY_DIR}/${library}.map")
  file(CONFIGURE OUTPUT "${path}" @ONLY CONTENT "${script}")
  target_link_options(${library} PRIVATE "LINKER:--version-script,${path}")
  set_property(TARGET ${library} APPEND PROPERTY LINK_DEPENDS "${path}")
endfunction()

# Hidden is whatever OLIVINE_API does not mark; the script hides the standard library's templates
# too, which are visible in every object. Functions, constants and types of namespace olivine remain
# (as mangled: a demangled template begins with its result).
set(ours "_ZN7olivine* _ZNK7olivine* _ZNO7olivine* _ZNR7olivine* _ZT[ISTV]N7olivine* _ZGVN7olivine*")
string(APPEND ours " _ZZN7olivine* _ZZNK7olivine* _ZGVZN7olivine* _ZGVZNK7olivine* _ZT[hv]*7olivine*")
string(REPLACE " " "; " ours "${ours}")
foreach(library IN ITEMS olivine olivine_nn)
  if(TARGET ${library})
    olivine_show(${library} "{\n  global: ${ours};\n  local: *;\n};\n")
  endif()
endforeach()

if(TARGET olivine_c)
  set_target_properties(olivine_c PROPERTIES SOVERSION ${OLIVINE_C_ABI})
  # What it shows are olivine_* and _olivine_*, all of one symbol version.
  olivine_show(olivine_c
               "OLIVINE_C_${OLIVINE_C_ABI} {\n  global: olivine_*; _olivine_*;\n  local: *;\n};\n")
endif()
