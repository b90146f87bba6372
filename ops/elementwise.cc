#include "ops/elementwise.h"

namespace quadlane {

void append_elementwise_ops(std::vector<OpDef>& defs) {
  append_unary_ops(defs);
  append_activation_ops(defs);
  append_arithmetic_ops(defs);
  append_variadic_ops(defs);
  append_compare_ops(defs);
  append_cast_ops(defs);
  append_bit_ops(defs);
  append_classify_ops(defs);
}

}  // namespace quadlane
