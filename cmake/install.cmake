# What a wheel holds besides the pure Python files: the module, lib/, headers and a CMake package.
#
# Paths are relative to the package folder olivine/, which is also the prefix for C++ users:
# CMAKE_PREFIX_PATH=<site-packages>/olivine finds olivine::olivine.
include(CMakePackageConfigHelpers)

if(SKBUILD)
  set(prefix olivine)
else()
  set(prefix .)
endif()
set(config_dir ${prefix}/lib/cmake/olivine)

set(libraries olivine olivine_nn)
if(TARGET olivine_c)
  list(APPEND libraries olivine_c)
  install(DIRECTORY bindings/c/include/ DESTINATION ${prefix}/include)
endif()
install(TARGETS ${libraries} EXPORT olivine_targets LIBRARY DESTINATION ${prefix}/lib)
install(PROGRAMS ${OLIVINE_OPENBLAS_FILES} DESTINATION ${prefix}/lib)
install(DIRECTORY include/ DESTINATION ${prefix}/include)
if(TARGET olivine_python)
  install(TARGETS olivine_python LIBRARY DESTINATION ${prefix})
endif()

install(EXPORT olivine_targets NAMESPACE olivine:: FILE olivineConfig.cmake
        DESTINATION ${config_dir})
# The same for users of the build tree.
export(EXPORT olivine_targets NAMESPACE olivine::
       FILE "${PROJECT_BINARY_DIR}/python/olivine/lib/cmake/olivine/olivineConfig.cmake")
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/olivineConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/olivineConfigVersion.cmake" DESTINATION ${config_dir})
