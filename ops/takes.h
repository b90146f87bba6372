// Which elements along each axis Slice and Pad take: for their references and for the copies that the compiler plans.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

struct AxisRange {
  int64_t start, count, step;
};
Result<std::vector<AxisRange>> slice_ranges(const OpContext&);

using AxisTable = std::vector<int64_t>;  // source element of each output position; -1: Pad's constant
Result<std::vector<AxisTable>> pad_tables(const OpContext&, const Shape& out);

}  // namespace quadlane
