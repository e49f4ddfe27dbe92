# find_package(keel) gives keel::keel, the shared library, and keel::static.
include("${CMAKE_CURRENT_LIST_DIR}/keelTargets.cmake")
