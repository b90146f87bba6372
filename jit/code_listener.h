// Who wants to know where generated code lies: profilers. Listeners are told once, when code became executable.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "engine/base/status.h"

namespace quadlane {

struct CodeListener {
  virtual ~CodeListener() = default;
  // Code in private pages of no file, because the profiler names addresses in files by the file.
  virtual bool wants_private_pages() const { return false; }
  virtual Status code_loaded(const std::string& name, const void* address, std::span<const uint8_t> code) = 0;
};

// The map file that `perf report` reads for generated code: /tmp/perf-PID.map, one line "start size name" in hex for
// each kernel.
Result<std::shared_ptr<CodeListener>> make_perf_map();
// A dump for `perf inject --jit`, after which `perf annotate` shows the instructions: DIR/jit-PID.dump. Record with
// `perf record -k mono`, as its times are of that clock.
Result<std::shared_ptr<CodeListener>> make_jit_dump(const std::string& folder);

}  // namespace quadlane
