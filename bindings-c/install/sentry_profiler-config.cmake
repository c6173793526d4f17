# Targets: sentry_profiler::shared, sentry_profiler::static, and sentry_profiler::sentry_profiler, which is the shared
# library unless SENTRY_PROFILER_STATIC is set before find_package.

get_filename_component(_sentry_profiler_prefix "@PREFIX@" ABSOLUTE)
get_filename_component(_sentry_profiler_lib "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

if(NOT TARGET sentry_profiler::shared)
  add_library(sentry_profiler::shared SHARED IMPORTED)
  set_target_properties(sentry_profiler::shared PROPERTIES
    @SHARED_PROPERTIES@
    INTERFACE_INCLUDE_DIRECTORIES "${_sentry_profiler_prefix}/include")

  add_library(sentry_profiler::static STATIC IMPORTED)
  set_target_properties(sentry_profiler::static PROPERTIES
    IMPORTED_LOCATION "${_sentry_profiler_lib}/libsentry_profiler.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_sentry_profiler_prefix}/include"
    INTERFACE_LINK_LIBRARIES "@PRIVATE_LIBS@")

  add_library(sentry_profiler::sentry_profiler INTERFACE IMPORTED)
  if(SENTRY_PROFILER_STATIC)
    set_target_properties(sentry_profiler::sentry_profiler PROPERTIES INTERFACE_LINK_LIBRARIES sentry_profiler::static)
  else()
    set_target_properties(sentry_profiler::sentry_profiler PROPERTIES INTERFACE_LINK_LIBRARIES sentry_profiler::shared)
  endif()
endif()

unset(_sentry_profiler_prefix)
unset(_sentry_profiler_lib)
