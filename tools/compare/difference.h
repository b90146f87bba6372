// How far one engine's outputs lie from another's.
#pragma once

#include <span>
#include <string>

#include "engine/base/tensor.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {

struct Difference {
  measure::Deviation values;
  double labels_changed = 0;  // share of pixels whose largest channel is another one; of outputs [N,C,H,W] with C > 1
};
Result<Difference> difference(std::span<const Tensor> wanted, std::span<const Tensor> got);

// Every element, of tensors of one type.
void add_elements(const Tensor& want, const Tensor& got, measure::Deviation&);

// "0.01200", "NaN" where one side alone is no number; "85.3", "equal", "NaN", "-" where nothing but zeros is wanted.
std::string largest_text(const measure::Deviation&);
std::string sqnr_text(const measure::Deviation&);

}  // namespace quadlane::tools
