# Common headers are parsed once per target, not once per file, where no compiler cache does better:
# a clean build takes less time. Builds with a cache show whether each file includes what it uses.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  target_precompile_headers(olivine_objects PRIVATE src/core/error.h src/core/node.h)
  if(TARGET olivine_tests)
    target_precompile_headers(olivine_tests PRIVATE <gtest/gtest.h> include/olivine/olivine.h)
  endif()
  if(TARGET olivine_python)
    target_precompile_headers(olivine_python PRIVATE bindings/python/arguments.h src/core/error.h)
  endif()
  if(TARGET olivine_c)
    target_precompile_headers(olivine_c PRIVATE bindings/c/handles.h)
  endif()
endif()
