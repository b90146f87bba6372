// What `quadlane quantize` tells about the model it wrote.
#pragma once

#include "tools/accuracy/report.h"
#include "tools/cli/range_choice.h"

namespace quadlane::tools {

// Writes the reports to these files (empty: none) and prints what they say in short.
Status tell(const QuantizationReport& written, const RangeChoice&, const std::string& html, const std::string& json);

}  // namespace quadlane::tools
