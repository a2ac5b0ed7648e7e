# Language level, warnings and include paths that every own target shares.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "olivine needs g++ 12 or newer; got ${CMAKE_CXX_COMPILER_VERSION}")
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "olivine needs clang 14 or newer; got ${CMAKE_CXX_COMPILER_VERSION}")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(OLIVINE_SANITIZE "" CACHE STRING "Value of -fsanitize, such as address,undefined or thread")
if(OLIVINE_SANITIZE)
  add_compile_options(
    -fsanitize=${OLIVINE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${OLIVINE_SANITIZE})
endif()

option(OLIVINE_COVERAGE "Count which lines run; tools/coverage.py reads the counts" OFF)
if(OLIVINE_COVERAGE)
  # Atomic counters: most code runs on several threads.
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

add_library(olivine_options INTERFACE)
target_include_directories(
  olivine_options INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(olivine_options INTERFACE nlohmann_json::nlohmann_json)
if(XBYAK_INCLUDE)
  target_include_directories(olivine_options SYSTEM INTERFACE ${XBYAK_INCLUDE})
endif()
target_compile_options(olivine_options INTERFACE -Wall -Wextra -fno-semantic-interposition)
