#include "ops/table.h"

#include "ops/defs.h"

namespace quadlane {

const OpTable& op_table() {
  static const OpTable table = [] {
    std::vector<OpDef> defs;
    return OpTable(std::move(defs));
  }();
  return table;
}

}  // namespace quadlane
