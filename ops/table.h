// The table of every operator the engine knows. It is built once, from one explicit list in table.cc.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

const OpTable& op_table();

}  // namespace quadlane
