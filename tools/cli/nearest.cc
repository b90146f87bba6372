#include "tools/cli/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace quadlane::tools {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

Status known_name(const char* what, const std::string& name, std::span<const std::string> known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  if (known.empty()) return invalid_argument("there is no ", what, " '", name, "', there is none at all");
  // A part of a name is nearer than its length says.
  auto distance = [&](const std::string& other) {
    const bool part = other.find(name) != std::string::npos;
    return part ? other.size() - name.size() : 1000 + edit_distance(name, other);
  };
  const auto nearest = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
    return distance(a) < distance(b);
  });
  return invalid_argument("there is no ", what, " '", name, "', the nearest is '", *nearest, "'");
}

}  // namespace quadlane::tools
