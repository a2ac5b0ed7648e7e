# Neural networks in C++: libolivine_nn, of src/nn/, on the public interface of libolivine.
#
# A library of its own: most programs that link libolivine (the Python module, the C library) have no
# use for it, and the core cannot come to depend on it.
file(GLOB_RECURSE nn_sources CONFIGURE_DEPENDS src/nn/*.cpp)
add_library(olivine_nn SHARED ${nn_sources})
add_library(olivine::nn ALIAS olivine_nn)
target_link_libraries(olivine_nn PUBLIC olivine PRIVATE olivine_options)
set_target_properties(olivine_nn PROPERTIES EXPORT_NAME nn BUILD_RPATH "\$ORIGIN"
                                            INSTALL_RPATH "\$ORIGIN")

if(OLIVINE_BUILD_TESTS)
  # On the library, as programs are. equality.cpp is a program that tests/nn/test_cpp_equality.py runs.
  file(GLOB nn_tests CONFIGURE_DEPENDS tests/nn/*_test.cpp)
  add_executable(olivine_nn_tests ${nn_tests})
  target_link_libraries(olivine_nn_tests PRIVATE olivine_nn GTest::gtest_main)
  target_compile_options(olivine_nn_tests PRIVATE -Wall -Wextra)
  olivine_compile_quickly(olivine_nn_tests -O0)
  gtest_discover_tests(olivine_nn_tests DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)

  file(GLOB nn_equality CONFIGURE_DEPENDS tests/nn/equality*.cpp)
  add_executable(olivine_nn_equality ${nn_equality})
  target_link_libraries(olivine_nn_equality PRIVATE olivine_nn)
  target_compile_options(olivine_nn_equality PRIVATE -Wall -Wextra)
  olivine_compile_quickly(olivine_nn_equality -O0)
endif()
