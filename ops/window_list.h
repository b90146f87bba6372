// Lists of kernels, strides, dilations and pads, bounded so that sums and products of two entries fit 64 bits.
#pragma once

#include "ops/attr.h"

namespace quadlane {

inline constexpr int64_t kWindowLimit = int64_t{1} << 30;

inline Status check_window_list(const char* name, const std::vector<int64_t>& list, size_t expected, int64_t lowest) {
  if (list.size() != expected) return invalid_model(name, " has ", list.size(), " entries, expected ", expected);
  for (int64_t v : list)
    if (v < lowest || v > kWindowLimit)
      return invalid_model(name, " has an entry ", v, ", expected ", lowest, " to ", kWindowLimit);
  return {};
}

// An attribute of `entries` integers, all `otherwise` when it is absent.
inline Result<std::vector<int64_t>> window_list(const Attrs& attrs, const char* name, size_t entries, int64_t otherwise,
                                                int64_t lowest) {
  QL_TRY(auto list, ints_attr(attrs, name, std::vector<int64_t>(entries, otherwise)));
  QL_CHECK_OK(check_window_list(name, list, entries, lowest));
  return list;
}

}  // namespace quadlane
