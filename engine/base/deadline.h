// When work must have ended, where that is limited. Looked at between parts of the work.
#pragma once

#include <chrono>
#include <optional>

#include "engine/base/status.h"

namespace quadlane {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

inline Status in_time(const Deadline& deadline, const char* work) {
  if (!deadline || std::chrono::steady_clock::now() <= *deadline) return {};
  return make_error(Code::timed_out, work, " took longer than it may");
}

}  // namespace quadlane
