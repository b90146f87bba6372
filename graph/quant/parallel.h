// Independent pieces of work on all processors the process may use. Streams bring threads of their own; this is for what
// is computed once, such as statistics and weights.
#pragma once

#include <cstdint>
#include <functional>

namespace quadlane {

// Calls body(i) once for every i < count, in any order and from any thread; returns when all are done. Where the
// library is built without threads: on the caller's. An exception ends it and is thrown here.
void parallel_for(int64_t count, const std::function<void(int64_t)>& body);

}  // namespace quadlane
