#include "engine/base/status.h"

#include <cstdio>

namespace quadlane {

std::string Error::text() const {
  std::string s;
  for (auto it = trail.rbegin(); it != trail.rend(); ++it) s += *it + ": ";
  return s + message;
}

namespace detail {

void append(std::string& s, std::string_view v) { s += v; }
void append(std::string& s, char v) { s += v; }
void append_truth(std::string& s, bool v) { s += v ? "true" : "false"; }
void append_signed(std::string& s, int64_t v) { s += std::to_string(v); }
void append_unsigned(std::string& s, uint64_t v) { s += std::to_string(v); }
void append_real(std::string& s, double v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", v);
  s += buffer;
}

}  // namespace detail
}  // namespace quadlane
