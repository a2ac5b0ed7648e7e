# The C++ tests: one executable from tests/**/*.cpp, and the check of the kernels' symbols.
find_package(GTest REQUIRED)
include(GoogleTest)

# Tests run for seconds and compile for minutes: they are optimised little, and what they do
# themselves is sanitized for addresses alone.
function(olivine_compile_quickly target level)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE ${level})
  endif()
  if(OLIVINE_SANITIZE MATCHES "undefined")
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
endfunction()

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS tests/*.cpp)
list(FILTER test_sources EXCLUDE REGEX "/tests/(compat|nn)/")
if(test_sources)
  # Made of the core's objects, not of libolivine, so that tests reach internal functions. It lies
  # beside libolivine because OpenBLAS is looked for in the folder of the running code.
  add_executable(olivine_tests ${test_sources} ${library_objects})
  target_include_directories(olivine_tests PRIVATE tests)
  olivine_compile_quickly(olivine_tests -O1)
  target_compile_definitions(olivine_tests PRIVATE OLIVINE_FUZZ_CORPUS="${PROJECT_SOURCE_DIR}/tests/io/corpus")
  target_link_libraries(olivine_tests PRIVATE olivine_options GTest::gtest_main Threads::Threads
                                              ${CMAKE_DL_LIBS})
  if("amx" IN_LIST OLIVINE_ISAS)
    # Tile registers are rare; where there are none the rest of these kernels is tested all the same.
    add_library(olivine_emulated_tiles OBJECT src/backends/cpu/amx/tiles.cpp)
    target_link_libraries(olivine_emulated_tiles PRIVATE olivine_options)
    target_compile_options(olivine_emulated_tiles PRIVATE ${kernel_flags} ${isa_flags_avx512_bf16})
    target_compile_definitions(olivine_emulated_tiles PRIVATE OLIVINE_ISA=emulated
                                                              OLIVINE_EMULATE_TILES=1)
    target_sources(olivine_tests PRIVATE $<TARGET_OBJECTS:olivine_emulated_tiles>)
  endif()
  if(OLIVINE_COVERAGE)
    # Nobody reads the counts of the tests themselves, and atomic ones make reference loops crawl.
    target_compile_options(olivine_tests PRIVATE -fprofile-update=single)
  endif()
  gtest_discover_tests(olivine_tests DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)
endif()

# Programs as MLX's users write them, against the library and MLX's header names.
file(GLOB mlx_programs CONFIGURE_DEPENDS tests/compat/*.cpp)
foreach(source IN LISTS mlx_programs)
  cmake_path(GET source STEM name)
  add_executable(olivine_mlx_${name} ${source})
  target_include_directories(olivine_mlx_${name} PRIVATE compat/include)
  target_link_libraries(olivine_mlx_${name} PRIVATE olivine)
  olivine_compile_quickly(olivine_mlx_${name} -O0)
  add_test(NAME mlx_${name} COMMAND olivine_mlx_${name})
endforeach()

# Programs in C99, and one in C++, against the C library.
enable_language(C)
file(GLOB c_programs CONFIGURE_DEPENDS tests/bindings/c/*.c tests/bindings/c/*.cc)
foreach(program IN LISTS c_programs)
  get_filename_component(name ${program} NAME_WE)
  add_executable(olivine_c_${name} ${program})
  set_target_properties(olivine_c_${name} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
  target_compile_options(olivine_c_${name} PRIVATE -pedantic -Wall -Wextra -Werror)
  target_link_libraries(olivine_c_${name} PRIVATE olivine_c m)
  add_test(NAME c_${name} COMMAND olivine_c_${name})
  set_tests_properties(c_${name} PROPERTIES TIMEOUT 120)
endforeach()

# A program as users of MLX's C API write them.
add_executable(olivine_mlx_c_program tests/compat/program.c)
set_target_properties(olivine_mlx_c_program PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
target_compile_options(olivine_mlx_c_program PRIVATE -pedantic -Wall -Wextra -Werror)
target_include_directories(olivine_mlx_c_program PRIVATE compat/include)
target_link_libraries(olivine_mlx_c_program PRIVATE olivine_c m)
add_test(NAME mlx_c_program COMMAND olivine_mlx_c_program)

# Unoptimised and sanitised code keeps out-of-line copies of inline functions; there only the link
# order protects, so the check looks at what is shipped.
if(OLIVINE_ISA_TARGETS AND NOT OLIVINE_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(objects "")
  foreach(target IN LISTS OLIVINE_ISA_TARGETS)
    string(REPLACE olivine_kernels_ "" isa ${target})
    string(APPEND objects "${isa} $<JOIN:$<TARGET_OBJECTS:${target}>,\n${isa} >\n")
  endforeach()
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/isa_objects.txt" CONTENT "${objects}")
  add_test(NAME isa_symbols
           COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/check_isa_symbols.py
                   ${PROJECT_BINARY_DIR}/isa_objects.txt)
endif()
