#include "ops/table.h"

#include "ops/defs.h"

namespace quadlane {

const OpTable& op_table() {
  static const OpTable table = [] {
    std::vector<OpDef> defs;
    append_conv_ops(defs);
    append_ql_conv_ops(defs);
    return OpTable(std::move(defs));
  }();
  return table;
}

}  // namespace quadlane
