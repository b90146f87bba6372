// Attributes taken out of a draft, their kind checked.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace quadlane {

// The attribute's value, which is removed; empty when absent; an error when it is of another kind.
template <class T>
Result<std::optional<T>> take_attr(Attrs& attrs, const std::string& name) {
  if (!attrs.has(name)) return std::optional<T>();
  const T* found = attrs.find<T>(name);
  if (!found) {
    constexpr const char* kKind = std::is_same_v<T, int64_t>                ? "an integer"
                                  : std::is_same_v<T, float>                ? "a float"
                                  : std::is_same_v<T, std::string>          ? "a string"
                                  : std::is_same_v<T, std::vector<int64_t>> ? "a list of integers"
                                  : std::is_same_v<T, std::vector<float>>   ? "a list of floats"
                                                                            : "a tensor";
    return invalid_model("attribute '", name, "' is not ", kKind);
  }
  std::optional<T> value = *found;
  attrs.erase(name);
  return value;
}

// An axis counted from the end when negative, as an index below `rank`.
inline Result<size_t> resolve_axis(int64_t axis, size_t rank) {
  int64_t r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) return invalid_model("axis ", axis, " does not exist in rank ", r);
  return static_cast<size_t>(axis < 0 ? axis + r : axis);
}

}  // namespace quadlane
