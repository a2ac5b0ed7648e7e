# What an installed tree or a wheel holds besides the pure Python files: libraries, headers, a CMake
# package and pkg-config files. In a wheel the module olivine.core as well.
#
# The prefix of a wheel is the package folder olivine/ (`python -m olivine.config --prefix`). Both
# are found alike: CMAKE_PREFIX_PATH=<prefix>, PKG_CONFIG_PATH=<prefix>/lib/pkgconfig. All paths in
# the files are relative to where they lie.
include(CMakePackageConfigHelpers)

if(SKBUILD)
  set(prefix olivine)
  set(name_links NAMELINK_SKIP)
else()
  set(prefix .)
  set(name_links)
endif()
set(config_dir ${prefix}/lib/cmake/olivine)

# MLX's names as an interface of their own, so that only who asks for them finds <mlx/…>.
add_library(olivine_mlx INTERFACE)
set_target_properties(olivine_mlx PROPERTIES EXPORT_NAME mlx)
target_include_directories(
  olivine_mlx INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/compat/include>
                        $<INSTALL_INTERFACE:${prefix}/include/olivine/compat>)
target_link_libraries(olivine_mlx INTERFACE olivine)

foreach(library IN LISTS libraries)
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${prefix}/include>)
endforeach()
if(TARGET olivine_c)
  install(DIRECTORY bindings/c/include/ DESTINATION ${prefix}/include)
endif()
install(TARGETS ${libraries} olivine_mlx EXPORT olivine_targets
        LIBRARY DESTINATION ${prefix}/lib ${name_links})
install(PROGRAMS ${OLIVINE_OPENBLAS_FILES} DESTINATION ${prefix}/lib)
install(DIRECTORY include/ DESTINATION ${prefix}/include)
install(DIRECTORY compat/include/ DESTINATION ${prefix}/include/olivine/compat)

foreach(library IN LISTS libraries)
  if(SKBUILD)
    # What -l<name> finds: where symbolic links can't be, a linker script stands for one.
    file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/link/lib${library}.so"
         CONTENT "INPUT($<TARGET_SONAME_FILE_NAME:${library}>)\n")
    install(FILES "${PROJECT_BINARY_DIR}/link/lib${library}.so" DESTINATION ${prefix}/lib)
  endif()
  string(REPLACE _ - package ${library})
  set(requires "")
  if(library STREQUAL "olivine_c")
    set(description "Olivine's C interface: arrays and transformations of functions")
  elseif(library STREQUAL "olivine_nn")
    set(description "Olivine's layers, losses and optimizers, for C++20")
    set(requires olivine)
  else()
    set(description "Olivine, an array framework for machine learning, for C++20")
  endif()
  configure_file(cmake/olivine.pc.in "${PROJECT_BINARY_DIR}/${package}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${package}.pc" DESTINATION ${prefix}/lib/pkgconfig)
endforeach()

if(SKBUILD AND TARGET olivine_python)
  install(TARGETS olivine_python LIBRARY DESTINATION ${prefix})
endif()

install(EXPORT olivine_targets NAMESPACE olivine:: FILE olivineTargets.cmake
        DESTINATION ${config_dir})
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/olivineConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES cmake/olivineConfig.cmake "${PROJECT_BINARY_DIR}/olivineConfigVersion.cmake"
        DESTINATION ${config_dir})

# The same for users of the build tree.
set(stage_config "${OLIVINE_STAGE}/lib/cmake/olivine")
export(EXPORT olivine_targets NAMESPACE olivine:: FILE "${stage_config}/olivineTargets.cmake")
foreach(file IN ITEMS "${PROJECT_SOURCE_DIR}/cmake/olivineConfig.cmake"
                      "${PROJECT_BINARY_DIR}/olivineConfigVersion.cmake")
  file(COPY "${file}" DESTINATION "${stage_config}")
endforeach()
