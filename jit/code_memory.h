// Executable memory that is never writable and executable at once.
//
// Code is placed first and made executable as a whole by seal(): written through one mapping of an anonymous file,
// which is closed and sealed against writing before a second mapping executes it; or, where the system refuses that,
// in private pages that turn from read-write into read-execute. method() tells which.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/base/abi/conv.h"
#include "engine/base/status.h"
#include "jit/code_listener.h"
#include "jit/machine_code.h"

namespace quadlane {

struct CodeMemoryOptions {
  bool dual_mapping = true;  // false goes straight to the second way
  std::vector<std::shared_ptr<CodeListener>> listeners;
};

class CodeMemory {
 public:
  CodeMemory() = default;
  CodeMemory(CodeMemory&&) noexcept;
  CodeMemory& operator=(CodeMemory&&) noexcept;
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;
  ~CodeMemory();

  // Before seal(): copies the code and returns its offset, by which entry() finds it.
  size_t place(const MachineCode&);
  Status seal(const CodeMemoryOptions& = {});

  bool sealed() const { return base_ != nullptr; }
  const void* base() const { return base_; }
  size_t size() const { return bytes_; }
  const char* method() const { return method_; }  // "dual mapping", "read-write, then read-execute", "not sealed"
  // After seal(); valid while this object lives.
  KernelFn entry(size_t offset) const;

 private:
  struct Symbol {
    size_t offset, size;
    std::string name;
  };
  bool map_dual();
  bool map_then_protect();
  Status tell(CodeListener&) const;

  std::vector<uint8_t> staged_;
  std::vector<Symbol> symbols_;
  void* base_ = nullptr;
  size_t bytes_ = 0;
  const char* method_ = "not sealed";
};

}  // namespace quadlane
