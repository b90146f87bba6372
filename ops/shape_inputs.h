// Inputs that give shapes, axes and counts: they must be known when types are inferred.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

// Error Code::needs_value when input i carries no data; `what` names it: "shape input is not a constant".
Status expect_known(const OpContext&, size_t input, const char* what);
// The integers of a known input, at most one dimension.
Result<std::vector<int64_t>> known_ints(const OpContext&, size_t input, const char* what);
// The same of one element.
Result<int64_t> known_int(const OpContext&, size_t input, const char* what);

// Axes as indices below rank; an axis that does not exist or occurs twice is an error.
Result<std::vector<size_t>> normalize_axes(const std::vector<int64_t>& axes, size_t rank);
// Attribute `axis` as an index below rank.
Result<size_t> axis_attr(const OpContext&, int64_t otherwise, size_t rank);

// a * b and a + b, or an error saying that the extent overflows.
Result<int64_t> checked_product(int64_t a, int64_t b);
Result<int64_t> checked_sum(int64_t a, int64_t b);

// Element i of a tensor of indices into an axis, counted from the end when negative.
Result<int64_t> checked_index(const View& indices, int64_t i, int64_t extent);

// Product of extents [from, to).
int64_t elements_between(const Shape&, size_t from, size_t to);

}  // namespace quadlane
