# Headers that most files of a target include are parsed once per target, not once per file.
#
# They are the standard library's and ours that rarely change: an edit of one compiles all of the
# target anew. The preset "debug" does without, so there a file that does not include what it uses
# fails to compile. Of compiler caches, ccache handles those of GCC (cmake/defaults.cmake).
option(OLIVINE_PRECOMPILE "Parse common headers once per target" ON)
if(NOT OLIVINE_PRECOMPILE
   OR (CMAKE_CXX_COMPILER_LAUNCHER AND NOT (CMAKE_CXX_COMPILER_LAUNCHER MATCHES "pch_defines"
                                            AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")))
  return()
endif()

# Headers are named as in #include, not by path, so that all working trees share a cache.
function(olivine_precompile target)
  if(TARGET ${target})
    target_precompile_headers(${target} PRIVATE ${ARGN})
    if(CMAKE_CXX_COMPILER_LAUNCHER)
      target_compile_options(${target} PRIVATE -fpch-preprocess) # else ccache reads them as text
    endif()
  endif()
endfunction()

olivine_precompile(olivine_objects <core/error.h> <olivine/array.h> <olivine/device.h>
                   <atomic> <memory> <optional>)
olivine_precompile(olivine_nn <core/error.h> <olivine/nn.h>)
olivine_precompile(olivine_nn_equality <olivine/nn.h>)
olivine_precompile(olivine_tests <gtest/gtest.h> <olivine/olivine.h>)
olivine_precompile(olivine_python <arguments.h> <core/error.h>)
olivine_precompile(olivine_c <handles.h>)

set(kernel_headers <backends/cpu/kernel_table.h> <runtime/thread_pool.h>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(PREPEND kernel_headers <immintrin.h>)
endif()
foreach(isa IN ITEMS plain avx2 avx512)
  olivine_precompile(olivine_kernels_${isa} ${kernel_headers})
endforeach()
