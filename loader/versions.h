// What changed when: for every operator the loader imports, the opset versions that redefined it, and the function that
// turns each older form into the canonical one (opset 21). The table is the loader's own; it needs no schema library.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "loader/upgrade.h"

namespace quadlane {

inline constexpr int kOldestOpset = 1;
inline constexpr int kNewestOpset = 26;  // up to here the listed operators are known not to have changed otherwise

struct OpChange {
  int since;
  const char* what;
};

struct OpHistory {
  std::string_view op;  // outside the standard domain with the domain before it: "com.microsoft.QGemm"
  // In order; the first is the oldest form imported. All are imported, whatever the operator table then says to them.
  std::vector<OpChange> changes;
  UpgradeFn upgrade;  // null: every version reads as the canonical form

  // The version a model of this opset means, or 0 when the operator did not exist yet.
  int version(int64_t opset) const;
  // Whether a node written for opset `from` means the same in the newer opset `to`.
  bool reads_the_same(int64_t from, int64_t to) const;
};

// By name, sorted.
std::span<const OpHistory> op_histories();
const OpHistory* find_history(std::string_view op);  // null: unknown

}  // namespace quadlane
