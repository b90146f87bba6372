// Attributes with their kinds checked: absent gives the default, another kind than asked for is an error (Attrs::*_or
// would silently give the default). Inference reads attributes through these, references through either.
#pragma once

#include "graph/graph.h"

namespace quadlane {

template <class T>
Result<T> attr_or(const Attrs& attrs, const std::string& name, T otherwise) {
  if (!attrs.has(name)) return otherwise;
  if (const T* found = attrs.find<T>(name)) return *found;
  constexpr const char* kKind = std::is_same_v<T, int64_t>                ? "an integer"
                                : std::is_same_v<T, float>                ? "a float"
                                : std::is_same_v<T, std::string>          ? "a string"
                                : std::is_same_v<T, std::vector<int64_t>> ? "a list of integers"
                                : std::is_same_v<T, std::vector<float>>   ? "a list of floats"
                                                                          : "a tensor";
  return invalid_model("attribute '", name, "' is not ", kKind);
}
inline Result<int64_t> int_attr(const Attrs& a, const std::string& name, int64_t otherwise) {
  return attr_or<int64_t>(a, name, otherwise);
}
inline Result<float> float_attr(const Attrs& a, const std::string& name, float otherwise) {
  return attr_or<float>(a, name, otherwise);
}
inline Result<std::string> string_attr(const Attrs& a, const std::string& name, std::string otherwise) {
  return attr_or<std::string>(a, name, std::move(otherwise));
}
inline Result<std::vector<int64_t>> ints_attr(const Attrs& a, const std::string& name, std::vector<int64_t> otherwise) {
  return attr_or<std::vector<int64_t>>(a, name, std::move(otherwise));
}
// An integer attribute within [lo, hi].
inline Result<int64_t> int_attr_in(const Attrs& a, const std::string& name, int64_t otherwise, int64_t lo, int64_t hi) {
  QL_TRY(int64_t value, int_attr(a, name, otherwise));
  if (value < lo || value > hi)
    return invalid_model("attribute '", name, "' is ", value, ", expected ", lo, " to ", hi);
  return value;
}
inline Result<bool> bool_attr(const Attrs& a, const std::string& name, bool otherwise) {
  QL_TRY(int64_t value, int_attr_in(a, name, otherwise, 0, 1));
  return value != 0;
}

// An axis counted from the end when negative, as an index below `rank`.
inline Result<int64_t> normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) return invalid_model("axis ", axis, " does not exist in rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

}  // namespace quadlane
