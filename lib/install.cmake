# What `cmake --install` lays down: header, library, engines, pkg-config file and CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS recsys EXPORT recsys-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/recsys.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_file(${CMAKE_CURRENT_LIST_DIR}/recsys.pc.in ${CMAKE_CURRENT_BINARY_DIR}/recsys.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/recsys.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The targets file is the whole package configuration: the library's own dependencies are private to it.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/recsys)
install(EXPORT recsys-targets FILE recsys-config.cmake NAMESPACE recsys:: DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/recsys-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/recsys-config-version.cmake DESTINATION ${package})
