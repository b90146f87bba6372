// Fully connected layers that stay products: those on sequences, and on images whose channels lie last.
#pragma once
#include <set>
#include <string>

#include "graph/passes/rewrite.h"

namespace quadlane {

// Whether a Gemm or MatMul is a fully connected layer: constant weights, a bias for each column.
bool is_quantizable_product(const Graph&, const Node&);

// Profiles look at axis 1, a product of more than two axes at the last: what it reads has a second entry, for its
// columns.
std::string by_columns(const std::string& value);
// The values that have one.
std::set<ValueId> read_by_columns(const Graph&);

}  // namespace quadlane
