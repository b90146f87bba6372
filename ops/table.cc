#include "ops/table.h"

#include "ops/defs.h"

namespace quadlane {

const OpTable& op_table() {
  static const OpTable table = [] {
    std::vector<OpDef> defs;
    append_conv_ops(defs);
    append_pool_ops(defs);
    append_norm_ops(defs);
    append_resize_ops(defs);
    append_softmax_ops(defs);
    append_matmul_ops(defs);
    append_quantize_ops(defs);
    append_integer_ops(defs);
    append_elementwise_ops(defs);
    append_shape_ops(defs);
    append_reduce_ops(defs);
    append_vision_ops(defs);
    append_einsum_ops(defs);
    append_det_ops(defs);
    append_recurrent_ops(defs);
    append_ql_conv_ops(defs);
    append_ql_matmul_ops(defs);
    append_ql_pixel_ops(defs);
    append_ql_pool_ops(defs);
    append_ql_resize_ops(defs);
    return OpTable(std::move(defs));
  }();
  return table;
}

}  // namespace quadlane
