// Kernels by name in VTune, through the interface of its JIT collector.
#pragma once

#include "jit/code_listener.h"

namespace quadlane::tools {

// `library`: libjitprofiling or libittnotify_collector as VTune installs it (INTEL_JIT_PROFILER64 names it in a run
// under the profiler).
Result<std::shared_ptr<CodeListener>> make_vtune_listener(const std::string& library);

}  // namespace quadlane::tools
