# CPU kernels: each source is compiled once per instruction set, with OLIVINE_ISA naming the set.
#
# backends/cpu/kernels/*.cpp and backends/cpu/gemm/*_isa.cpp are built for plain, avx2 and avx512;
# backends/cpu/{madd,vnni,amx}/*.cpp are for avx2, avx512_bf16 and amx alone.
# Code in these files lives in namespace olivine::cpu::OLIVINE_ISA, and the core sees OLIVINE_HAS_ISA_<NAME> for every set that is built.
# Nothing is compiled with -march=native.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(default_isas plain avx2 avx512 avx512_bf16 amx)
else()
  set(default_isas plain)
endif()
set(OLIVINE_ISAS "${default_isas}" CACHE STRING "Instruction sets to build CPU kernels for")

set(OLIVINE_BASELINE "" CACHE STRING
    "Instruction set that even the plain kernels may use, for builds that stay on their machine")

set(isa_flags_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(isa_flags_avx512 ${isa_flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl
                     -mprefer-vector-width=512)
set(isa_flags_avx512_bf16 ${isa_flags_avx512} -mavx512bf16 -mavx512vnni -mavx512vbmi)
set(isa_flags_amx ${isa_flags_avx512_bf16} -mamx-tile -mamx-bf16)
set(isa_flags_plain ${isa_flags_${OLIVINE_BASELINE}})

set(kernel_flags -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off)
if(OLIVINE_SANITIZE OR OLIVINE_COVERAGE)
  list(TRANSFORM kernel_flags REPLACE "-O3" "-O1")
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  # GCC 12 may pair two 64-bit values through an MMX register and leave the x87 unit unusable.
  list(APPEND kernel_flags -mno-mmx)
endif()
if(OLIVINE_SANITIZE MATCHES "address")
  # Kernels are inlined into large functions: accesses are checked once, by address alone.
  list(APPEND kernel_flags -fno-sanitize=null,alignment,object-size,pointer-overflow)
endif()

file(GLOB kernel_sources CONFIGURE_DEPENDS src/backends/cpu/kernels/*.cpp)
file(GLOB gemm_sources CONFIGURE_DEPENDS src/backends/cpu/gemm/*_isa.cpp)
file(GLOB madd_sources CONFIGURE_DEPENDS src/backends/cpu/madd/*.cpp)
file(GLOB vnni_sources CONFIGURE_DEPENDS src/backends/cpu/vnni/*.cpp)
file(GLOB amx_sources CONFIGURE_DEPENDS src/backends/cpu/amx/*.cpp)
if(OLIVINE_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Checks as calls, which take GCC a fifth of the time that they take inline, and more to run.
  set_property(SOURCE src/backends/cpu/kernels/fft.cpp src/backends/cpu/kernels/quantized.cpp APPEND
               PROPERTY COMPILE_OPTIONS --param=asan-instrumentation-with-call-threshold=0)
endif()

# The order of this list is the link order: oldest instruction set first.
set(OLIVINE_ISA_TARGETS)
foreach(isa IN LISTS OLIVINE_ISAS)
  set(sources ${kernel_sources} ${gemm_sources})
  if(isa STREQUAL "avx2")
    list(APPEND sources ${madd_sources})
  endif()
  if(isa STREQUAL "avx512_bf16")
    set(sources ${vnni_sources})
  elseif(isa STREQUAL "amx")
    set(sources ${amx_sources})
  endif()
  if(sources)
    set(target olivine_kernels_${isa})
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE olivine_options)
    # -Wno-psabi: GCC notes that wide vectors passed by value changed ABI; none leaves an object.
    target_compile_options(${target} PRIVATE ${kernel_flags} ${isa_flags_${isa}} -Wno-psabi)
    target_compile_definitions(${target} PRIVATE OLIVINE_ISA=${isa})
    list(APPEND OLIVINE_ISA_TARGETS ${target})
  endif()
  string(TOUPPER ${isa} isa_upper)
  if(isa STREQUAL "amx")
    # One file and its test ask for it.
    set_property(SOURCE src/backends/cpu/gemm/tiles.cpp tests/backends/tiles.cpp
                 APPEND PROPERTY COMPILE_DEFINITIONS OLIVINE_HAS_ISA_AMX=1)
  else()
    target_compile_definitions(olivine_options INTERFACE OLIVINE_HAS_ISA_${isa_upper}=1)
  endif()
endforeach()
