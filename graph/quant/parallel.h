// Independent pieces of work, on threads of the caller's: quantization has none of its own.
#pragma once

#include <cstdint>
#include <functional>

namespace quadlane {

// Calls body(i) once for every i < count, in any order and from any thread; returns when all are done. What a body
// throws ends it and is thrown again.
using ParallelFor = std::function<void(int64_t count, const std::function<void(int64_t)>& body)>;

// On the calling thread.
inline void one_by_one(int64_t count, const std::function<void(int64_t)>& body) {
  for (int64_t i = 0; i < count; ++i) body(i);
}

}  // namespace quadlane
